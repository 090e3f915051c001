//! What a token format may sign, and whether the token that it made is the one the core asked for.

use pintle_plugin_api::{PluginError, base64url};
use serde_json::{Map, Value};
use std::sync::{Mutex, OnceLock, PoisonError};

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
    "groups",
    "roles",
    "entitlements",
    "events",
    "active",
    "username",
    "token_type",
    "email",
    "email_verified",
    "preferred_username",
];
/// The longest token that a client gets, in bytes: it travels in one header line.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// One call of `token-format.issue`: what it may sign, and what it did.
#[derive(Debug)]
pub struct IssueScope {
    key_id: String,
    alg: String,
    typ: String,
    claims_json: String,
    /// Parsed when they have to be looked at one by one: most formats sign the core's own bytes.
    claims: OnceLock<Map<String, Value>>,
    signed: Mutex<Option<Signed>>,
}

#[derive(Debug)]
struct Signed {
    input: Vec<u8>,
    signature: Vec<u8>,
}

/// Whether the finished token is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It is what was signed, and that carries the core's claims.
    Signed,
    /// Nothing was signed: the format's `validate` must find this handle in it.
    Handle(String),
}

impl IssueScope {
    /// - `claims_json`: the core's claims, an object with a `jti`
    /// - `key_id`, `alg`: the only key and algorithm (RFC 7518 §3.1) that may sign
    /// - `typ`: the JOSE header's (RFC 7515 §4.1.9)
    ///
    /// # Errors
    /// `Internal` when the claims are no object.
    pub fn new(claims_json: &str, key_id: &str, alg: &str, typ: &str) -> Result<Self, PluginError> {
        if !claims_json.starts_with('{') {
            return Err(no_object());
        }
        Ok(Self {
            key_id: key_id.into(),
            alg: alg.into(),
            typ: typ.into(),
            claims_json: claims_json.into(),
            claims: OnceLock::new(),
            signed: Mutex::new(None),
        })
    }

    /// Signs `input` by `sign` if it is a JWS signing input (RFC 7515 §5.1) of this call. Once only.
    ///
    /// # Errors
    /// `Denied` for another key, algorithm or header, claims that differ from the core's, or a second signature;
    /// otherwise what `sign` says.
    pub fn sign(
        &self,
        key_id: &str,
        alg: &str,
        input: &[u8],
        sign: impl FnOnce() -> Result<Vec<u8>, PluginError>,
    ) -> Result<Vec<u8>, PluginError> {
        self.check(key_id, alg, input)?;
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if signed.is_some() {
            return Err(denied("only one signature for one token"));
        }
        let signature = sign()?;
        *signed = Some(Signed { input: input.to_vec(), signature: signature.clone() });
        Ok(signature)
    }

    /// Compares the finished token with what was signed.
    ///
    /// # Errors
    /// `Internal` when the token is not a header's worth of visible ASCII, or not what was signed, or lacks the handle.
    pub fn finish(&self, token: &str) -> Result<Finished, PluginError> {
        if token.is_empty() || token.len() > MAX_TOKEN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(internal("the token is empty, too long or not visible ASCII"));
        }
        let signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Signed { input, signature }) = &*signed {
            let expected = [input.as_slice(), b".", base64url::encode(signature).as_bytes()].concat();
            return if token.as_bytes() == expected {
                Ok(Finished::Signed)
            } else {
                Err(internal("not what was signed"))
            };
        }
        match self.claims()?.get("jti") {
            Some(Value::String(handle)) if !handle.is_empty() && token.contains(handle.as_str()) => {
                Ok(Finished::Handle(handle.clone()))
            }
            _ => Err(internal("the token does not contain its handle")),
        }
    }

    fn check(&self, key_id: &str, alg: &str, input: &[u8]) -> Result<(), PluginError> {
        if key_id != self.key_id || alg != self.alg {
            return Err(denied("another key or algorithm than the call's"));
        }
        let (header, payload) = std::str::from_utf8(input)
            .ok()
            .and_then(|input| input.split_once('.'))
            .ok_or_else(|| denied("not a JWS signing input"))?;
        let header = object(header).ok_or_else(|| denied("the JOSE header is not a plain JSON object"))?;
        let expected = [("alg", &self.alg), ("kid", &self.key_id), ("typ", &self.typ)];
        if header.len() != expected.len()
            || expected.iter().any(|(name, value)| header.get(*name) != Some(&Value::String((*value).clone())))
        {
            return Err(denied("the JOSE header is not exactly alg, kid and typ of the call"));
        }
        let payload = base64url::decode(payload).ok_or_else(|| denied("the payload is not base64url"))?;
        if payload == self.claims_json.as_bytes() {
            return Ok(());
        }
        let payload = parsed(&payload).ok_or_else(|| denied("the payload is not a plain JSON object"))?;
        self.check_claims(&payload)
    }

    fn claims(&self) -> Result<&Map<String, Value>, PluginError> {
        if let Some(claims) = self.claims.get() {
            return Ok(claims);
        }
        match serde_json::from_str(&self.claims_json) {
            Ok(Value::Object(claims)) => Ok(self.claims.get_or_init(|| claims)),
            _ => Err(no_object()),
        }
    }

    fn check_claims(&self, payload: &Map<String, Value>) -> Result<(), PluginError> {
        let claims = self.claims()?;
        if let Some((name, _)) = claims.iter().find(|(name, value)| payload.get(*name) != Some(*value)) {
            return Err(PluginError::Denied(format!("the claim {name} differs from the core's")));
        }
        let added = payload.keys().find(|name| !claims.contains_key(*name) && is_reserved(name));
        match added {
            Some(name) => Err(PluginError::Denied(format!("the claim {name} is the core's to set"))),
            None => Ok(()),
        }
    }
}

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with("pintle")
}

