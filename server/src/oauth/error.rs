//! Errors as the wire shows them, with what only the log may see kept apart.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

/// The `error` values that Pintle answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// RFC 6749 §5.2.
    InvalidRequest,
    /// RFC 6749 §5.2.
    InvalidClient,
    /// RFC 6749 §5.2.
    InvalidGrant,
    /// RFC 6749 §5.2; the status is configurable.
    UnauthorizedClient,
    /// RFC 6749 §5.2.
    UnsupportedGrantType,
    /// RFC 6749 §5.2.
    InvalidScope,
    /// RFC 6749 §4.1.2.1.
    UnsupportedResponseType,
    /// RFC 6749 §4.1.2.1.
    AccessDenied,
    /// RFC 6749 §4.1.2.1.
    ServerError,
    /// RFC 6749 §4.1.2.1: overloaded, or a backend cannot be reached.
    TemporarilyUnavailable,
    /// `temporarily_unavailable` as well, because the caller itself was too fast (RFC 6585 §4).
    TooManyRequests,
    /// RFC 8628 §3.5.
    AuthorizationPending,
    /// RFC 8628 §3.5.
    SlowDown,
    /// RFC 8628 §3.5.
    ExpiredToken,
    /// OpenID Connect Core §3.1.2.6.
    InteractionRequired,
    /// One more step is needed (OAuth 2.0 for First-Party Applications §5.2.2); `more` says which.
    InsufficientAuthorization,
    /// RFC 6750 §3.1.
    InvalidToken,
    /// RFC 6750 §3.1.
    InsufficientScope,
    /// `invalid_request` where a Bearer token was to be sent (RFC 6750 §3.1).
    MalformedBearer,
    /// `invalid_request` for a body that did not arrive in time (RFC 9110 §15.5.9).
    RequestTimeout,
    /// No such path; not an OAuth error, in the same shape.
    NotFound,
    /// No such method at this path; not an OAuth error, in the same shape.
    MethodNotAllowed,
    /// `invalid_request` for a body that is too long (RFC 9110 §15.5.14).
    ContentTooLarge,
    /// `invalid_request` for a body that is no form (RFC 6749 §3.2).
    UnsupportedMediaType,
    /// `invalid_request` for a URL that is too long (RFC 9110 §15.5.15).
    UriTooLong,
    /// `invalid_request` for header fields that are too many or too long (RFC 6585 §5).
    HeadTooLarge,
}

impl ErrorCode {
    /// The value of `error`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest
            | Self::MalformedBearer
            | Self::ContentTooLarge
            | Self::UnsupportedMediaType
            | Self::UriTooLong
            | Self::HeadTooLarge
            | Self::RequestTimeout => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::AccessDenied => "access_denied",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::InteractionRequired => "interaction_required",
            Self::InsufficientAuthorization => "insufficient_authorization",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable | Self::TooManyRequests => "temporarily_unavailable",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
        }
    }

    /// The HTTP status at a direct answer (RFC 6749 §5.2, RFC 6750 §3.1).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest
            | Self::MalformedBearer
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::UnsupportedResponseType
            | Self::AuthorizationPending
            | Self::SlowDown
            | Self::ExpiredToken
            | Self::InteractionRequired
            | Self::InsufficientAuthorization
            | Self::UnsupportedMediaType => 400,
            Self::InvalidClient | Self::InvalidToken => 401,
            Self::AccessDenied | Self::InsufficientScope => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::ContentTooLarge => 413,
            Self::UriTooLong => 414,
            Self::TooManyRequests => 429,
            Self::HeadTooLarge => 431,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
        }
    }
}

/// An error answer. Only `code`, `description`, `retry_after` and `more` reach the wire.
#[derive(Debug)]
pub struct OAuthError {
    /// `error` and the status.
    pub code: ErrorCode,
    description: Cow<'static, str>,
    /// `Retry-After`, rounded up to whole seconds.
    pub retry_after: Option<Duration>,
    /// Further members of the answer: what an extension error comes with.
    pub more: Option<Box<serde_json::Map<String, serde_json::Value>>>,
    /// For the log only.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl OAuthError {
    /// An error with a public description.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self { code, description: printable(description.into()), retry_after: None, more: None, cause: None }
    }

    /// Adds what only the log may see.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub const fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Adds members to the answer.
    #[must_use]
    pub fn with(mut self, more: serde_json::Map<String, serde_json::Value>) -> Self {
        self.more = Some(Box::new(more));
        self
    }

    /// The value of `error_description`.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// RFC 6749 §5.2 `invalid_request`.
    pub fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// RFC 6749 §5.2 `invalid_client`.
    pub fn invalid_client(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidClient, description)
    }

    /// RFC 6749 §5.2 `invalid_grant`.
    pub fn invalid_grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }

    /// RFC 6749 §5.2 `invalid_scope`.
    pub fn invalid_scope(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidScope, description)
    }

    /// RFC 6750 §3.1 `invalid_token`.
    pub fn invalid_token(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidToken, description)
    }

    /// Something of ours is broken; the client learns nothing about it.
    pub fn server_error(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::ServerError, "the server failed to answer; its log says why").because(cause)
    }

    /// Something we depend on does not answer now.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::TemporarilyUnavailable, "the server cannot answer now; try again")
            .retry_after(Duration::from_secs(1))
            .because(cause)
    }
}

impl std::fmt::Display for OAuthError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.description)?;
        match &self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl Error for OAuthError {}

/// RFC 6749 §5.2: `%x20-21 / %x23-5B / %x5D-7E`; anything else becomes `'` or `?`.
fn printable(text: Cow<'static, str>) -> Cow<'static, str> {
    let allowed = |c: char| matches!(c, ' '..='!' | '#'..='[' | ']'..='~');
    if text.chars().all(allowed) {
        return text;
    }
    text.chars()
        .map(|c| match c {
            c if allowed(c) => c,
            '"' => '\'',
            _ => '?',
        })
        .collect::<String>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_keeps_to_the_characters_of_rfc_6749() {
        let error = OAuthError::invalid_request("say \"hi\"\n\\ ü");
        assert_eq!(error.description(), "say 'hi'?? ?");
    }

    #[test]
    fn a_cause_is_not_described_to_the_client() {
        let error = OAuthError::server_error("disk on fire");
        assert!(!error.description().contains("fire"));
        assert!(error.to_string().contains("fire"));
    }
}
