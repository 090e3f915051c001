//! Why a command was not done.

use crate::accounts::AccountError;
use crate::keys::KeyError;
use crate::oauth::error::OAuthError;
use crate::store::{CommitError, StoreError};
use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// What sort of failure it is; the command's exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// What was asked for is not allowed or makes no sense.
    Refused,
    /// There is no such user, client, token or entry.
    NotFound,
    /// The store, the hashing threads or a plugin cannot do it now.
    Unavailable,
}

impl ErrorKind {
    /// The word for the audit log and the socket.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NotFound => "not-found",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Why a command was not done. The text is for the operator and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct AdminError {
    /// The sort.
    pub kind: ErrorKind,
    /// What is wrong, and what to do.
    pub message: String,
}

impl AdminError {
    /// What was asked for is not allowed.
    pub fn refused(message: impl Display) -> Self {
        Self { kind: ErrorKind::Refused, message: message.to_string() }
    }

    /// It is not there.
    pub fn not_found(message: impl Display) -> Self {
        Self { kind: ErrorKind::NotFound, message: message.to_string() }
    }

    /// It cannot be done now.
    pub fn unavailable(message: impl Display) -> Self {
        Self { kind: ErrorKind::Unavailable, message: message.to_string() }
    }

    /// After too many lost races.
    pub(super) fn contended() -> Self {
        Self::unavailable("others kept changing the same at the same time; try once more")
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::unavailable(error)
    }
}

impl From<CommitError> for AdminError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::TooLarge(_) => Self::refused(error),
            CommitError::Conflict => Self::contended(),
            CommitError::Unavailable(error) => error.into(),
        }
    }
}

impl From<OAuthError> for AdminError {
    fn from(error: OAuthError) -> Self {
        Self::unavailable(error)
    }
}

impl From<AccountError> for AdminError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::NotFound => Self::not_found(error),
            AccountError::Conflict | AccountError::Busy | AccountError::Unavailable(_) => Self::unavailable(error),
            _ => Self::refused(error),
        }
    }
}

impl From<KeyError> for AdminError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NotConfigured(_) | KeyError::TooMany => Self::refused(error),
            _ => Self::unavailable(error),
        }
    }
}
