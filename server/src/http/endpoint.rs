//! What every endpoint has in common: methods, CORS, metrics, the audit log.

use super::served::Served;
use super::{authorize, introspect, jwks, metadata, reply, revoke, sharing, token};
use crate::audit::AuditKind;
use crate::flow::Call;
use crate::oauth::error::OAuthError;
use bytes::Bytes;
use std::net::IpAddr;
use warp::hyper::{HeaderMap, Method, header};
use warp::reply::Response;

/// A request as read.
pub struct Request {
    /// The whole path, still percent-encoded.
    pub path: String,
    /// The method.
    pub method: Method,
    /// The headers.
    pub headers: HeaderMap,
    /// Where it is from.
    pub ip: Option<IpAddr>,
    /// As in the logs.
    pub request_id: String,
    /// Without the question mark.
    pub query: String,
    /// At most [`super::request::MAX_BODY_BYTES`].
    pub body: Bytes,
}

impl Request {
    /// A header that may be given once.
    ///
    /// # Errors
    /// `invalid_request` when it is given twice or is not text.
    pub fn header(&self, name: header::HeaderName) -> Result<Option<&str>, OAuthError> {
        let mut values = self.headers.get_all(&name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value
                .to_str()
                .map(Some)
                .map_err(|_| OAuthError::invalid_request(format!("the header {name} is not text"))),
            _ => Err(OAuthError::invalid_request(format!("the header {name} is given more than once"))),
        }
    }

    /// The flows' view of the request.
    #[must_use]
    pub fn call(&self) -> Call {
        Call::new(self.request_id.clone(), self.ip)
    }
}

/// An endpoint's answer and what was decided.
pub struct Answer {
    /// The answer.
    pub response: Response,
    /// An error that was answered elsewhere than in the status: in a redirect.
    pub refused: Option<OAuthError>,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self { response, refused: None }
    }
}

/// The endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// RFC 6749 §3.2.
    Token,
    /// RFC 7662 §2.
    Introspect,
    /// RFC 7009 §2.
    Revoke,
    /// RFC 6749 §3.1.
    Authorize,
    /// RFC 7517 §5.
    Jwks,
    /// RFC 8414 §3.
    Metadata,
}

impl Endpoint {
    /// The name in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Introspect => "introspect",
            Self::Revoke => "revoke",
            Self::Authorize => "authorize",
            Self::Jwks => "jwks",
            Self::Metadata => "metadata",
        }
    }

    /// The methods, as `Allow` lists them.
    const fn methods(self) -> &'static str {
        match self {
            Self::Token | Self::Introspect | Self::Revoke => "POST, OPTIONS",
            Self::Authorize => "GET, OPTIONS",
            Self::Jwks | Self::Metadata => "GET, HEAD, OPTIONS",
        }
    }

    /// What a browser application may read: introspection is for servers, authorization is navigated to.
    const fn cross_origin(self) -> bool {
        matches!(self, Self::Token | Self::Revoke | Self::Jwks | Self::Metadata)
    }

    /// Answers a request at this endpoint.
    pub async fn serve(self, app: &Served, request: Request) -> Response {
        let started = app.core.clock.monotonic();
        let call = request.call();
        let mut response = match self.undecided(app, &request) {
            Some(response) => response,
            None => self.decide(app, &request, &call).await,
        };
        match self {
            Self::Jwks | Self::Metadata => sharing::share_with_all(response.headers_mut()),
            Self::Token | Self::Revoke => {
                let client = call.trail.facts().client;
                sharing::share(app, client.as_deref(), &request, response.headers_mut()).await;
            }
            Self::Introspect | Self::Authorize => {}
        }
        let took = app.core.clock.monotonic().saturating_sub(started);
        let status = response.status().as_u16();
        app.core.metrics.request(self.name(), status, took);
        tracing::debug!(request = %request.request_id, endpoint = self.name(), status, ?took);
        response
    }

    /// The answer to a method by which nothing is decided.
    fn undecided(self, app: &Served, request: &Request) -> Option<Response> {
        if !self.methods().split(", ").any(|method| method == request.method.as_str()) {
            return Some(reply::method_not_allowed(self.methods()));
        }
        (request.method == Method::OPTIONS).then(|| sharing::options(app, self.methods(), self.cross_origin(), request))
    }

    /// Decides, records the decision once, and answers.
    async fn decide(self, app: &Served, request: &Request, call: &Call) -> Response {
        let outcome = self.respond(app, request, call).await;
        let refused = outcome.as_ref().map_or_else(Some, |answer| answer.refused.as_ref());
        let recorded = self.record(app, call, refused).await;
        let outcome = recorded.inspect_err(|error| self.complain(call, error)).and(outcome);
        outcome.map_or_else(|error| reply::error(app, &error), |answer| answer.response)
    }

    async fn respond(self, app: &Served, request: &Request, call: &Call) -> Result<Answer, OAuthError> {
        match self {
            Self::Token => token::respond(app, request, call).await.map(Answer::from),
            Self::Introspect => introspect::respond(app, request, call).await.map(Answer::from),
            Self::Revoke => revoke::respond(app, request, call).await.map(Answer::from),
            Self::Authorize => authorize::respond(app, request, call).await,
            Self::Jwks => Ok(jwks::respond(app).into()),
            Self::Metadata => metadata::respond(app).map(Answer::from),
        }
    }

    /// What was decided goes into the audit log and to the sinks; what is broken into the ordinary one.
    async fn record(self, app: &Served, call: &Call, error: Option<&OAuthError>) -> Result<(), OAuthError> {
        if let Some(error) = error.filter(|error| error.code.status() >= 500) {
            self.complain(call, error);
        }
        let (done, refused) = match self {
            Self::Token => (AuditKind::TokenIssued, AuditKind::TokenRefused),
            Self::Revoke => (AuditKind::TokenRevoked, AuditKind::TokenRequestRefused),
            Self::Introspect => (AuditKind::TokenIntrospected, AuditKind::TokenRequestRefused),
            Self::Authorize => (AuditKind::CodeIssued, AuditKind::CodeRefused),
            Self::Jwks | Self::Metadata => return Ok(()),
        };
        app.core.record(done, refused, call, error).await
    }

    fn complain(self, call: &Call, error: &OAuthError) {
        tracing::error!(request = %call.request_id, endpoint = self.name(), %error, "a request could not be answered");
    }
}

#[cfg(test)]
mod tests;
