//! The native packaging's payloads: the parameters of each method of [`crate::method`], as the JSON object that is its
//! request. Answers are the types of [`crate::types`], or those below.

use crate::types::{Account, Attr, CallContext, Event, ScopeQuery, VerifyRequest, base64url, secret_base64url};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Bytes as a whole answer, or as a field. They may be a password, so `Debug` shows their number alone.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(#[serde(with = "base64url")] pub Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bytes({})", self.0.len())
    }
}

/// As [`Bytes`], and wiped when dropped.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(#[serde(with = "secret_base64url")] pub Zeroizing<Vec<u8>>);

/// A request as JSON, in memory that is wiped when dropped: it may have a password in it.
///
/// # Errors
/// None for the requests below.
pub fn encode(request: &impl Serialize) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    // With room for most: memory that a vector outgrows is not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    serde_json::to_writer(&mut *bytes, request)?;
    Ok(bytes)
}

macro_rules! requests {
    ($($(#[$doc:meta])+ $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)? })+) => {$(
        $(#[$doc])+
        #[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {
            $(
                #[doc = concat!("`", stringify!($field), "` of the WIT function.")]
                $(#[$attribute])*
                pub $field: $type,
            )*
        }
    )+};
}

requests! {
    /// `lifecycle.validate-config`.
    ValidateConfig { json: String }
    /// `lifecycle.health`.
    Health { ctx: CallContext }
    /// `user-verifier.verify`.
    VerifyUser { ctx: CallContext, request: VerifyRequest }
    /// `scope-policy.evaluate`.
    EvaluateScope { ctx: CallContext, request: ScopeQuery }
    /// `token-format.issue`.
    IssueToken { ctx: CallContext, claims_json: String, key_id: String }
    /// `token-format.validate`.
    ValidateToken { ctx: CallContext, token: String }
    /// `directory.lookup`.
    LookupAccount { ctx: CallContext, by: String, value: String }
    /// `claims.enrich`.
    EnrichClaims { ctx: CallContext, account: Account, scopes: Vec<String>, target: String }
    /// `account-source.pull`.
    PullAccounts { ctx: CallContext, #[serde(default, skip_serializing_if = "Option::is_none")] cursor: Option<String>, limit: u32 }
    /// `event-sink.deliver`.
    DeliverEvents { ctx: CallContext, batch: Vec<Event> }
    /// `extension-grant.grant-types`.
    GrantTypes {}
    /// `extension-grant.exchange`.
    Exchange { ctx: CallContext, grant_type: String, params: Vec<Attr> }
    /// Host `log.emit`.
    LogEmit { level: u8, message: String, #[serde(default)] fields: Vec<Attr> }
    /// Host `random.bytes`.
    RandomBytes { count: u32 }
    /// Host `kv.get`.
    KvGet { key: String }
    /// The answer of host `kv.get`, where the key is there.
    KvEntry { value: Bytes, version: u64 }
    /// Host `kv.put`.
    KvPut {
        key: String,
        value: Bytes,
        #[serde(default, skip_serializing_if = "Option::is_none")] ttl_s: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")] if_version: Option<u64>,
    }
    /// Host `kv.delete`.
    KvDelete { key: String }
    /// Host `crypto.password-verify`.
    PasswordVerify { phc: String, password: Secret }
    /// Host `crypto.sign`.
    Sign { key_id: String, alg: String, input: Bytes }
    /// Host `crypto.verify`.
    VerifySignature { key_id: String, alg: String, input: Bytes, signature: Bytes }
    /// Host `accounts.lookup`.
    AccountLookup { by: String, value: String }
    /// Host `accounts.verify`.
    AccountVerify { username: String, password: Secret }
    /// Host `secrets.get`.
    SecretGet { name: String }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_encoded_as_the_header_says() {
        let text = r#"{"ctx":{"request_id":"r1","deadline_ms":3000},"request":{"username":"ann","kind":"password","secret":"aHVudGVyMg"}}"#;
        let request: VerifyUser = serde_json::from_str(text).unwrap();
        assert_eq!(request.request.secret.as_slice(), b"hunter2");
        assert_eq!(*encode(&request).unwrap(), text.as_bytes());
        let put = KvPut { key: "k".to_owned(), value: Bytes(vec![0xff]), ttl_s: None, if_version: Some(0) };
        assert_eq!(serde_json::to_string(&put).unwrap(), r#"{"key":"k","value":"_w","if_version":0}"#);
    }

    #[test]
    fn bytes_with_padding_or_of_the_other_alphabet_are_refused() {
        for text in [r#""_w==""#, r#""/w""#, r#""_x""#] {
            assert!(serde_json::from_str::<Bytes>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_are_not_shown() {
        assert_eq!(format!("{:?}", Bytes(b"hunter2".to_vec())), "Bytes(7)");
    }
}
