//! Token families: all that one login, one code or one machine was given, in one record.

use super::client::GrantType;
use super::handle::{AccessHandle, AccessKind, FamilyId};
use super::scope::Scope;
use crate::clock::UnixTime;
use serde::{Deserialize, Serialize};

/// Which account a subject is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRef {
    /// The plugin's name in the configuration.
    pub backend: String,
    /// The account's id there.
    pub id: String,
}

/// The user that a family was issued for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// `sub`.
    pub sub: String,
    /// Which account it is.
    pub account: AccountRef,
    /// The login name at issue.
    pub username: String,
    /// When the user proved who they are.
    pub auth_time: UnixTime,
    /// How (RFC 8176).
    pub amr: Vec<String>,
    /// The authentication context class reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// The identity's epoch at issue: a later one has revoked it.
    pub epoch: u32,
}

/// A family: updated in place at each rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenFamily {
    /// Who it was issued to.
    pub client_id: String,
    /// The client's epoch at issue: a later one has revoked it.
    pub client_epoch: u32,
    /// Whom it was issued for; `None` for a client of its own right.
    pub subject: Option<Subject>,
    /// The grant that began it.
    pub grant: GrantType,
    /// What the refresh token stands for; an access token may have less.
    pub scope: Scope,
    /// Of the refresh token that works now. The first is 1.
    pub generation: u32,
    /// When that generation began, in milliseconds since the Unix epoch.
    pub rotated_at_ms: u64,
    /// When the family began.
    pub issued_at: UnixTime,
    /// Exclusive end of the refresh token's life; rotation does not move it.
    pub expires_at: UnixTime,
    /// Whether there is a refresh token at all.
    pub refreshable: bool,
    /// Nothing of it works any more.
    pub revoked: bool,
    /// The family whose end ends this one: the login that an authorization code was got with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<FamilyId>,
    /// What a plugin's grant added to the claims: a JSON object, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub claims_json: String,
}

/// What of a family is checked beside the record itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The identity's epoch now; `None` if the identity is gone.
    pub subject_epoch: Option<u32>,
    /// The client's epoch now; `None` if the client is gone.
    pub client_epoch: Option<u32>,
    /// Whether every family that this one hangs on is alive.
    pub parent_alive: bool,
    /// Whether the account may still log in, as far as the server can tell.
    pub account_enabled: bool,
}

impl TokenFamily {
    /// Whether anything of the family may still work at all.
    #[must_use]
    pub fn is_alive(&self, standing: Standing) -> bool {
        !self.revoked
            && standing.parent_alive
            && standing.account_enabled
            && standing.client_epoch == Some(self.client_epoch)
            && self.subject.as_ref().is_none_or(|subject| standing.subject_epoch == Some(subject.epoch))
    }

    /// Whether an access token of this family is active.
    ///
    /// - `handle`: whose MAC has been checked
    /// - `rotation_ends_access`: access tokens of an earlier generation are over
    #[must_use]
    pub fn accepts(
        &self,
        handle: &AccessHandle,
        standing: Standing,
        rotation_ends_access: bool,
        now: UnixTime,
    ) -> bool {
        handle.kind != AccessKind::Stateless
            && self.is_alive(standing)
            && now < handle.expires_at
            && handle.generation <= self.generation
            && (!rotation_ends_access || handle.generation == self.generation)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const ALIVE: Standing =
        Standing { subject_epoch: Some(1), client_epoch: Some(0), parent_alive: true, account_enabled: true };

    pub(crate) fn family() -> TokenFamily {
        TokenFamily {
            client_id: "app".into(),
            client_epoch: 0,
            subject: Some(Subject {
                sub: "subject".into(),
                account: AccountRef { backend: "local".into(), id: "5".into() },
                username: "dory".into(),
                auth_time: UnixTime(100),
                amr: vec!["pwd".into()],
                acr: None,
                epoch: 1,
            }),
            grant: GrantType::Password,
            scope: Scope::new(["read", "write"]),
            generation: 2,
            rotated_at_ms: 1_000_000,
            issued_at: UnixTime(900),
            expires_at: UnixTime(5_000),
            refreshable: true,
            revoked: false,
            parent: None,
            claims_json: String::new(),
        }
    }

    fn handle() -> AccessHandle {
        AccessHandle {
            kind: AccessKind::Opaque,
            family: FamilyId::new(0, [0; 8]),
            generation: 2,
            expires_at: UnixTime(2_000),
            scope_mask: 3,
        }
    }

    #[test]
    fn an_access_token_lives_until_it_expires() {
        assert!(family().accepts(&handle(), ALIVE, true, UnixTime(1_999)));
        assert!(!family().accepts(&handle(), ALIVE, true, UnixTime(2_000)));
    }

    #[test]
    fn a_rotation_ends_earlier_access_tokens_where_configured() {
        let earlier = AccessHandle { generation: 1, ..handle() };
        assert!(family().accepts(&earlier, ALIVE, false, UnixTime(1_000)));
        assert!(!family().accepts(&earlier, ALIVE, true, UnixTime(1_000)));
    }

    #[test]
    fn whatever_ends_the_family_ends_its_access_tokens() {
        let ends = [
            Standing { subject_epoch: Some(2), ..ALIVE },
            Standing { subject_epoch: None, ..ALIVE },
            Standing { client_epoch: Some(1), ..ALIVE },
            Standing { client_epoch: None, ..ALIVE },
            Standing { parent_alive: false, ..ALIVE },
            Standing { account_enabled: false, ..ALIVE },
        ];
        for standing in ends {
            assert!(!family().accepts(&handle(), standing, false, UnixTime(1_000)), "{standing:?}");
        }
        let revoked = TokenFamily { revoked: true, ..family() };
        assert!(!revoked.accepts(&handle(), ALIVE, false, UnixTime(1_000)));
    }

    #[test]
    fn a_stateless_handle_is_no_key_to_a_family() {
        let stateless = AccessHandle { kind: AccessKind::Stateless, ..handle() };
        assert!(!family().accepts(&stateless, ALIVE, false, UnixTime(1_000)));
    }
}
