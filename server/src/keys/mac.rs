//! The MAC key: one random key for handles, codes and keyed hashes, sealed in the store like the signing keys.

use super::KeyError;
use super::master::MasterKey;
use super::seal::{Sealed, Sealer};
use crate::entropy::{self, Entropy};
use crate::store::record::{self, Record};
use crate::store::{Batch, CommitError, Store};
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The shortest prefix of a tag that counts, in bytes.
pub const MIN_TAG_BYTES: usize = 16;

#[derive(Serialize, Deserialize)]
struct StoredMacKey {
    sealed: Sealed,
}

impl Record for StoredMacKey {
    const TABLE: &'static str = "mac-key";
    const VERSION: u8 = 1;
}

const WHAT: &str = "the MAC key";

fn stored_at() -> crate::store::Key {
    StoredMacKey::key(&[b"hmac-sha256"])
}

fn decode(value: &[u8]) -> Result<StoredMacKey, KeyError> {
    record::decode(value).map_err(|_| KeyError::Damaged { what: WHAT.to_owned() })
}

/// HMAC-SHA-256 under the store's own key.
pub(super) struct MacKey(Key);

impl MacKey {
    /// Loads the key, or makes it where there is none yet.
    pub(super) async fn load_or_make(
        store: &dyn Store,
        master: &MasterKey,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeyError> {
        let sealer = Sealer::new(master, "mac key")?;
        let at = stored_at();
        loop {
            if let Some(found) = store.get(&at).await? {
                return Self::open(&sealer, &found.value);
            }
            let fresh = Zeroizing::new(entropy::array::<32>(entropy));
            let made = StoredMacKey { sealed: sealer.seal("hmac-sha256", fresh.as_slice(), entropy)? };
            match store.commit(Batch::new().expect_absent(at.clone()).put_record(at.clone(), &made, None)?).await {
                Ok(_) => return Ok(Self(Key::new(HMAC_SHA256, fresh.as_slice()))),
                // Another server made it first: the next round reads that one.
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The fingerprint of the master key that the store's keys are sealed under; `None` while it has none. The MAC key
    /// is the first that is made.
    pub(super) async fn sealed_under(store: &dyn Store) -> Result<Option<String>, KeyError> {
        let Some(found) = store.get(&stored_at()).await? else { return Ok(None) };
        Ok(Some(decode(&found.value)?.sealed.master().to_owned()))
    }

    fn open(sealer: &Sealer, value: &[u8]) -> Result<Self, KeyError> {
        let (what, stored) = (WHAT, decode(value)?);
        Ok(Self(Key::new(HMAC_SHA256, &sealer.open("hmac-sha256", &stored.sealed, what)?)))
    }

    /// The tag of `message` in `domain`. Every part goes in after its length, so that no two lists of parts collide.
    pub(super) fn tag(&self, domain: &str, message: &[&[u8]]) -> [u8; 32] {
        let mut context = Context::with_key(&self.0);
        for part in std::iter::once(domain.as_bytes()).chain(message.iter().copied()) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    /// Whether `tag` is the message's, or a prefix of it that is long enough; in constant time for its length.
    pub(super) fn matches(&self, domain: &str, message: &[&[u8]], tag: &[u8]) -> bool {
        (MIN_TAG_BYTES..=32).contains(&tag.len()) && bool::from(self.tag(domain, message)[..tag.len()].ct_eq(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> MacKey {
        MacKey(Key::new(HMAC_SHA256, &[7; 32]))
    }

    #[test]
    fn parts_and_domains_cannot_be_shifted_into_each_other() {
        let key = key();
        let tags = [
            key.tag("a", &[b"bc", b"d"]),
            key.tag("a", &[b"b", b"cd"]),
            key.tag("a", &[b"bcd"]),
            key.tag("ab", &[b"c", b"d"]),
            key.tag("a", &[b"bc", b"d", b""]),
            key.tag("a", &[]),
        ];
        for (at, tag) in tags.iter().enumerate() {
            assert!(!tags[at + 1..].contains(tag), "tag {at}");
        }
    }

    #[test]
    fn the_tag_is_plain_hmac_over_the_length_prefixed_parts() {
        let input = [&1u64.to_be_bytes()[..], b"d", &2u64.to_be_bytes(), b"xy"].concat();
        assert_eq!(key().tag("d", &[b"xy"]), aws_lc_rs::hmac::sign(&key().0, &input).as_ref());
    }

    #[test]
    fn a_prefix_of_16_bytes_matches_and_a_shorter_or_changed_one_does_not() {
        let tag = key().tag("d", &[b"x"]);
        for length in 0..=32 {
            assert_eq!(key().matches("d", &[b"x"], &tag[..length]), length >= 16, "{length}");
        }
        let mut changed = tag;
        changed[15] ^= 1;
        assert!(!key().matches("d", &[b"x"], &changed[..16]));
        assert!(!key().matches("d", &[b"x"], &[tag.as_slice(), &[0]].concat()));
        assert!(!key().matches("e", &[b"x"], &tag));
    }
}
