//! What opens only with a token that the server does not keep: AES-256-GCM under a key made of the token.

use super::KeyError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// Seals and opens under one token's key. The key is for one text only, so that the nonce may be fixed.
pub(super) struct TokenBox(LessSafeKey);

impl TokenBox {
    /// - `key`: derived from the token
    ///
    /// # Errors
    /// When the library refuses.
    pub(super) fn new(key: &Zeroizing<[u8; 32]>) -> Result<Self, KeyError> {
        let key =
            UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| KeyError::Crypto("derive an encryption key"))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// # Errors
    /// When the library refuses.
    pub(super) fn seal(&self, text: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut sealed = text.to_vec();
        self.0
            .seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed)
            .map_err(|_| KeyError::Crypto("encrypt under a token"))?;
        Ok(sealed)
    }

    /// The text; none where it was sealed under another token, or has changed.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(sealed.to_vec());
        let length = self.0.open_in_place(nonce(), Aad::empty(), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_opens_with_its_own_token_only() {
        let sealed = TokenBox::new(&Zeroizing::new([1; 32])).unwrap().seal(b"state").unwrap();
        let open = |key: u8, sealed: &[u8]| TokenBox::new(&Zeroizing::new([key; 32])).unwrap().open(sealed);
        assert_eq!(open(1, &sealed).unwrap().as_slice(), b"state");
        assert!(open(2, &sealed).is_none());
        assert!(open(1, &sealed[1..]).is_none());
        assert!(!sealed.windows(5).any(|window| window == b"state"));
    }
}
