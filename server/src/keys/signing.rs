//! The three signature algorithms: Ed25519 by ed25519-dalek, RS256 and ES256 by aws-lc-rs.

use super::KeyError;
use crate::config::model::Algorithm;
use crate::entropy::Entropy;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// A private key, ready to sign.
pub(super) enum PrivateKey {
    /// Boxed so that the secret stays in one place when the key moves.
    Ed25519(Box<SigningKey>),
    Rsa(rsa::KeyPair),
    P256(EcdsaKeyPair),
}

impl PrivateKey {
    /// A new key. RSA takes 30 to 130 ms. aws-lc-rs draws from its own generator; `entropy` is for Ed25519.
    pub(super) fn generate(algorithm: Algorithm, entropy: &dyn Entropy) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Crypto("make a signing key");
        match algorithm {
            Algorithm::EdDsa => {
                let mut seed = Zeroizing::new([0; 32]);
                entropy.fill(seed.as_mut_slice());
                Ok(Self::Ed25519(Box::new(SigningKey::from_bytes(&seed))))
            }
            Algorithm::Rs256 => rsa::KeyPair::generate(KeySize::Rsa2048).map(Self::Rsa).map_err(failed),
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::P256).map_err(failed)
            }
        }
    }

    /// From what `to_bytes` gave: the seed for Ed25519, else PKCS #8.
    pub(super) fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::EdDsa => {
                let seed: Zeroizing<[u8; 32]> = Zeroizing::new(bytes.try_into().ok()?);
                Some(Self::Ed25519(Box::new(SigningKey::from_bytes(&seed))))
            }
            Algorithm::Rs256 => rsa::KeyPair::from_pkcs8(bytes).ok().map(Self::Rsa),
            Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes).ok().map(Self::P256),
        }
    }

    /// The secret, to be sealed.
    pub(super) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let failed = |_| KeyError::Crypto("write out a signing key");
        let bytes = match self {
            Self::Ed25519(key) => key.as_bytes().to_vec(),
            Self::Rsa(key) => key.as_der().map(|der: Pkcs8V1Der<'_>| der.as_ref().to_vec()).map_err(failed)?,
            Self::P256(key) => key.to_pkcs8v1().map(|der| der.as_ref().to_vec()).map_err(failed)?,
        };
        Ok(Zeroizing::new(bytes))
    }

    /// The public half, as [`PublicKey::new`] takes it.
    pub(super) fn public_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.verifying_key().as_bytes().to_vec(),
            Self::Rsa(key) => key.public_key().as_ref().to_vec(),
            Self::P256(key) => key.public_key().as_ref().to_vec(),
        }
    }

    /// The signature as JWS has it (RFC 7518 §3.3, §3.4, RFC 8037 §3.1).
    pub(super) fn sign(&self, input: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |_| KeyError::Crypto("sign");
        match self {
            Self::Ed25519(key) => Ok(key.sign(input).to_bytes().to_vec()),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Self::P256(key) => {
                key.sign(&SystemRandom::new(), input).map(|signature| signature.as_ref().to_vec()).map_err(failed)
            }
        }
    }
}

/// A public key, parsed once.
pub(super) enum PublicKey {
    Ed25519(VerifyingKey),
    Parsed(ParsedPublicKey),
}

impl PublicKey {
    /// From its bytes: see [`super::jwk::Parameters::from_public`].
    pub(super) fn new(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::EdDsa => VerifyingKey::from_bytes(bytes.try_into().ok()?).ok().map(Self::Ed25519),
            Algorithm::Rs256 => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, bytes).ok().map(Self::Parsed),
            Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).ok().map(Self::Parsed),
        }
    }

    /// Whether the signature is this key's over `input`.
    pub(super) fn verify(&self, input: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => {
                Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(input, &signature).is_ok())
            }
            Self::Parsed(key) => key.verify_sig(input, signature).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

    const ALL: [Algorithm; 3] = [Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Es256];

    #[test]
    fn the_ed25519_signature_is_that_of_rfc_8037_appendix_a_4() {
        let seed = BASE64URL.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = PrivateKey::from_bytes(Algorithm::EdDsa, &seed).unwrap();
        assert_eq!(BASE64URL.encode(key.public_bytes()), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let signature = key.sign(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc").unwrap();
        assert_eq!(
            BASE64URL.encode(signature),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }

    #[test]
    fn a_key_survives_being_written_out_and_a_changed_signature_or_input_fails() {
        for algorithm in ALL {
            let made = PrivateKey::generate(algorithm, &SystemEntropy).unwrap();
            let again = PrivateKey::from_bytes(algorithm, &made.to_bytes().unwrap()).unwrap();
            let public = PublicKey::new(algorithm, &made.public_bytes()).unwrap();
            let mut signature = again.sign(b"input").unwrap();
            assert!(public.verify(b"input", &signature), "{algorithm:?}");
            assert!(!public.verify(b"inpuT", &signature), "{algorithm:?}");
            signature[7] ^= 1;
            assert!(!public.verify(b"input", &signature), "{algorithm:?}");
            assert!(!public.verify(b"input", b""), "{algorithm:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_key_are_refused() {
        for algorithm in ALL {
            assert!(PrivateKey::from_bytes(algorithm, b"short").is_none());
            assert!(PublicKey::new(algorithm, b"short").is_none());
        }
    }
}
