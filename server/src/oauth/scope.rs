//! Scopes (RFC 6749 §3.3): an ordered set of tokens that match as whole words.

use super::error::OAuthError;
use serde::{Deserialize, Serialize};

/// How many scopes a client may have: a token's handle has one bit for each.
pub const MAX_SCOPES: usize = 64;

/// An ordered set of scope tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(Vec<String>);

impl Scope {
    /// The set of `tokens`, in order, doubles left out.
    pub fn new(tokens: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut scope = Self::default();
        for token in tokens {
            let token = token.into();
            if !scope.contains(&token) {
                scope.0.push(token);
            }
        }
        scope
    }

    /// Parses the value of `scope`: tokens of `%x21 / %x23-5B / %x5D-7E`, separated by single spaces.
    ///
    /// # Errors
    /// `invalid_scope`.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let tokens: Vec<&str> = text.split(' ').collect();
        if tokens.iter().any(|token| token.is_empty()) {
            return Err(OAuthError::invalid_scope("scope tokens are separated by exactly one space"));
        }
        if !tokens.iter().all(|token| is_scope_token(token)) {
            return Err(OAuthError::invalid_scope("a scope token has a character that RFC 6749 does not allow"));
        }
        Ok(Self::new(tokens))
    }

    /// The tokens, in order.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `token` is one of them, as a whole.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|known| known == token)
    }

    /// Whether every token is one of `wider`'s.
    #[must_use]
    pub fn is_within(&self, wider: &Self) -> bool {
        self.0.iter().all(|token| wider.contains(token))
    }

    /// The tokens that `other` has as well, in this order.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|token| other.contains(token)).cloned().collect())
    }

    /// Which tokens of `whole` are in this scope: bit i for `whole`'s token i.
    #[must_use]
    pub fn mask_within(&self, whole: &Self) -> u64 {
        whole.0.iter().take(MAX_SCOPES).enumerate().fold(
            0,
            |mask, (index, token)| {
                if self.contains(token) { mask | 1 << index } else { mask }
            },
        )
    }

    /// The tokens that `mask` chooses.
    #[must_use]
    pub fn masked(&self, mask: u64) -> Self {
        let chosen = self.0.iter().take(MAX_SCOPES).enumerate().filter(|(index, _)| mask >> index & 1 == 1);
        Self(chosen.map(|(_, token)| token.clone()).collect())
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// RFC 6749 §3.3 `scope-token`.
#[must_use]
pub fn is_scope_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

/// What a request for `requested` (or for nothing in particular) may get of `allowed`.
///
/// # Errors
/// `invalid_scope` when more is asked for than is allowed.
pub fn within(requested: Option<&Scope>, allowed: &Scope) -> Result<Scope, OAuthError> {
    let Some(requested) = requested else { return Ok(allowed.clone()) };
    match requested.tokens().iter().find(|token| !allowed.contains(token)) {
        Some(token) => Err(OAuthError::invalid_scope(format!("scope '{token}' is not allowed here"))),
        None => Ok(requested.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_match_as_whole_words() {
        let scope = Scope::parse("search match_info search").unwrap();
        assert_eq!(scope.to_string(), "search match_info");
        assert!(!scope.contains("match"));
        assert!(Scope::parse("a  b").is_err());
        assert!(Scope::parse(" a").is_err());
        assert!(Scope::parse("a\"b").is_err());
    }

    #[test]
    fn a_mask_brings_back_the_scope_it_was_made_of() {
        let whole = Scope::new(["a", "b", "c"]);
        let part = Scope::new(["c", "a"]);
        assert_eq!(whole.masked(part.mask_within(&whole)), Scope::new(["a", "c"]));
    }

    #[test]
    fn more_than_allowed_is_refused_and_nothing_asked_is_everything() {
        let allowed = Scope::new(["a", "b"]);
        assert_eq!(within(None, &allowed).unwrap(), allowed);
        assert_eq!(within(Some(&Scope::new(["b"])), &allowed).unwrap(), Scope::new(["b"]));
        assert!(within(Some(&Scope::new(["c"])), &allowed).is_err());
    }
}
