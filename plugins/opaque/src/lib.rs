//! Opaque access tokens: the token is the core's handle itself, 64 characters of base64url. It says nothing to whoever
//! reads it; resource servers ask the introspection endpoint (RFC 7662).

use pintle_plugin_api::{
    Call, IssuedToken, Manifest, Plugin, PluginError, TokenFormat, TokenVerdict, config, export_plugin,
};
use serde::Deserialize;

/// A handle's length in characters: 48 bytes as base64url.
const HANDLE_LENGTH: usize = 64;

/// The plugin; it has no options.
pub struct Opaque;

#[derive(Deserialize)]
struct Claims {
    jti: String,
}

impl Plugin for Opaque {
    fn manifest() -> Manifest {
        Manifest::new::<Self>("opaque", env!("CARGO_PKG_VERSION"))
    }

    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        config::takes_nothing(config_json)?;
        Ok(Self)
    }
}

impl TokenFormat for Opaque {
    fn issue(&self, _call: &Call<'_>, claims_json: &str, _key_id: &str) -> Result<IssuedToken, PluginError> {
        let claims: Claims =
            serde_json::from_str(claims_json).map_err(|error| PluginError::Invalid(format!("claims: {error}")))?;
        if !is_handle(&claims.jti) {
            return Err(PluginError::Invalid(format!("jti is not a handle of {HANDLE_LENGTH} characters")));
        }
        Ok(IssuedToken { token: claims.jti, meta_json: String::new() })
    }

    /// Only the form is checked: whether the handle was ever given out is the core's to know.
    fn validate(&self, _call: &Call<'_>, token: &str) -> Result<TokenVerdict, PluginError> {
        Ok(if is_handle(token) { TokenVerdict::Mine(token.to_owned()) } else { TokenVerdict::NotMine })
    }
}

fn is_handle(text: &str) -> bool {
    text.len() == HANDLE_LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

export_plugin!(Opaque: token_format);

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_plugin_api::CallContext;
    use pintle_plugin_api::conformance::{Fixtures, LinkedSubject, run};
    use pintle_plugin_api::testing::{FakeHost, missing_from_plugin_toml};

    #[test]
    fn the_token_is_the_handle() {
        let call = Call { context: &CallContext::default(), host: &FakeHost::default() };
        let handle = "aB3-_".repeat(13)[..64].to_owned();
        let issued = Opaque.issue(&call, &format!(r#"{{"jti": "{handle}", "sub": "u"}}"#), "").unwrap();
        assert_eq!(issued.token, handle);
        assert_eq!(Opaque.validate(&call, &handle), Ok(TokenVerdict::Mine(handle)));
    }

    #[test]
    fn another_length_or_character_is_not_mine() {
        let call = Call { context: &CallContext::default(), host: &FakeHost::default() };
        for token in ["a".repeat(63), "a".repeat(65), format!("{}.", "a".repeat(63)), "ä".repeat(32)] {
            assert_eq!(Opaque.validate(&call, &token), Ok(TokenVerdict::NotMine), "{token}");
        }
    }

    #[test]
    fn it_conforms() {
        let host = FakeHost::default();
        let report = run(&LinkedSubject::new(linked(), "{}", &host).unwrap(), &Fixtures::default());
        assert!(report.passed(), "{report}");
    }

    #[test]
    fn plugin_toml_says_what_the_manifest_says() {
        let missing = missing_from_plugin_toml(include_str!("../plugin.toml"), &Opaque::manifest());
        assert_eq!(missing, Vec::<String>::new());
    }
}
