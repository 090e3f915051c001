//! The claims of an access token (RFC 9068 §2.2).

use super::family::Subject;
use super::scope::Scope;
use crate::clock::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a token format is asked to put into a token. Reserved: no plugin may set or change any of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// The user's subject, or the client's id for a client in its own right (RFC 9068 §5).
    pub sub: String,
    /// The resource servers.
    #[serde(with = "one_or_many")]
    pub aud: Vec<String>,
    /// Exclusive end of life.
    pub exp: UnixTime,
    /// When it was issued. Every new token has it; of an older one the server may not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<UnixTime>,
    /// The handle.
    pub jti: String,
    /// The client.
    pub client_id: String,
    /// The scope, space separated; left out when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// When the user proved who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<UnixTime>,
    /// How (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// The authentication context class reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// What plugins added.
    #[serde(flatten)]
    pub further: Map<String, Value>,
}

/// Claims that only the core sets. Any of them that the core left out must be absent from the token too: RFC 7519 §4.1,
/// RFC 9068 §2.2, RFC 8693 §4, RFC 7800 §3.1, RFC 9396 §9.1, OpenID Connect Core §2.
const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "auth_time",
    "acr",
    "amr",
    "azp",
    "nonce",
    "sid",
    "at_hash",
    "c_hash",
    "s_hash",
    "act",
    "may_act",
    "cnf",
    "authorization_details",
    "events",
    "active",
    "username",
    "token_type",
];

/// Whether only the core may set the claim.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with("pintle")
}

/// What is the same for all tokens of an answer.
#[derive(Clone, Copy, Debug)]
pub struct ClaimsContext<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// The resource servers.
    pub audience: &'a [String],
    /// The client.
    pub client_id: &'a str,
    /// The user, if there is one.
    pub subject: Option<&'a Subject>,
    /// The access token's.
    pub scope: &'a Scope,
}

impl Claims {
    /// The claims of a token with the handle `jti`, from `issued_at`, where that is known, until before `expires_at`.
    #[must_use]
    pub fn new(context: ClaimsContext<'_>, jti: String, issued_at: Option<UnixTime>, expires_at: UnixTime) -> Self {
        let subject = context.subject;
        Self {
            iss: context.issuer.to_owned(),
            sub: subject.map_or(context.client_id, |subject| &subject.sub).to_owned(),
            aud: context.audience.to_vec(),
            exp: expires_at,
            iat: issued_at,
            jti,
            client_id: context.client_id.to_owned(),
            scope: context.scope.to_string(),
            auth_time: subject.map(|subject| subject.auth_time),
            amr: subject.map(|subject| subject.amr.clone()).unwrap_or_default(),
            acr: subject.and_then(|subject| subject.acr.clone()),
            further: Map::new(),
        }
    }
}

/// RFC 7519 §4.1.3: one audience may be a plain string; many verifiers expect it so.
mod one_or_many {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(values: &[String], serializer: S) -> Result<S::Ok, S::Error> {
        match values {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            One(String),
            Many(Vec<String>),
        }
        Ok(match Value::deserialize(deserializer)? {
            Value::One(one) => vec![one],
            Value::Many(many) => many,
        })
    }
}