/// A part of a JWS as an object in which no name occurs twice: parsers differ in which of the two they take.
fn object(part: &str) -> Option<Map<String, Value>> {
    parsed(&base64url::decode(part)?)
}

fn parsed(bytes: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(bytes) {
        Ok(Unambiguous(Value::Object(object))) => Some(object),
        _ => None,
    }
}

fn no_object() -> PluginError {
    internal("the claims are not a JSON object")
}

fn denied(why: &str) -> PluginError {
    PluginError::Denied(why.to_owned())
}

fn internal(why: &str) -> PluginError {
    PluginError::Internal(why.to_owned())
}

/// A JSON value without a doubled name, at any depth.
struct Unambiguous(Value);

impl<'de> serde::Deserialize<'de> for Unambiguous {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnambiguousVisitor).map(Self)
    }
}

struct UnambiguousVisitor;

impl<'de> serde::de::Visitor<'de> for UnambiguousVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unambiguous(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Unambiguous(value))) = entries.next_entry::<String, _>()? {
            if object.insert(name, value).is_some() {
                return Err(serde::de::Error::custom("a name occurs twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIMS: &str = r#"{"iss":"https://id","jti":"h4ndle","exp":100,"aud":["a"],"scope":"read"}"#;
    const HEADER: &str = r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#;

    fn scope() -> IssueScope {
        IssueScope::new(CLAIMS, "k1", "EdDSA", "at+jwt").unwrap()
    }

    fn input(header: &str, payload: &str) -> Vec<u8> {
        format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(payload.as_bytes())).into_bytes()
    }

    fn try_sign(header: &str, payload: &str) -> Result<Vec<u8>, PluginError> {
        scope().sign("k1", "EdDSA", &input(header, payload), || Ok(b"signature".to_vec()))
    }

    #[test]
    fn the_cores_claims_are_signed_and_the_token_is_what_was_signed() {
        let scope = scope();
        let input = input(HEADER, CLAIMS);
        scope.sign("k1", "EdDSA", &input, || Ok(b"signature".to_vec())).unwrap();
        let token = format!("{}.{}", String::from_utf8(input).unwrap(), base64url::encode(b"signature"));
        assert_eq!(scope.finish(&token), Ok(Finished::Signed));
        assert!(scope.finish(&format!("{token}A")).is_err());
        assert!(scope.finish("h4ndle").is_err(), "a signed token cannot be swapped for an opaque one");
    }

    #[test]
    fn claims_in_another_order_and_further_ones_are_signed() {
        let payload = r#"{"tenant":"t","scope":"read","aud":["a"],"exp":100,"jti":"h4ndle","iss":"https://id"}"#;
        assert!(try_sign(HEADER, payload).is_ok());
    }

    #[test]
    fn what_is_not_the_cores_is_not_signed() {
        let cases: &[(&str, &str, &str)] = &[
            ("a later expiry", HEADER, &CLAIMS.replace("100", "101")),
            ("an expiry of another type", HEADER, &CLAIMS.replace("100", "100.0")),
            ("a wider scope", HEADER, &CLAIMS.replace("read", "read write")),
            ("a claim left out", HEADER, r#"{"iss":"https://id","jti":"h4ndle","exp":100,"aud":["a"]}"#),
            ("a reserved claim added", HEADER, &CLAIMS.replace('{', r#"{"sub":"root","#)),
            ("groups added", HEADER, &CLAIMS.replace('{', r#"{"groups":["admin"],"#)),
            ("a claim twice", HEADER, &CLAIMS.replace('{', r#"{"exp":999,"#)),
            ("a nested name twice", HEADER, &CLAIMS.replace('{', r#"{"x":{"a":1,"a":2},"#)),
            ("no object", HEADER, "[]"),
            ("another algorithm in the header", &HEADER.replace("EdDSA", "none"), CLAIMS),
            ("another typ", &HEADER.replace("at+jwt", "JWT"), CLAIMS),
            ("a further header parameter", &HEADER.replace('{', r#"{"jku":"https://evil","#), CLAIMS),
            ("a header twice", &HEADER.replace('{', r#"{"alg":"none","#), CLAIMS),
        ];
        for (name, header, payload) in cases {
            assert!(matches!(try_sign(header, payload), Err(PluginError::Denied(_))), "{name}");
        }
    }

    #[test]
    fn only_the_calls_key_and_algorithm_sign_and_only_once() {
        let (scope, input) = (scope(), input(HEADER, CLAIMS));
        let sign = |key_id, alg, input: &[u8]| scope.sign(key_id, alg, input, || Ok(vec![1]));
        assert!(sign("k2", "EdDSA", &input).is_err());
        assert!(sign("k1", "RS256", &input).is_err());
        assert!(sign("k1", "EdDSA", b"anything else").is_err());
        assert!(sign("k1", "EdDSA", &input).is_ok());
        assert!(sign("k1", "EdDSA", &input).is_err());
    }

    #[test]
    fn an_unsigned_token_must_contain_its_handle() {
        assert_eq!(scope().finish("at_h4ndle"), Ok(Finished::Handle("h4ndle".to_owned())));
        for token in ["", "something-else", "h4ndle\r\nset-cookie:x", "h4ndle "] {
            assert!(scope().finish(token).is_err(), "{token:?}");
        }
    }
}
