//! Keys at rest: AES-256-GCM under a key derived from the master key for one purpose.

use super::KeyError;
use super::master::MasterKey;
use crate::entropy::{self, Entropy};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A sealed secret, as it stands in a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sealed {
    /// The fingerprint of the master key: tells a wrong master key from a damaged record.
    master: String,
    /// Base64 of nonce ‖ ciphertext ‖ tag.
    sealed: String,
}

impl Sealed {
    /// The fingerprint of the master key.
    pub(super) fn master(&self) -> &str {
        &self.master
    }
}

/// Seals and opens the secrets of one purpose.
pub(super) struct Sealer {
    key: LessSafeKey,
    master: String,
}

impl Sealer {
    /// # Errors
    /// When the library refuses.
    pub(super) fn new(master: &MasterKey, purpose: &str) -> Result<Self, KeyError> {
        let derived = master.derive(purpose)?;
        let key = UnboundKey::new(&AES_256_GCM, derived.as_slice())
            .map_err(|_| KeyError::Crypto("derive an encryption key"))?;
        Ok(Self { key: LessSafeKey::new(key), master: master.fingerprint()? })
    }

    /// Seals `secret` so that it opens only with the same `name`.
    ///
    /// # Errors
    /// When the library refuses.
    pub(super) fn seal(&self, name: &str, secret: &[u8], entropy: &dyn Entropy) -> Result<Sealed, KeyError> {
        let nonce: [u8; NONCE_LEN] = entropy::array(entropy);
        let mut text = Zeroizing::new(secret.to_vec());
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name), &mut text)
            .map_err(|_| KeyError::Crypto("encrypt a key"))?;
        let bytes = [&nonce, text.as_slice(), tag.as_ref()].concat();
        Ok(Sealed { master: self.master.clone(), sealed: BASE64.encode(bytes) })
    }

    /// Opens what was sealed under `name`; `what` is for the error.
    ///
    /// # Errors
    /// `MasterDiffers`, `Damaged`.
    pub(super) fn open(&self, name: &str, sealed: &Sealed, what: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        if sealed.master != self.master {
            return Err(KeyError::MasterDiffers { expected: sealed.master.clone(), given: self.master.clone() });
        }
        self.try_open(name, sealed).ok_or_else(|| KeyError::Damaged { what: what.to_owned() })
    }

    fn try_open(&self, name: &str, sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = BASE64.decode(&sealed.sealed).ok()?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.key.open_in_place(nonce, Aad::from(name), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}
