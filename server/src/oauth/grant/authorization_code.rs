//! The authorization code grant (RFC 6749 §4.1.3) with PKCE (RFC 7636).

use crate::clock::UnixTime;
use crate::oauth::client::Client;
use crate::oauth::code::StoredCode;
use crate::oauth::error::OAuthError;
use crate::oauth::family::Subject;
use crate::oauth::handle::FamilyId;
use crate::oauth::scope::Scope;
use crate::oauth::token_request::AuthorizationCodeGrant;

/// What to do with a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Mark the code redeemed and begin its family.
    Issue {
        /// The family to begin.
        family: FamilyId,
        /// Who logged in.
        subject: Subject,
        /// What was granted.
        scope: Scope,
        /// The family that this one hangs on.
        parent: Option<FamilyId>,
    },
    /// A replay (RFC 6749 §4.1.2): end what the code gave; the client still sees `invalid_grant`.
    RevokeFamily(FamilyId),
}

/// Decides whether `grant` may redeem `code`. The caller loaded `code` and commits at the version that it read.
///
/// Bindings come first, then state, then time: a thief without the verifier can neither burn a code nor end a family.
///
/// # Errors
/// `invalid_grant` when a binding differs or the code has expired.
pub fn decide(
    grant: &AuthorizationCodeGrant,
    code: &StoredCode,
    client: &Client,
    now: UnixTime,
) -> Result<Decision, OAuthError> {
    if code.client_id != client.id {
        return Err(OAuthError::invalid_grant("the code is not this client's"));
    }
    match (&code.code_challenge, &grant.code_verifier) {
        (Some(challenge), Some(verifier)) if challenge.matches(verifier) => {}
        (Some(_), Some(_)) => return Err(OAuthError::invalid_grant("code_verifier does not match the challenge")),
        (Some(_), None) => return Err(OAuthError::invalid_grant("code_verifier is missing")),
        (None, None) if client.is_confidential() => {}
        // RFC 9700 §2.1.1: a verifier without a challenge is a downgrade.
        (None, _) => return Err(OAuthError::invalid_grant("the code was issued without a code_challenge")),
    }
    if code.redirect_uri != grant.redirect_uri {
        let sent = code.redirect_uri.is_some();
        return Err(OAuthError::invalid_grant(if sent {
            "redirect_uri differs from that of the authorization request"
        } else {
            "redirect_uri was not part of the authorization request"
        }));
    }
    if code.redeemed {
        return Ok(Decision::RevokeFamily(code.family));
    }
    if now >= code.expires_at {
        return Err(OAuthError::invalid_grant("the code has expired"));
    }
    Ok(Decision::Issue {
        family: code.family,
        subject: code.subject.clone(),
        scope: code.scope.intersect(&client.scopes),
        parent: code.parent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client::ClientType;
    use crate::oauth::family::tests::family;
    use crate::oauth::grant::tests::client;
    use crate::oauth::pkce::{CodeChallenge, CodeVerifier};
    use zeroize::Zeroizing;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn code() -> StoredCode {
        StoredCode {
            client_id: "app".into(),
            redirect_uri: Some("https://app.example/cb".into()),
            code_challenge: CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", Some("S256")).ok(),
            scope: Scope::new(["read"]),
            subject: family().subject.unwrap(),
            family: FamilyId::new(1, [1; 8]),
            parent: None,
            expires_at: UnixTime(1_000),
            redeemed: false,
        }
    }

    fn grant() -> AuthorizationCodeGrant {
        AuthorizationCodeGrant {
            code: Zeroizing::new("code".into()),
            redirect_uri: Some("https://app.example/cb".into()),
            code_verifier: CodeVerifier::parse(VERIFIER).ok(),
        }
    }

    fn refused(grant: &AuthorizationCodeGrant, code: &StoredCode, client: &Client, now: u64) -> bool {
        decide(grant, code, client, UnixTime(now)).is_err()
    }

    #[test]
    fn a_code_gives_what_was_granted() {
        let decision = decide(&grant(), &code(), &client(), UnixTime(999)).unwrap();
        let issue = Decision::Issue {
            family: code().family,
            subject: code().subject,
            scope: Scope::new(["read"]),
            parent: None,
        };
        assert_eq!(decision, issue);
    }

    #[test]
    fn a_replayed_code_revokes_its_token_family() {
        let replayed = StoredCode { redeemed: true, ..code() };
        let decision = decide(&grant(), &replayed, &client(), UnixTime(5_000)).unwrap();
        assert_eq!(decision, Decision::RevokeFamily(code().family));
    }

    #[test]
    fn a_thief_without_the_verifier_can_neither_use_nor_revoke() {
        let replayed = StoredCode { redeemed: true, ..code() };
        let none = AuthorizationCodeGrant { code_verifier: None, ..grant() };
        let wrong = AuthorizationCodeGrant { code_verifier: CodeVerifier::parse(&"x".repeat(43)).ok(), ..grant() };
        let thief = Client { id: "thief".into(), ..client() };
        assert!(refused(&none, &replayed, &client(), 1));
        assert!(refused(&wrong, &replayed, &client(), 1));
        assert!(refused(&grant(), &replayed, &thief, 1));
    }

    #[test]
    fn pkce_may_be_left_out_by_confidential_clients_only() {
        let plain = StoredCode { code_challenge: None, ..code() };
        let none = AuthorizationCodeGrant { code_verifier: None, ..grant() };
        let public = Client { client_type: ClientType::Public, ..client() };
        assert!(!refused(&none, &plain, &client(), 1));
        assert!(refused(&none, &plain, &public, 1));
        assert!(refused(&grant(), &plain, &client(), 1), "a verifier without a challenge is a downgrade");
    }

    #[test]
    fn the_redirect_uri_is_repeated_exactly_when_it_was_sent() {
        let missing = AuthorizationCodeGrant { redirect_uri: None, ..grant() };
        assert!(refused(&missing, &code(), &client(), 1));
        let without = StoredCode { redirect_uri: None, ..code() };
        assert!(refused(&grant(), &without, &client(), 1));
        assert!(!refused(&missing, &without, &client(), 1));
    }

    #[test]
    fn an_expired_code_is_refused() {
        assert!(refused(&grant(), &code(), &client(), 1_000));
    }
}
