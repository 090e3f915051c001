//! What can go wrong with an account.

use super::username::UsernameError;
use crate::password::HashError;
use crate::store::{CommitError, StoreError};

/// Why an account was not made, changed or checked. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccountError {
    /// Another account has this name.
    #[error("another account has this user name")]
    NameTaken,
    /// The text is no user name.
    #[error(transparent)]
    BadUsername(#[from] UsernameError),
    /// The new password is too short.
    #[error("the password has fewer than {min} characters")]
    PasswordTooShort {
        /// `[passwords] min_length`, in characters.
        min: usize,
    },
    /// The new password is too long.
    #[error("the password has more than {max} bytes")]
    PasswordTooLong {
        /// [`super::MAX_PASSWORD_BYTES`].
        max: usize,
    },
    /// A name, address or group is too long, has control characters, or there are too many groups.
    #[error("{0} is too long, has control characters, or has too many entries")]
    BadField(&'static str),
    /// The password hash is no Argon2 PHC string, or costs too much.
    #[error("the password hash is refused: {0}")]
    BadHash(HashError),
    /// There is no such account.
    #[error("there is no such account")]
    NotFound,
    /// What the caller wanted committed with the change no longer fits: load and decide again.
    #[error("another commit was first")]
    Conflict,
    /// The hashing queue is full: trying again in a second may help.
    #[error("too many passwords are being checked")]
    Busy,
    /// The store, the hashing threads or the account's record fail.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

impl From<HashError> for AccountError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            error => Self::Unavailable(StoreError::new(error)),
        }
    }
}

impl From<CommitError> for AccountError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict => Self::Conflict,
            CommitError::Unavailable(error) => Self::Unavailable(error),
            error @ CommitError::TooLarge(_) => Self::Unavailable(StoreError::new(error)),
        }
    }
}
