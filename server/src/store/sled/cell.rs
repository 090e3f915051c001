//! How a record lies in sled: a head, and parts of 4 KiB for what does not fit it.
//!
//! sled splits a leaf by its number of entries (16), not by their size, and a leaf that outgrows a quarter of a segment
//! (128 KiB) becomes a file under `blobs/` that sled never syncs. Nine neighbouring values of 16 KiB are enough. So no
//! entry is larger than 4 KiB and a key: then no node reaches that size, and no blob is ever written.

use crate::clock::UnixTime;
use crate::store::{Key, StoreError, Stored, Version};

/// Entries of our own: the schema, the versions.
pub(super) const INTERNAL: u8 = 0;
/// Heads of records: version, expiry, length, first part.
const HEAD: u8 = 1;
/// Further parts of long values, by number. Two bytes of number end the key, so that two records never share a part.
const PART: u8 = 2;

const PART_BYTES: usize = 4096;
const HEADER_BYTES: usize = 20;
const FOR_EVER: u64 = u64::MAX;

pub(super) fn head_key(key: &[u8]) -> Vec<u8> {
    [&[HEAD], key].concat()
}

/// The first key behind all heads.
pub(super) fn heads_end() -> Vec<u8> {
    vec![HEAD + 1]
}

/// The record's key, if these are the bytes of a head's key.
pub(super) fn record_key(head_key: &[u8]) -> Option<Key> {
    match head_key.split_first() {
        Some((&HEAD, key)) => Some(Key::new(key)),
        _ => None,
    }
}

fn part_key(key: &Key, number: usize) -> Vec<u8> {
    let number = u16::try_from(number).unwrap_or(u16::MAX);
    [&[PART], key.as_bytes(), &number.to_be_bytes()].concat()
}

/// How many parts follow the head of a value of this length.
fn parts(value_bytes: usize) -> usize {
    value_bytes.div_ceil(PART_BYTES).saturating_sub(1)
}

struct Header {
    version: Version,
    expires_at: Option<UnixTime>,
    value_bytes: usize,
}

impl Header {
    fn split(head: &[u8]) -> Option<(Self, &[u8])> {
        let (version, rest) = head.split_first_chunk()?;
        let (expires_at, rest) = rest.split_first_chunk()?;
        let (value_bytes, first) = rest.split_first_chunk()?;
        let expires_at = u64::from_be_bytes(*expires_at);
        let header = Self {
            version: Version(u64::from_be_bytes(*version)),
            expires_at: (expires_at != FOR_EVER).then_some(UnixTime(expires_at)),
            value_bytes: usize::try_from(u32::from_be_bytes(*value_bytes)).ok()?,
        };
        Some((header, first))
    }
}

fn damaged() -> StoreError {
    StoreError::new("a record of the store is damaged")
}

/// Version and expiry of the record with this head, without its value.
pub(super) fn without_value(head: &[u8]) -> Result<Stored, StoreError> {
    let (header, _) = Header::split(head).ok_or_else(damaged)?;
    Ok(Stored { value: Vec::new(), version: header.version, expires_at: header.expires_at })
}

/// The whole record with this head.
pub(super) fn complete(db: &sled::Db, key: &Key, head: &[u8]) -> Result<Stored, StoreError> {
    let (header, first) = Header::split(head).ok_or_else(damaged)?;
    let mut value = first.to_vec();
    for number in 0..parts(header.value_bytes) {
        let part = db.get(part_key(key, number)).map_err(StoreError::new)?;
        value.extend_from_slice(&part.ok_or_else(damaged)?);
    }
    if value.len() != header.value_bytes {
        return Err(damaged());
    }
    Ok(Stored { value, version: header.version, expires_at: header.expires_at })
}

/// The record under `key`, expired or not.
pub(super) fn read(db: &sled::Db, key: &Key) -> Result<Option<Stored>, StoreError> {
    match db.get(head_key(key.as_bytes())).map_err(StoreError::new)? {
        Some(head) => complete(db, key, &head).map(Some),
        None => Ok(None),
    }
}

/// Adds to `batch` what turns the record `old` into `new`.
pub(super) fn write(batch: &mut sled::Batch, key: &Key, old: Option<&Stored>, new: Option<&Stored>) {
    let old_parts = old.map_or(0, |old| parts(old.value.len()));
    let new_parts = new.map_or(0, |new| parts(new.value.len()));
    for number in new_parts..old_parts {
        batch.remove(part_key(key, number));
    }
    match new {
        Some(new) => insert(batch, key, new),
        None if old.is_some() => batch.remove(head_key(key.as_bytes())),
        None => {}
    }
}

fn insert(batch: &mut sled::Batch, key: &Key, stored: &Stored) {
    let (first, rest) = stored.value.split_at(stored.value.len().min(PART_BYTES));
    let mut head = Vec::with_capacity(HEADER_BYTES + first.len());
    head.extend(stored.version.0.to_be_bytes());
    head.extend(stored.expires_at.map_or(FOR_EVER, |end| end.0).to_be_bytes());
    head.extend(u32::try_from(stored.value.len()).unwrap_or(u32::MAX).to_be_bytes());
    head.extend(first);
    batch.insert(head_key(key.as_bytes()), head);
    for (number, part) in rest.chunks(PART_BYTES).enumerate() {
        batch.insert(part_key(key, number), part);
    }
}
