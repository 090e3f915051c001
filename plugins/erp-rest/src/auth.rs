//! How the plugin itself is known to the API.

use base64::{Engine, engine::general_purpose::STANDARD};
use pintle_plugin_api::fields::Fields;
use pintle_plugin_api::{Call, HeaderValue, HttpRequest, PluginError};
use serde::Deserialize;
use std::sync::{Mutex, PoisonError};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const TYPES: [&str; 4] = ["bearer", "basic", "header", "client_credentials"];
/// How long before its end a token is not used any more.
const SPARE_MS: u64 = 30_000;
/// Of a token that does not say how long it lives.
const LIFETIME_S: u64 = 60;

/// `[auth]`.
#[derive(Debug)]
pub(crate) enum Auth {
    Nothing,
    /// A header with a secret in it, which the host fills in.
    Header(String, String),
    Basic {
        username: String,
        secret: String,
    },
    ClientCredentials(Client),
}

/// RFC 6749 §4.4.
#[derive(Debug)]
pub(crate) struct Client {
    path: String,
    id: String,
    secret: String,
    scope: Option<String>,
    /// Id and secret in the body rather than by HTTP Basic (RFC 6749 §2.3.1).
    in_body: bool,
    token: Mutex<Option<Token>>,
}

#[derive(Clone, Debug)]
struct Token {
    header: Zeroizing<String>,
    /// By the monotonic clock.
    until_ms: u64,
}

#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct TokenAnswer {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
}

impl Auth {
    pub(crate) fn parse(fields: &Fields<'_>) -> Self {
        fields.require("type", "how the API knows the plugin");
        let kind = fields.one_of("type", &TYPES);
        let secret = fields.required_text("secret", "the name of a secret in the plugin's entry").unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if !secret.bytes().all(plain) {
            fields.fault("secret", "expected the name of a secret, not the secret itself");
        }
        match kind {
            Some("bearer") => Self::Header("authorization".to_owned(), format!("Bearer {{{secret}}}")),
            Some("header") => {
                let name = fields.required_text("name", "the header's name").unwrap_or_default();
                let prefix = fields.text("prefix").unwrap_or_default();
                if prefix.contains(['{', '}']) {
                    fields.fault("prefix", "expected text without braces");
                }
                Self::Header(name.to_lowercase(), format!("{prefix}{{{secret}}}"))
            }
            Some("basic") => {
                let username = fields.required_text("username", "the plugin's name there").unwrap_or_default();
                if username.contains(':') {
                    fields.fault("username", "a name with a \":\" in it cannot be sent by HTTP Basic (RFC 7617 §2)");
                }
                Self::Basic { username: username.to_owned(), secret: secret.to_owned() }
            }
            Some(_) => Self::ClientCredentials(Client::parse(fields, secret)),
            None => Self::Nothing,
        }
    }

    /// The header to send with a request to `base`.
    pub(crate) fn header(&self, call: &Call<'_>, base: &str) -> Result<Option<(String, HeaderValue)>, PluginError> {
        Ok(Some(match self {
            Self::Nothing => return Ok(None),
            Self::Header(name, template) => (name.clone(), HeaderValue::Secret(template.clone())),
            Self::Basic { username, secret } => basic(username.as_bytes(), &call.host.secret(secret)?),
            Self::ClientCredentials(client) => {
                ("authorization".to_owned(), HeaderValue::Text(client.bearer(call, base)?.to_string()))
            }
        }))
    }

    /// After a 401: whether another header may be had.
    pub(crate) fn forget(&self) -> bool {
        match self {
            Self::ClientCredentials(client) => client.keep(None).is_some(),
            _ => false,
        }
    }
}

/// RFC 7617.
pub(crate) fn basic(username: &[u8], password: &[u8]) -> (String, HeaderValue) {
    let credentials = Zeroizing::new([username, b":", password].concat());
    ("authorization".to_owned(), HeaderValue::Text(format!("Basic {}", STANDARD.encode(&*credentials))))
}

impl Client {
    fn parse(fields: &Fields<'_>, secret: &str) -> Self {
        let path = fields.required_text("token_path", "the path of the token endpoint").unwrap_or("/");
        if !path.starts_with('/') {
            fields.fault("token_path", "expected a path that begins with \"/\"");
        }
        Self {
            path: path.to_owned(),
            id: fields.required_text("client_id", "the plugin's client id").unwrap_or_default().to_owned(),
            secret: secret.to_owned(),
            scope: fields.text("scope").map(str::to_owned),
            in_body: fields.one_of("client_auth", &["basic", "body"]) == Some("body"),
            token: Mutex::new(None),
        }
    }

    fn bearer(&self, call: &Call<'_>, base: &str) -> Result<Zeroizing<String>, PluginError> {
        let now = call.host.monotonic_ms();
        let kept = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(token) = kept.filter(|token| now < token.until_ms) {
            return Ok(token.header);
        }
        let answer = self.request(call, base)?;
        let lifetime_ms = answer.expires_in.unwrap_or(LIFETIME_S).saturating_mul(1000);
        let header = Zeroizing::new(format!("Bearer {}", answer.access_token));
        let until_ms = now.saturating_add(lifetime_ms).saturating_sub(SPARE_MS);
        self.keep(Some(Token { header: header.clone(), until_ms }));
        Ok(header)
    }

    fn keep(&self, token: Option<Token>) -> Option<Token> {
        std::mem::replace(&mut *self.token.lock().unwrap_or_else(PoisonError::into_inner), token)
    }

    fn request(&self, call: &Call<'_>, base: &str) -> Result<TokenAnswer, PluginError> {
        let secret = call.host.secret(&self.secret)?;
        let secret = std::str::from_utf8(&secret)
            .map_err(|_| PluginError::Denied(format!("the secret {} is not UTF-8", self.secret)))?;
        let mut form = form_urlencoded::Serializer::new(String::with_capacity(1024 + 3 * secret.len()));
        form.append_pair("grant_type", "client_credentials");
        form.extend_pairs(self.scope.iter().map(|scope| ("scope", scope)));
        let mut headers = vec![
            ("content-type".to_owned(), HeaderValue::Text("application/x-www-form-urlencoded".to_owned())),
            ("accept".to_owned(), HeaderValue::Text("application/json".to_owned())),
        ];
        if self.in_body {
            form.append_pair("client_id", &self.id).append_pair("client_secret", secret);
        } else {
            // RFC 6749 §2.3.1: each of them is encoded as in a form first.
            let encode =
                |text: &str| Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
            headers.push(basic(encode(&self.id).as_bytes(), encode(secret).as_bytes()));
        }
        let answer = call.host.http_send(&HttpRequest {
            method: "POST".to_owned(),
            url: format!("{base}{}", self.path),
            headers,
            body: form.finish().into_bytes().into(),
            timeout_ms: 0,
        })?;
        match answer.status {
            200 => {}
            // RFC 6749 §5.2: `invalid_client` and its like.
            400 | 401 => {
                return Err(PluginError::Denied("the API's token endpoint refuses the plugin's client".to_owned()));
            }
            status => {
                return Err(PluginError::Unavailable(format!("the token endpoint answers with the status {status}")));
            }
        }
        let malformed = |why: &str| PluginError::Internal(format!("the token endpoint's answer {why}"));
        let token: TokenAnswer = serde_json::from_slice(&answer.body).map_err(|_| malformed("is none"))?;
        if token.access_token.is_empty() || !token.token_type.eq_ignore_ascii_case("bearer") {
            return Err(malformed("is no Bearer token"));
        }
        Ok(token)
    }
}
