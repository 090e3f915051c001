//! What can go wrong with keys, said with the file or key and the remedy.

use crate::store::{CommitError, StoreError};
use std::io;
use std::path::PathBuf;

/// Why keys cannot be loaded, kept or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file with the master key cannot be read.
    #[error(
        "cannot read the master key from {}: {cause}; let the server's user read it, or make one with `openssl rand \
         -base64 32`",
        path.display()
    )]
    MasterUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The generated master key cannot be kept.
    #[error("cannot write a new master key to {}: {cause}; make the folder writable or set `keys.master`", path.display())]
    MasterUnwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Others may read or change the file.
    #[error("the master key in {} is open to others (mode {mode:03o}); run `chmod 600 {}`", path.display(), path.display())]
    MasterExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The environment variable is not set, or not text.
    #[error("the environment variable {0}, named by `keys.master`, holds no master key; set it or name a file")]
    MasterUnset(String),
    /// `keys.master` is neither a file nor an environment variable.
    #[error("`keys.master` must be a `file` or an `env`: a key does not belong into the configuration itself")]
    MasterInline,
    /// Not 32 bytes.
    #[error("the master key from {place} is not 32 bytes as base64 or hex; make one with `openssl rand -base64 32`")]
    MasterMalformed {
        /// The file or variable.
        place: String,
    },
    /// The store's keys are sealed under another master key.
    #[error(
        "the keys in the store are sealed under the master key with fingerprint {expected}, but the one given has \
         {given}; give the master key that the store was made with (a generated one is `master.key` beside the data)"
    )]
    MasterDiffers {
        /// The fingerprint noted in the store.
        expected: String,
        /// The fingerprint of the loaded key.
        given: String,
    },
    /// The store has keys, and no master key was given or found beside the data.
    #[error(
        "the keys in the store are sealed under the master key with fingerprint {expected}, but `keys.master` names none \
         and there is no {}; give the one that the store was made with",
        path.display()
    )]
    MasterMissing {
        /// The fingerprint noted in the store.
        expected: String,
        /// Where a generated one would be.
        path: PathBuf,
    },
    /// A record cannot be opened although the master key is the right one.
    #[error("{what} in the store is damaged; restore the data folder from a backup")]
    Damaged {
        /// Which key.
        what: String,
    },
    /// No key has this id (any more).
    #[error("no key `{0}`; `pintle keys list` shows those there are")]
    UnknownKey(String),
    /// The key is of another algorithm.
    #[error("key `{id}` is not for {algorithm}")]
    WrongAlgorithm {
        /// The key's id.
        id: String,
        /// What was asked for.
        algorithm: &'static str,
    },
    /// The key is published, but does not sign: not yet, or no more.
    #[error("key `{0}` does not sign now")]
    NotSigning(String),
    /// No keys of this algorithm are kept.
    #[error("no keys for {0} are configured; set `tokens.access.algorithm`")]
    NotConfigured(&'static str),
    /// Too many keys retired within the lifetime of their tokens.
    #[error("too many keys are published already; wait until retired ones are removed")]
    TooMany,
    /// Others kept changing the keys.
    #[error("the keys were changed by others at the same time, again and again; try once more")]
    Contended,
    /// The cryptographic library refused.
    #[error("the cryptographic library could not {0}")]
    Crypto(&'static str),
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl KeyError {
    /// Whether another master key, or a readable one, would help: then `keys.master` is to be put right.
    #[must_use]
    pub const fn is_about_the_master_key(&self) -> bool {
        matches!(
            self,
            Self::MasterUnreadable { .. }
                | Self::MasterExposed { .. }
                | Self::MasterUnset(_)
                | Self::MasterInline
                | Self::MasterMalformed { .. }
                | Self::MasterDiffers { .. }
                | Self::MasterMissing { .. }
        )
    }
}

impl From<CommitError> for KeyError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict => Self::Contended,
            CommitError::TooLarge(_) => Self::TooMany,
            CommitError::Unavailable(error) => Self::Store(error),
        }
    }
}
