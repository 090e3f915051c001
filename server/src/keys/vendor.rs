//! The keys that plugin bundles are signed by: the vendor's private one, and the public one that an operator trusts.
//!
//! They have nothing to do with the keys that sign tokens, and are in no store.

use crate::entropy::Entropy;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use std::fmt::{self, Display, Write as _};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// `ed25519:` stands in front of a public key in the configuration.
const SCHEME: &str = "ed25519:";
/// RFC 8410 §7: a private key of 32 bytes in PKCS #8 without its public half.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// RFC 8410 §4: a public key of 32 bytes as SubjectPublicKeyInfo.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// The private key of whoever signs bundles. Its `Debug` shows the public one.
pub struct VendorKey(Box<SigningKey>);

impl fmt::Debug for VendorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VendorKey({})", self.public())
    }
}

impl VendorKey {
    /// A new key.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(seed.as_mut_slice());
        Self(Box::new(SigningKey::from_bytes(&seed)))
    }

    /// From PKCS #8 in PEM (RFC 5958, RFC 7468), as [`Self::to_pem`] and `openssl genpkey -algorithm ed25519` write it;
    /// `None` where it is something else.
    #[must_use]
    pub fn from_pem(pem: &str) -> Option<Self> {
        let encoded = pem.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
        let encoded: Zeroizing<String> = Zeroizing::new(encoded.split_ascii_whitespace().collect());
        let der = Zeroizing::new(STANDARD.decode(encoded.as_bytes()).ok()?);
        SigningKey::from_pkcs8_der(&der).ok().map(|key| Self(Box::new(key)))
    }

    /// PKCS #8 in PEM.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        let mut der = Zeroizing::new([0; PKCS8.len() + 32]);
        der[..PKCS8.len()].copy_from_slice(&PKCS8);
        der[PKCS8.len()..].copy_from_slice(self.0.as_bytes());
        let encoded = Zeroizing::new(STANDARD.encode(der.as_slice()));
        Zeroizing::new(format!("{BEGIN}\n{}\n{END}\n", encoded.as_str()))
    }

    /// Reads the file that [`Self::save`] wrote.
    ///
    /// # Errors
    /// When it cannot be read or holds no such key.
    pub fn read(path: &Path) -> io::Result<Self> {
        let pem = Zeroizing::new(std::fs::read_to_string(path)?);
        let other = || io::Error::new(io::ErrorKind::InvalidData, "it holds no Ed25519 private key as PKCS #8 in PEM");
        Self::from_pem(&pem).ok_or_else(other)
    }

    /// Writes a new file that only its owner can read.
    ///
    /// # Errors
    /// When there is such a file, or it cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(self.to_pem().as_bytes()).and_then(|()| file.sync_all())
    }

    /// The key to trust.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// An Ed25519 signature (RFC 8032 §5.1.6).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// A public key. Shown as `ed25519:<base64>`, which is what `trust.keys` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// From `ed25519:` and base64 of the raw 32 bytes or of a SubjectPublicKeyInfo of 44.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(SCHEME)?).ok()?;
        let raw = if bytes.len() == 32 { bytes.as_slice() } else { bytes.strip_prefix(&SPKI)? };
        raw.try_into().ok().map(Self)
    }

    /// The first 16 hex digits of its SHA-256: to tell keys apart by eye, never to decide by.
    #[must_use]
    pub fn id(&self) -> String {
        let digest = Sha256::digest(self.0);
        digest[..8].iter().fold(String::new(), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        })
    }

    /// Whether the signature is this key's. Weak keys and malleable signatures are none's.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", STANDARD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use std::os::unix::fs::PermissionsExt as _;

    /// RFC 8410 §10.3.
    const RFC_8410: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                            -----END PRIVATE KEY-----\n";

    #[test]
    fn the_key_of_rfc_8410_comes_back_as_it_is_and_has_its_public_half() {
        let key = VendorKey::from_pem(RFC_8410).unwrap();
        assert_eq!(key.to_pem().as_str(), RFC_8410);
        // RFC 8410 §10.1, as SubjectPublicKeyInfo.
        let public = "ed25519:MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
        assert_eq!(PublicKey::parse(public), Some(key.public()));
        assert_eq!(PublicKey::parse(&key.public().to_string()), Some(key.public()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in [
            "",
            "ed25519:",
            "ed25519:AAAA",
            "rsa:AAAA",
            "ed25519:MCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
        ] {
            assert_eq!(PublicKey::parse(text), None, "{text}");
        }
        assert!(VendorKey::from_pem(&RFC_8410.replace("MC4C", "MC5C")).is_none());
        // The identity: everything would be signed by it.
        let mut weak = [0; 32];
        weak[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(!PublicKey(weak).verify(b"message", &signature));
    }

    #[test]
    fn a_key_file_is_its_owners_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vendor.pem");
        let key = VendorKey::generate(&SystemEntropy);
        key.save(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(key.save(&path).is_err());
        let read = VendorKey::read(&path).unwrap();
        assert!(key.public().verify(b"message", &read.sign(b"message")));
        assert!(!key.public().verify(b"massage", &read.sign(b"message")));
    }
}
