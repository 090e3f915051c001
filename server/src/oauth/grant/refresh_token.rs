//! The refresh grant (RFC 6749 §6): rotation with reuse detection (RFC 9700 §4.14.2).

use crate::clock::UnixTime;
use crate::oauth::client::Client;
use crate::oauth::error::OAuthError;
use crate::oauth::family::{Standing, TokenFamily};
use crate::oauth::handle::RefreshHandle;
use crate::oauth::scope::{self, Scope};
use std::time::Duration;

/// What to do with a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Commit the next generation and answer with it.
    Rotate {
        /// The family as it shall be stored.
        next: Box<TokenFamily>,
        /// The access token's scope.
        scope: Scope,
    },
    /// The answer to an earlier use was lost: give the same successor again.
    Repeat {
        /// The access token's scope.
        scope: Scope,
    },
    /// A replay: end the family; the client still sees `invalid_grant`.
    RevokeFamily,
}

/// Decides what `presented` is worth. The caller has checked its MAC, and commits at the version that it read.
///
/// - `requested`: may narrow the access token, never the refresh token
/// - `grace`: how long a used token still gets the same successor
/// - `now_ms`: milliseconds since the Unix epoch
///
/// # Errors
/// `invalid_grant` when it is another client's, expired or revoked; `invalid_scope` for more than was granted.
pub fn decide(
    presented: RefreshHandle,
    family: &TokenFamily,
    standing: Standing,
    client: &Client,
    requested: Option<&Scope>,
    grace: Duration,
    now_ms: u64,
) -> Result<Decision, OAuthError> {
    // Bindings come first: a client that found somebody else's old token must not be able to end their family.
    if family.client_id != client.id || !family.refreshable {
        return Err(OAuthError::invalid_grant("the refresh token is not this client's"));
    }
    if !family.is_alive(standing) {
        return Err(OAuthError::invalid_grant("the refresh token has been revoked"));
    }
    if UnixTime(now_ms / 1000) >= family.expires_at {
        return Err(OAuthError::invalid_grant("the refresh token has expired"));
    }
    if presented.generation > family.generation {
        return Err(OAuthError::invalid_grant("the refresh token is not known"));
    }
    // Where the clock was set back since, the token's age is not known: no grace.
    let age = now_ms.checked_sub(family.rotated_at_ms).map(Duration::from_millis);
    let in_grace = age.is_some_and(|age| age < grace);
    if presented.generation < family.generation && !(presented.generation + 1 == family.generation && in_grace) {
        return Ok(Decision::RevokeFamily);
    }
    // A client that has lost a scope since does not get it back through an old token.
    let allowed = family.scope.intersect(&client.scopes);
    let scope = scope::within(requested, &allowed)?;
    if presented.generation < family.generation {
        return Ok(Decision::Repeat { scope });
    }
    let generation = family.generation.checked_add(1);
    let generation = generation.ok_or_else(|| OAuthError::invalid_grant("the refresh token cannot be used again"))?;
    let next = Box::new(TokenFamily { generation, rotated_at_ms: now_ms, ..family.clone() });
    Ok(Decision::Rotate { next, scope })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::family::tests::{ALIVE, family};
    use crate::oauth::grant::tests::client;
    use crate::oauth::handle::FamilyId;

    const GRACE: Duration = Duration::from_secs(5);

    fn token(generation: u32) -> RefreshHandle {
        RefreshHandle { family: FamilyId::new(0, [0; 8]), generation }
    }

    fn at(generation: u32, grace: Duration, now_ms: u64) -> Decision {
        decide(token(generation), &family(), ALIVE, &client(), None, grace, now_ms).unwrap()
    }

    #[test]
    fn the_current_generation_rotates_and_keeps_its_scope_and_expiry() {
        let narrowed = Scope::new(["read"]);
        let Decision::Rotate { next, scope } =
            decide(token(2), &family(), ALIVE, &client(), Some(&narrowed), GRACE, 2_000_000).unwrap()
        else {
            panic!("not rotated")
        };
        assert_eq!(scope, narrowed);
        assert_eq!(*next, TokenFamily { generation: 3, rotated_at_ms: 2_000_000, ..family() });
    }

    #[test]
    fn the_last_generation_repeats_within_the_grace_window_only() {
        assert_eq!(at(1, GRACE, 1_004_999), Decision::Repeat { scope: family().scope });
        assert_eq!(at(1, GRACE, 1_005_000), Decision::RevokeFamily);
        assert_eq!(at(1, Duration::ZERO, 1_000_000), Decision::RevokeFamily);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_lengthen_the_window() {
        assert_eq!(at(1, GRACE, 1_000_000), Decision::Repeat { scope: family().scope });
        assert_eq!(at(1, GRACE, 999_999), Decision::RevokeFamily);
    }

    #[test]
    fn an_older_generation_ends_the_family_even_within_the_window() {
        assert_eq!(at(0, GRACE, 1_000_001), Decision::RevokeFamily);
    }

    #[test]
    fn another_client_can_neither_use_nor_end_it() {
        let thief = Client { id: "thief".into(), ..client() };
        let error = decide(token(0), &family(), ALIVE, &thief, None, GRACE, 1_000_000).unwrap_err();
        assert_eq!(error.to_string(), "invalid_grant: the refresh token is not this client's");
    }

    #[test]
    fn what_has_ended_stays_ended() {
        let revoked = TokenFamily { revoked: true, ..family() };
        assert!(decide(token(2), &revoked, ALIVE, &client(), None, GRACE, 1_000_000).is_err());
        assert!(decide(token(2), &family(), ALIVE, &client(), None, GRACE, 5_000_000).is_err());
        let disabled = Standing { account_enabled: false, ..ALIVE };
        assert!(decide(token(2), &family(), disabled, &client(), None, GRACE, 1_000_000).is_err());
        assert!(decide(token(3), &family(), ALIVE, &client(), None, GRACE, 1_000_000).is_err());
    }

    #[test]
    fn scope_may_not_widen() {
        let wider = Scope::new(["read", "admin"]);
        let error = decide(token(2), &family(), ALIVE, &client(), Some(&wider), GRACE, 1_000_000).unwrap_err();
        assert_eq!(error.to_string(), "invalid_scope: scope 'admin' is not allowed here");
    }
}
