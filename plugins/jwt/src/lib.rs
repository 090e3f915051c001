//! Access tokens as signed JWTs in the JWS compact serialization (RFC 7515 §7.1), for the profile of RFC 9068.
//!
//! The header is `alg`, `kid` and `typ`, the payload the core's claims as they are. The private key stays in the server:
//! this plugin asks the host to sign, and to verify. What the claims say (`exp`, `iss`, `aud`, revocation) is the core's
//! to check; `Mine` only means that the signature is the server's.

use pintle_plugin_api::{
    Call, IssuedToken, Manifest, Plugin, PluginError, TokenFormat, TokenVerdict, base64url, config, export_plugin,
};
use serde::{Deserialize, Serialize};

/// What may be in `alg`. Symmetric algorithms and `none` never (RFC 8725 §3.1).
const ALGORITHMS: [&str; 3] = ["EdDSA", "RS256", "ES256"];

/// The plugin; it has no options.
pub struct Jwt;

#[derive(Serialize)]
struct IssuedHeader<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

#[derive(Deserialize)]
struct FoundHeader {
    alg: String,
    kid: String,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
}

impl Plugin for Jwt {
    const WANTS: &'static [&'static str] = &["crypto"];

    fn manifest() -> Manifest {
        Manifest { self_contained: true, ..Manifest::new::<Self>("jwt", env!("CARGO_PKG_VERSION")) }
    }

    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        config::takes_nothing(config_json)?;
        Ok(Self)
    }
}

impl TokenFormat for Jwt {
    fn issue(&self, call: &Call<'_>, claims_json: &str, key_id: &str) -> Result<IssuedToken, PluginError> {
        let invalid = |why: String| PluginError::Invalid(why);
        serde_json::from_str::<Claims>(claims_json).map_err(|error| invalid(format!("claims: {error}")))?;
        let alg = call.context.ext("alg").ok_or_else(|| invalid("no alg in ctx.ext".to_owned()))?;
        if !ALGORITHMS.contains(&alg) {
            return Err(invalid(format!("alg {alg} is none of {}", ALGORITHMS.join(", "))));
        }
        let header = IssuedHeader { alg, kid: key_id, typ: call.context.ext("typ").unwrap_or("at+jwt") };
        let header = serde_json::to_vec(&header).map_err(|error| PluginError::Internal(error.to_string()))?;
        let input = format!("{}.{}", base64url::encode(&header), base64url::encode(claims_json.as_bytes()));
        let signature = call.host.sign(key_id, alg, input.as_bytes())?;
        Ok(IssuedToken { token: format!("{input}.{}", base64url::encode(&signature)), meta_json: String::new() })
    }

    fn validate(&self, call: &Call<'_>, token: &str) -> Result<TokenVerdict, PluginError> {
        let Some(Parts { header, payload, signature, input }) = Parts::parse(token) else {
            return Ok(TokenVerdict::NotMine);
        };
        let invalid = |why: &str| Ok(TokenVerdict::Invalid(why.to_owned()));
        let Ok(header) = serde_json::from_slice::<FoundHeader>(&header) else {
            return invalid("the header has not one alg and one kid");
        };
        if !ALGORITHMS.contains(&header.alg.as_str()) {
            return invalid("the algorithm is not one of this server's");
        }
        // RFC 7515 §4.1.11: an extension that is not understood must not be passed over.
        if header.crit.is_some() {
            return invalid("the header has crit");
        }
        if !call.host.verify(&header.kid, &header.alg, input.as_bytes(), &signature)? {
            return invalid("the signature does not match");
        }
        match serde_json::from_slice::<Claims>(&payload) {
            Ok(claims) => Ok(TokenVerdict::Mine(claims.jti)),
            Err(_) => invalid("the payload has not one jti"),
        }
    }
}

/// The decoded parts of a JWS, and the signing input as it stands in the token.
struct Parts<'a> {
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    input: &'a str,
}

impl<'a> Parts<'a> {
    /// None unless `token` is three parts of strict base64url, of which the first is a JSON object. An empty signature
    /// is none.
    fn parse(token: &'a str) -> Option<Self> {
        let (input, signature) = token.rsplit_once('.')?;
        let (header, payload) = input.split_once('.')?;
        let decode = |part: &str| base64url::decode(part).filter(|bytes| !bytes.is_empty());
        let header = decode(header)?;
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&header).ok()?;
        Some(Self { header, payload: decode(payload)?, signature: decode(signature)?, input })
    }
}

export_plugin!(Jwt: token_format);

#[cfg(test)]
mod tests;
