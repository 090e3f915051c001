//! Which events a sink is told of.

/// Kinds as the configuration names them: `login.rejected`, `login.*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subscription(Vec<String>);

impl Subscription {
    pub fn new(kinds: &[String]) -> Self {
        Self(kinds.to_vec())
    }

    pub fn has(&self, kind: &str) -> bool {
        self.0.iter().any(|wanted| match wanted.strip_suffix('*') {
            Some(start) => kind.starts_with(start),
            None => kind == wanted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_whatever_follows_the_dot() {
        let has = |wanted: &str, kind: &str| Subscription::new(&[wanted.to_owned()]).has(kind);
        assert!(has("login.*", "login.rejected") && has("*", "lockout") && has("lockout", "lockout"));
        assert!(
            !has("login.*", "logins") && !has("token.revoke", "token.revoked") && !has("lockout", "lockout.release")
        );
        assert!(!Subscription::new(&[]).has("lockout"));
    }
}
