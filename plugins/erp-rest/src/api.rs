//! The API itself: where it is, how the plugin is known there, and what an answer has in it.

use crate::auth::Auth;
use crate::request::Request;
use crate::template::Values;
use pintle_plugin_api::fields::Fields;
use pintle_plugin_api::{Call, HeaderValue, HttpRequest, HttpResponse, PluginError};
use serde_json::Value;

/// `url`, `headers` and `auth`.
#[derive(Debug)]
pub(crate) struct Api {
    /// Without a last `/`; empty where paths are of the only granted origin.
    pub(crate) base: String,
    headers: Vec<(String, HeaderValue)>,
    auth: Auth,
}

impl Api {
    pub(crate) fn parse(fields: &Fields<'_>) -> Self {
        let base = fields.text("url").unwrap_or_default();
        let rest = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
        let plain = |rest: &str| !rest.starts_with('/') && !rest.contains(['?', '#', '@', '\\', ' ']);
        if !base.is_empty() && !rest.is_some_and(plain) {
            fields.fault("url", "expected where the API is, such as \"https://crm.example.com/api\"");
        }
        let headers = fields.headers("headers", &["authorization"]).into_iter();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), HeaderValue::Text(value.to_owned()))).collect(),
            auth: fields.table("auth").map_or(Auth::Nothing, |fields| Auth::parse(&fields)),
        }
    }

    /// The origin of the API: what a path of one of its links is put behind.
    pub(crate) fn origin(&self) -> &str {
        let Some(authority) = self.base.find("://").map(|at| at + 3) else { return "" };
        let end = self.base[authority..].find('/').map_or(self.base.len(), |at| authority + at);
        &self.base[..end]
    }

    /// Sends a request as the plugin.
    pub(crate) fn send(&self, call: &Call<'_>, request: HttpRequest) -> Result<HttpResponse, PluginError> {
        let answer = self.send_with(call, request.clone(), self.auth.header(call, &self.base)?)?;
        if answer.status == 401 && self.auth.forget() {
            return self.send_with(call, request, self.auth.header(call, &self.base)?);
        }
        Ok(answer)
    }

    /// Sends a request once, with this authorization.
    pub(crate) fn send_with(
        &self,
        call: &Call<'_>,
        mut request: HttpRequest,
        authorization: Option<(String, HeaderValue)>,
    ) -> Result<HttpResponse, PluginError> {
        request.headers.extend(self.headers.iter().cloned());
        request.headers.extend(authorization);
        call.host.http_send(&request)
    }

    /// The header that says who the plugin is, for a request whose 401 may be about a user's password: never with a token
    /// that the API may have ended since.
    pub(crate) fn new_authorization(&self, call: &Call<'_>) -> Result<Option<(String, HeaderValue)>, PluginError> {
        self.auth.forget();
        self.auth.header(call, &self.base)
    }

    /// The filled-in request; none where a value makes it senseless.
    pub(crate) fn fill(&self, request: &Request, values: &Values<'_>) -> Option<HttpRequest> {
        request.fill(&self.base, values, &[])
    }
}

/// The body of an answer with a status of success.
pub(crate) fn body(answer: &HttpResponse) -> Result<Value, PluginError> {
    match answer.status {
        200..=299 => {}
        401 | 403 => return Err(PluginError::Denied(format!("the API refuses the plugin: status {}", answer.status))),
        status => return Err(PluginError::Unavailable(format!("the API answers with the status {status}"))),
    }
    serde_json::from_slice(&answer.body).map_err(|_| PluginError::Internal("the API's answer is not JSON".to_owned()))
}
