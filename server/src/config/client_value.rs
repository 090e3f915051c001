//! The rules for a client's values, for clients that are not in the configuration but added by command.

use super::{clients, uri};

/// A value of a client that has rules of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientValue {
    /// `id`.
    Id,
    /// One of `scopes`.
    Scope,
    /// One of `redirect_uris`.
    RedirectUri,
    /// One of `cors`.
    Origin,
}

impl ClientValue {
    /// Whether `text` may stand in a configuration.
    ///
    /// # Errors
    /// What was found, what is expected and what to write instead, in a sentence.
    pub fn check(self, text: &str) -> Result<(), String> {
        let (expected, checked) = match self {
            Self::Id => (clients::ID, clients::check_id(text)),
            Self::Scope => (clients::SCOPE, clients::check_scope(text)),
            Self::RedirectUri => (uri::REDIRECT, uri::check_redirect(text)),
            Self::Origin => (uri::ORIGIN, uri::check_origin(text)),
        };
        match checked {
            Ok(()) if !text.is_empty() => Ok(()),
            Err(Some(help)) => Err(format!("found {text:?}, expected {expected}; {help}")),
            Ok(()) | Err(None) => Err(format!("found {text:?}, expected {expected}")),
        }
    }
}
