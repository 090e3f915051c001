//! Signatures by Standard Webhooks (standardwebhooks.com, "Signature scheme"): HMAC-SHA256 over
//! `id.timestamp.body`, as `v1,` and base64.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use pintle_plugin_api::PluginError;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The secret with the keys.
pub(crate) const SIGNING_KEY: &str = "signing_key";
/// In bytes, by the specification.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

/// One key or, while receivers change to another one, several.
pub(crate) struct Keys(Vec<Zeroizing<Vec<u8>>>);

impl Keys {
    /// Reads `whsec_` and base64, once or more often with white space between.
    pub(crate) fn parse(secret: &[u8]) -> Result<Self, PluginError> {
        let wrong = || {
            let expected = "\"whsec_\" and 24 to 64 bytes in base64, or several of them with spaces between";
            PluginError::Denied(format!("the secret {SIGNING_KEY} is not {expected}"))
        };
        let text = std::str::from_utf8(secret).map_err(|_| wrong())?;
        let key = |text: &str| {
            let key = Zeroizing::new(STANDARD.decode(text.strip_prefix("whsec_")?).ok()?);
            KEY_LENGTH.contains(&key.len()).then_some(key)
        };
        let keys = text.split_ascii_whitespace().map(key).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        if keys.is_empty() { Err(wrong()) } else { Ok(Self(keys)) }
    }

    /// The value of `webhook-signature`: a signature for each key. `timestamp`: seconds since the Unix epoch.
    pub(crate) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> Result<String, PluginError> {
        let sign = |key: &Zeroizing<Vec<u8>>| {
            let mut mac =
                Hmac::<Sha256>::new_from_slice(key).map_err(|error| PluginError::Internal(error.to_string()))?;
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            Ok::<_, PluginError>(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        };
        Ok(self.0.iter().map(sign).collect::<Result<Vec<_>, _>>()?.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn a_signature_is_the_specification_s() {
        let keys = Keys::parse(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = keys.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_key_gives_a_signature() {
        let keys =
            Keys::parse(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nwhsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n").unwrap();
        let signatures = keys.sign("a", 1, b"{}").unwrap();
        let parts: Vec<_> = signatures.split(' ').collect();
        assert!(parts.len() == 2 && parts[0] != parts[1] && parts.iter().all(|part| part.starts_with("v1,")));
    }

    #[test]
    fn a_weak_or_malformed_key_is_refused() {
        let long = format!("whsec_{}", "A".repeat(88));
        for key in ["", " ", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_AAAA", "whsec_?", "whsec_é", &long] {
            assert!(matches!(Keys::parse(key.as_bytes()), Err(PluginError::Denied(_))), "{key}");
        }
        assert!(Keys::parse(b"\xff").is_err());
    }
}
