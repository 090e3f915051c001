//! Authorization codes as they are stored (RFC 6749 §4.1.2).

use super::family::Subject;
use super::handle::FamilyId;
use super::pkce::CodeChallenge;
use super::scope::Scope;
use crate::clock::UnixTime;
use serde::{Deserialize, Serialize};

/// A code, found under its hash. It is marked redeemed rather than deleted, so that a replay is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCode {
    /// Whom it was issued to.
    pub client_id: String,
    /// The redirect URI, if the authorization request had the parameter: then the token request repeats it.
    pub redirect_uri: Option<String>,
    /// RFC 7636 §4.3.
    pub code_challenge: Option<CodeChallenge>,
    /// What was granted.
    pub scope: Scope,
    /// Who logged in.
    pub subject: Subject,
    /// The family that its redemption begins, or has begun.
    pub family: FamilyId,
    /// The family of the login that it was got with.
    pub parent: Option<FamilyId>,
    /// Exclusive.
    pub expires_at: UnixTime,
    /// Whether it has been used.
    pub redeemed: bool,
}
