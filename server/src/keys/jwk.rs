//! Public keys as JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037 §2) and their thumbprints (RFC 7638).

use crate::config::model::Algorithm;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The members that make the key, in the order that RFC 7638 §3.3 wants: names ascending, no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Parameters {
    /// P-256: `x` and `y`, 32 bytes each.
    Ec { crv: &'static str, kty: &'static str, x: String, y: String },
    /// Ed25519: `x`, 32 bytes.
    Okp { crv: &'static str, kty: &'static str, x: String },
    /// RSA: exponent and modulus, big-endian without leading zeros.
    Rsa { e: String, kty: &'static str, n: String },
}

impl Parameters {
    /// From the public key's bytes: 32 bytes for Ed25519, an uncompressed point (SEC 1 §2.3.3) for P-256, the DER of an
    /// `RSAPublicKey` (RFC 8017 §A.1.1); `None` for others.
    pub(super) fn from_public(algorithm: Algorithm, public: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::EdDsa => Some(Self::Okp { crv: "Ed25519", kty: "OKP", x: BASE64URL.encode(public) }),
            Algorithm::Es256 => {
                let (x, y) = public.strip_prefix(&[4]).filter(|point| point.len() == 64)?.split_at(32);
                Some(Self::Ec { crv: "P-256", kty: "EC", x: BASE64URL.encode(x), y: BASE64URL.encode(y) })
            }
            Algorithm::Rs256 => {
                let (n, e) = rsa_public_key(public)?;
                Some(Self::Rsa { e: BASE64URL.encode(e), kty: "RSA", n: BASE64URL.encode(n) })
            }
        }
    }

    /// RFC 7638 with SHA-256, base64url: what we use as `kid`.
    pub(super) fn thumbprint(&self) -> String {
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        BASE64URL.encode(Sha256::digest(canonical))
    }
}

/// One key of a set.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Jwk {
    #[serde(flatten)]
    parameters: Parameters,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: String,
}

impl Jwk {
    /// The published form of a signing key.
    pub(super) fn signing(algorithm: Algorithm, parameters: Parameters) -> Self {
        let kid = parameters.thumbprint();
        Self { parameters, usage: "sig", alg: algorithm.name(), kid }
    }
}

/// A JWK set (RFC 7517 §5).
pub(super) fn set_json<'a>(keys: impl Iterator<Item = &'a Jwk>) -> String {
    #[derive(Serialize)]
    struct Set<'a> {
        keys: Vec<&'a Jwk>,
    }
    serde_json::to_string(&Set { keys: keys.collect() }).unwrap_or_default()
}

/// Modulus and exponent of a DER `RSAPublicKey`, which aws-lc-rs gives out only whole.
fn rsa_public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, rest) = der_value(der, 0x30)?;
    let (n, after_n) = der_value(sequence, 0x02)?;
    let (e, after_e) = der_value(after_n, 0x02)?;
    (rest.is_empty() && after_e.is_empty()).then(|| (without_sign(n), without_sign(e)))
}

/// The value of the element with this tag at the start of `der`, and what follows it (X.690 §8.1, lengths to 64 KiB).
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), &rest[2..]),
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn without_sign(integer: &[u8]) -> &[u8] {
    integer.strip_prefix(&[0]).unwrap_or(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638_section_3_1() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiF\
                 V4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9\
                 c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1\
                 jF44-csFCur-kEgU8awapJzKnqDKgw";
        let rsa = Parameters::Rsa { e: "AQAB".into(), kty: "RSA", n: n.into() };
        assert_eq!(rsa.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037_appendix_a_3() {
        let public = BASE64URL.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let okp = Parameters::from_public(Algorithm::EdDsa, &public).unwrap();
        assert_eq!(okp.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_broken_rsa_key_is_refused_and_never_read_beyond() {
        let good = [0x30, 8, 2, 3, 0, 0x81, 7, 2, 1, 3];
        assert_eq!(rsa_public_key(&good), Some(([0x81, 7].as_slice(), [3].as_slice())));
        for end in 0..good.len() {
            assert_eq!(rsa_public_key(&good[..end]), None, "cut at {end}");
        }
        for der in [&[0x30, 0x81][..], &[0x30, 0x82, 1], &[0x30, 0x84, 0, 0, 0, 1], &[0x31, 0]] {
            assert_eq!(rsa_public_key(der), None);
        }
    }
}
