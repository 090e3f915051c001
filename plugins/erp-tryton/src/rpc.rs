//! Tryton's JSON-RPC: `POST /<database>/` with a method and its parameters.
//!
//! The service user is named by HTTP Basic, which leaves no session behind; or by a session that is kept, as checking a
//! password costs Tryton up to half a second. Passwords of users go into the body of `common.db.login` only.

use crate::config::Config;
use base64::{Engine, engine::general_purpose::STANDARD};
use pintle_plugin_api::{Call, HeaderValue, HttpRequest, HttpResponse, PluginError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// The secret with the service user's password.
const SERVICE_PASSWORD: &str = "service_password";
/// How long the end of a user's session may take: the answer is known by then.
const LOGOUT_MS: u32 = 1000;
/// How much of an error of Tryton's gets into the log.
const MAX_REASON_CHARS: usize = 120;

/// A server, and the service user's session where it is kept.
pub(crate) struct Rpc {
    config: Config,
    session: Mutex<Option<Session>>,
}

/// What `common.db.login` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) user: i64,
    key: Zeroizing<String>,
}

/// An answer with the time at which Tryton gave it, in seconds since the Unix epoch.
pub(crate) struct Answer {
    pub(crate) result: Value,
    pub(crate) at: Option<u64>,
}

#[derive(Serialize)]
struct Request<'a, P> {
    id: u8,
    method: &'a str,
    params: P,
}

#[derive(Serialize)]
struct Password<'a> {
    password: &'a str,
}

#[derive(Deserialize)]
struct Reply {
    result: Option<Value>,
    error: Option<Value>,
}

impl Rpc {
    pub(crate) const fn new(config: Config) -> Self {
        Self { config, session: Mutex::new(None) }
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// Calls a method as the service user.
    pub(crate) fn as_service(&self, call: &Call<'_>, method: &str, params: &Value) -> Result<Answer, PluginError> {
        let kept = self.kept();
        let sent = self.send(call, method, params, Some(self.service_authorization(call, kept.as_ref())?), 0)?;
        let sent = if sent.status == 401 && kept.is_some() {
            // Tryton ends sessions when a password changes, and when they are old.
            self.keep(None);
            self.send(call, method, params, Some(self.service_authorization(call, None)?), 0)?
        } else {
            sent
        };
        match sent.status {
            200 => answer(&sent),
            401 => Err(refused_service()),
            _ => Err(status(&sent)),
        }
    }

    /// Checks a user's password. None: it is wrong.
    pub(crate) fn login(&self, call: &Call<'_>, user: &str, password: &str) -> Result<Option<Session>, PluginError> {
        let params = (user, Password { password }, &self.config.language);
        let sent = self.send(call, "common.db.login", params, None, 0)?;
        match sent.status {
            200 => Ok(Some(session(answer(&sent)?.result)?)),
            401 => Ok(None),
            _ => Err(status(&sent)),
        }
    }

    /// Ends a user's session. What keeps it from ending is logged: the password was right all the same.
    pub(crate) fn logout(&self, call: &Call<'_>, session: &Session) {
        let ended = self.send(call, "common.db.logout", [0_u8; 0], Some(session.authorization()), LOGOUT_MS);
        let why = match ended {
            Ok(sent) if sent.status == 200 => return,
            Ok(sent) => status(&sent),
            Err(error) => error,
        };
        call.host.log(2, "a user's session at Tryton could not be ended", &[("why".to_owned(), why.to_string())]);
    }

    fn service_authorization(&self, call: &Call<'_>, kept: Option<&Session>) -> Result<HeaderValue, PluginError> {
        if let Some(session) = kept {
            return Ok(session.authorization());
        }
        let password = call.host.secret(SERVICE_PASSWORD)?;
        if !self.config.keep_session {
            let credentials = Zeroizing::new([self.config.service_user.as_bytes(), b":", &password].concat());
            return Ok(HeaderValue::Text(format!("Basic {}", STANDARD.encode(&*credentials))));
        }
        let not_text = |_| PluginError::Denied(format!("the secret {SERVICE_PASSWORD} is not UTF-8"));
        let password = std::str::from_utf8(&password).map_err(not_text)?;
        let session = self.login(call, &self.config.service_user, password)?.ok_or_else(refused_service)?;
        let authorization = session.authorization();
        self.keep(Some(session));
        Ok(authorization)
    }

    fn kept(&self) -> Option<Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, session: Option<Session>) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
    }

    fn send(
        &self,
        call: &Call<'_>,
        method: &str,
        params: impl Serialize,
        authorization: Option<HeaderValue>,
        timeout_ms: u32,
    ) -> Result<HttpResponse, PluginError> {
        // A password in JSON is at most six times as long: the buffer does not move and leaves no copy behind.
        let mut body = Zeroizing::new(Vec::with_capacity(32 * 1024));
        serde_json::to_writer(&mut *body, &Request { id: 1, method, params })
            .map_err(|error| PluginError::Internal(error.to_string()))?;
        let mut headers = vec![("content-type".to_owned(), HeaderValue::Text("application/json".to_owned()))];
        headers.extend(authorization.map(|value| ("authorization".to_owned(), value)));
        let url = self.config.endpoint.clone();
        call.host.http_send(&HttpRequest { method: "POST".to_owned(), url, headers, body, timeout_ms })
    }
}

