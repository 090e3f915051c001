//! The records and variants of `wit/pintle.wit` in Rust. Their serde form is the native packaging's encoding: names in
//! snake case, bytes as base64url without padding, a variant as `{"case": value}` (a case without a value as its name),
//! an absent option left out, unknown fields ignored.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A name and a value.
pub type Attr = (String, String);

/// What is known about a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallContext {
    /// The server's id of the HTTP request, as its logs show it.
    pub request_id: String,
    /// The client that the request is from, once authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The address that the request is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_ip: Option<String>,
    /// Milliseconds left to answer.
    #[serde(default)]
    pub deadline_ms: u32,
    /// Further facts by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ext: Vec<Attr>,
}

impl CallContext {
    /// The first value of `name` in `ext`.
    pub fn ext(&self, name: &str) -> Option<&str> {
        self.ext.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A person as a backend knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Stable and unique within the backend. Never a `sub`, which the core assigns.
    pub id: String,
    /// The login name.
    pub username: String,
    /// A name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the backend vouches for `email`.
    #[serde(default)]
    pub email_verified: bool,
    /// A disabled account is never accepted.
    #[serde(default)]
    pub disabled: bool,
    /// Group names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// A JSON object of further claims, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub claims_json: String,
    /// Further facts by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ext: Vec<Attr>,
}

/// Why a call has no answer. None of them ever means "accept".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginError {
    /// The backend cannot be reached; trying again later may help.
    Unavailable(String),
    /// The request makes no sense to this plugin.
    Invalid(String),
    /// The operator has not granted what the call needs.
    Denied(String),
    /// A fault of the plugin or of the host.
    Internal(String),
}

impl std::fmt::Display for PluginError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "unavailable: {why}"),
            Self::Invalid(why) => write!(f, "invalid: {why}"),
            Self::Denied(why) => write!(f, "denied: {why}"),
            Self::Internal(why) => write!(f, "internal: {why}"),
        }
    }
}

impl std::error::Error for PluginError {}

/// What a plugin says about itself (`lifecycle.describe`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The plugin's own name, such as `ldap`.
    pub name: String,
    /// Its version, by semver.
    pub version: String,
    /// The kinds it exports, by WIT name, such as `user-verifier`.
    pub kinds: Vec<String>,
    /// The host interfaces it calls, by WIT name, beside `log`, `clock`, `random` and `config`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wants: Vec<String>,
    /// A token format whose tokens carry their claims, so that a resource server reads them without asking.
    #[serde(default)]
    pub self_contained: bool,
    /// Whether the native instance may be called from several threads at once.
    #[serde(default)]
    pub thread_safe: bool,
}

impl Manifest {
    /// What `P` says about itself by its types: its kinds, its wants, and that it may be called from several threads.
    #[must_use]
    pub fn new<P: crate::kinds::Plugin + crate::linked::Kinds>(name: &str, version: &str) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            kinds: owned(P::KINDS),
            wants: owned(P::WANTS),
            self_contained: false,
            thread_safe: true,
        }
    }
}

/// `user-verifier.request`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyRequest {
    /// The name that the user typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// How the user proves who they are; `password` in this version.
    pub kind: String,
    /// The proof itself; wiped when dropped.
    #[serde(with = "secret_base64url")]
    pub secret: Zeroizing<Vec<u8>>,
    /// What an earlier challenge handed out.
    #[serde(default, with = "base64url_option", skip_serializing_if = "Option::is_none")]
    pub state: Option<Vec<u8>>,
    /// Further facts by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ext: Vec<Attr>,
}

impl std::fmt::Debug for VerifyRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyRequest").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// `user-verifier.accepted`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Who it is.
    pub account: Account,
    /// How it was proven (RFC 8176), such as `pwd`.
    #[serde(default)]
    pub amr: Vec<String>,
    /// The authentication context class reached (OpenID Connect Core §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
}

/// `user-verifier.challenge`: one more step is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// What is asked for, such as `totp`.
    pub kind: String,
    /// Opaque; comes back with the answer.
    #[serde(with = "base64url")]
    pub state: Vec<u8>,
    /// What the client needs to show, as a JSON object.
    pub params_json: String,
}

/// `user-verifier.outcome`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyOutcome {
    /// It is this user.
    Accepted(Accepted),
    /// This backend's user with a wrong proof: nobody else is asked. The string is for the audit log.
    Rejected(String),
    /// Not this backend's user: the next one is asked.
    UnknownUser,
    /// One more step is needed.
    Challenge(Challenge),
}