impl Session {
    /// Tryton takes the user's name from here for its log only; a `:` in it would break the header.
    fn authorization(&self) -> HeaderValue {
        let parts = Zeroizing::new(format!("pintle:{}:{}", self.user, *self.key));
        HeaderValue::Text(format!("Session {}", STANDARD.encode(parts.as_bytes())))
    }
}

/// `[user id, key]`, in newer versions with more behind it.
fn session(result: Value) -> Result<Session, PluginError> {
    let Value::Array(parts) = result else { return Err(malformed("a login is no list")) };
    match parts.as_slice() {
        [user, Value::String(key), ..] if !key.is_empty() => {
            let user = user.as_i64().ok_or_else(|| malformed("a login has no user id"))?;
            Ok(Session { user, key: Zeroizing::new(key.clone()) })
        }
        _ => Err(malformed("a login is not a user id and a key")),
    }
}

fn answer(sent: &HttpResponse) -> Result<Answer, PluginError> {
    let reply: Reply = serde_json::from_slice(&sent.body).map_err(|_| malformed("an answer is not JSON-RPC"))?;
    if let Some(error) = reply.error {
        return Err(PluginError::Unavailable(format!("Tryton answers the error {}", reason(&error))));
    }
    let at = sent.header("date").and_then(|date| httpdate::parse_http_date(date).ok());
    let at = at.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()).map(|since| since.as_secs());
    let result = reply.result.ok_or_else(|| malformed("an answer has no result"))?;
    Ok(Answer { result, at })
}

/// Both of Tryton's forms: `["UserError", [...]]` and `["message", "traceback"]`.
fn reason(error: &Value) -> String {
    let text = error.get(0).and_then(Value::as_str).unwrap_or("without a name");
    text.chars().take(MAX_REASON_CHARS).collect()
}

fn status(sent: &HttpResponse) -> PluginError {
    PluginError::Unavailable(match sent.status {
        404 => "Tryton does not know the database".to_owned(),
        429 => {
            "Tryton limits the rate of logins (`max_attempt`, `max_attempt_ip_network` in its configuration)".to_owned()
        }
        other => format!("Tryton answers with the status {other}"),
    })
}

fn refused_service() -> PluginError {
    PluginError::Denied(format!("Tryton refuses the service user: service_user or {SERVICE_PASSWORD} is wrong"))
}

pub(crate) fn malformed(what: &str) -> PluginError {
    PluginError::Internal(format!("Tryton's answer makes no sense: {what}"))
}