/// `scope-policy.request`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeQuery {
    /// `id`, `name`, `type`, `trusted`, `scopes` of the client as a JSON object.
    pub client_json: String,
    /// The user, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// The `grant_type` (RFC 6749), or `authorize` for an authorization request.
    pub grant_type: String,
    /// What was asked for and the client may have.
    pub requested: Vec<String>,
    /// What the user has consented to before.
    #[serde(default)]
    pub consented: Vec<String>,
    /// How the user logged in (RFC 8176).
    #[serde(default)]
    pub amr: Vec<String>,
}

/// `scope-policy.decision`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeDecision {
    /// What may be granted; the core intersects it with what was requested.
    pub granted: Vec<String>,
    /// `amr` values without which the core denies.
    #[serde(default)]
    pub require: Vec<String>,
    /// An upper bound on the access token's lifetime, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ttl_s: Option<u32>,
}

/// `token-format.issued`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedToken {
    /// The token as the client gets it.
    pub token: String,
    /// A JSON object for the audit log, or empty.
    #[serde(default)]
    pub meta_json: String,
}

/// `token-format.verdict`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenVerdict {
    /// A token of this format: the handle that the core gave to `issue` as the claim `jti`.
    Mine(String),
    /// Some other format's.
    NotMine,
    /// Of this format, but not valid.
    Invalid(String),
}

/// `accounts.verdict`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountVerdict {
    /// Name and password match.
    Accepted(Account),
    /// The password is wrong, or the account is disabled.
    Rejected,
    /// No account has that name.
    UnknownUser,
}

/// `account-source.change`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountChange {
    /// A new account, or one that has changed.
    Upsert(Account),
    /// The id of an account that is gone.
    Delete(String),
}

/// `account-source.page`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePage {
    /// In any order; the last one of an id counts.
    #[serde(default)]
    pub changes: Vec<AccountChange>,
    /// What the next call gets as its cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// There is no more for now.
    #[serde(default)]
    pub complete: bool,
}

/// `event-sink.event`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Unique, the same at every try.
    pub id: String,
    /// What happened, such as `login.accepted`.
    pub kind: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The particulars as a JSON object.
    pub json: String,
}

/// `extension-grant.grant`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtensionGranted {
    /// For whom.
    pub account: Account,
    /// The core narrows them to what the client may have and asked for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// A JSON object of further claims, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub claims_json: String,
}

/// `extension-grant.outcome`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtensionOutcome {
    /// The request is good.
    Granted(ExtensionGranted),
    /// An error code (RFC 6749 §5.2) and a description, for the client.
    OauthError((String, String)),
}

/// `http.value`: a header's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderValue {
    /// As it stands.
    Text(String),
    /// Text in which `{name}` stands for the secret of that name, which the host fills in.
    Secret(String),
}

impl std::fmt::Debug for HeaderValue {
    /// Without the value: plugins put tokens there.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::Secret(_) => f.write_str("Secret(…)"),
        }
    }
}

/// `http.request`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// RFC 9110 §9.
    pub method: String,
    /// Absolute and of an origin that the operator granted; or a path that begins with `/`, of the granted origin where
    /// exactly one is granted.
    pub url: String,
    /// Names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, HeaderValue)>,
    /// Wiped when dropped: a password may be in it.
    #[serde(default, with = "secret_base64url")]
    pub body: Zeroizing<Vec<u8>>,
    /// At most what the call has left, but for a little to answer in; 0 for as long as that.
    #[serde(default)]
    pub timeout_ms: u32,
}

impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

/// `http.response`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpResponse {
    /// RFC 9110 §15.
    pub status: u16,
    /// Names in lower case, and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Attr>,
    /// All of it.
    #[serde(default, with = "base64url")]
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The first header of this name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Bytes as base64url without padding.
pub mod base64url {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// `bytes` as text.
    #[must_use]
    pub fn encode(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The bytes of `text`; none where it has padding, other characters, or bits that encode nothing.
    #[must_use]
    pub fn decode(text: &str) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(text).ok()
    }

    /// For `#[serde(with)]`.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    /// For `#[serde(with)]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)
    }
}

/// As [`base64url`], leaving no copy in memory.
pub(crate) mod secret_base64url {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use zeroize::Zeroizing;

    pub fn serialize<S: Serializer>(bytes: &Zeroizing<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<Vec<u8>>, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        URL_SAFE_NO_PAD.decode(text.as_bytes()).map(Zeroizing::new).map_err(D::Error::custom)
    }
}

mod base64url_option {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => super::base64url::serialize(bytes, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        #[derive(Deserialize)]
        struct Bytes(#[serde(with = "super::base64url")] Vec<u8>);
        Ok(Option::<Bytes>::deserialize(deserializer)?.map(|bytes| bytes.0))
    }
}
