//! Typed keys and a versioned codec: what lies between the engines' bytes and the rest of the server.
//!
//! A key is the table's name and its parts, each closed by `00 01` with `00` inside escaped as `00 FF`, so that no part
//! can reach into the next and a prefix of parts is a prefix of bytes. A value is one byte of version and JSON.

use super::{Batch, Key, Store, StoreError, Version};
use crate::clock::UnixTime;
use serde::{Serialize, de::DeserializeOwned};

/// A kind of record, kept in a table of its own.
pub trait Record: Serialize + DeserializeOwned + Send + Sync {
    /// The table's name; never reused for something else.
    const TABLE: &'static str;
    /// The layout that `Serialize` writes now.
    const VERSION: u8;

    /// Reads an older layout. `version` is below `VERSION`.
    fn upgrade(_version: u8, _json: &[u8]) -> Option<Self> {
        None
    }

    /// The key of this table made of `parts`; with fewer parts, the prefix of all that start with them.
    #[must_use]
    fn key(parts: &[&[u8]]) -> Key {
        table_key(Self::TABLE, parts)
    }
}

/// A record and the version at which it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<R> {
    /// The record.
    pub value: R,
    /// For [`Batch::expect_at`].
    pub version: Version,
}

fn table_key(table: &str, parts: &[&[u8]]) -> Key {
    let mut bytes = Vec::with_capacity(table.len() + 2 + parts.iter().map(|part| part.len() + 2).sum::<usize>());
    for part in std::iter::once(table.as_bytes()).chain(parts.iter().copied()) {
        for &byte in part {
            bytes.push(byte);
            if byte == 0 {
                bytes.push(0xFF);
            }
        }
        bytes.extend([0, 1]);
    }
    Key::new(bytes)
}

/// The parts of a key that [`Record::key`] made, the table's name first; `None` for other bytes.
#[must_use]
pub fn parts(key: &Key) -> Option<Vec<Vec<u8>>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut bytes = key.as_bytes().iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            0 => match bytes.next()? {
                0xFF => part.push(0),
                1 => parts.push(std::mem::take(&mut part)),
                _ => return None,
            },
            byte => part.push(byte),
        }
    }
    part.is_empty().then_some(parts)
}

/// The bytes of a record.
///
/// # Errors
/// When the record cannot be written as JSON (a map with keys that are no strings).
pub fn encode<R: Record>(record: &R) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![R::VERSION];
    serde_json::to_writer(&mut bytes, record).map_err(StoreError::new)?;
    Ok(bytes)
}

/// The record in `bytes`.
///
/// # Errors
/// When the bytes are of a newer version, or damaged.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R, StoreError> {
    let damaged = || StoreError::new(format!("a record of table `{}` cannot be read", R::TABLE));
    let (&version, json) = bytes.split_first().ok_or_else(damaged)?;
    if version == R::VERSION {
        return serde_json::from_slice(json).map_err(|_| damaged());
    }
    if version > R::VERSION {
        return Err(StoreError::new(format!(
            "a record of table `{}` has version {version}, newer than the {} of this server",
            R::TABLE,
            R::VERSION
        )));
    }
    R::upgrade(version, json).ok_or_else(damaged)
}

/// Loads the record under `key`.
///
/// # Errors
/// When the engine cannot answer or the record cannot be read.
pub async fn load<R: Record>(store: &dyn Store, key: &Key) -> Result<Option<Loaded<R>>, StoreError> {
    match store.get(key).await? {
        Some(found) => Ok(Some(Loaded { value: decode(&found.value)?, version: found.version })),
        None => Ok(None),
    }
}

/// Keys in one step of [`names`].
const STEP: usize = 64;

/// The first part, behind the table, of the keys of all records of a kind: for tables that are named by something, and small.
///
/// # Errors
/// When the engine cannot answer.
pub async fn names<R: Record>(store: &dyn Store) -> Result<Vec<String>, StoreError> {
    let (prefix, mut after, mut names) = (R::key(&[]), None, Vec::new());
    loop {
        let found = store.scan(&prefix, after.as_ref(), STEP).await?;
        let name = |key: &Key| String::from_utf8(parts(key)?.into_iter().nth(1)?).ok();
        names.extend(found.iter().filter_map(|(key, _)| name(key)));
        match found.into_iter().nth(STEP - 1) {
            Some((last, _)) => after = Some(last),
            None => return Ok(names),
        }
    }
}

impl Batch {
    /// Sets `key` to `record`.
    ///
    /// # Errors
    /// As [`encode`].
    pub fn put_record<R: Record>(self, key: Key, record: &R, expires_at: Option<UnixTime>) -> Result<Self, StoreError> {
        Ok(self.put(key, encode(record)?, expires_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        name: String,
    }

    impl Record for Sample {
        const TABLE: &'static str = "sample";
        const VERSION: u8 = 2;

        fn upgrade(version: u8, json: &[u8]) -> Option<Self> {
            (version == 1).then(|| Self { name: String::from_utf8_lossy(json).into_owned() })
        }
    }

    #[test]
    fn a_part_cannot_reach_into_the_next() {
        assert_ne!(Sample::key(&[b"a\0", b"b"]), Sample::key(&[b"a", b"\0b"]));
        assert_ne!(Sample::key(&[b"a", b"b"]), Sample::key(&[b"ab"]));
    }

    #[test]
    fn a_prefix_of_parts_is_a_prefix_of_bytes() {
        let prefix = Sample::key(&[b"a"]);
        assert!(Sample::key(&[b"a", b"b"]).as_bytes().starts_with(prefix.as_bytes()));
        assert!(!Sample::key(&[b"ab"]).as_bytes().starts_with(prefix.as_bytes()));
    }

    #[test]
    fn parts_come_back_as_they_went_in() {
        let key = Sample::key(&[b"a\0\x01", b"", b"\xFF"]);
        assert_eq!(parts(&key).unwrap(), [b"sample".to_vec(), b"a\0\x01".to_vec(), vec![], b"\xFF".to_vec()]);
    }

    /// More than a scan gives at once, and as many.
    #[tokio::test]
    async fn every_name_is_found() {
        let store = crate::store::memory::MemoryStore::new(std::sync::Arc::new(crate::clock::SystemClock::new()));
        for count in [0, STEP, STEP + 1] {
            let expected: Vec<String> = (0..count).map(|number| format!("{number:03}")).collect();
            for name in &expected {
                let sample = Sample { name: name.clone() };
                let batch = Batch::new().put_record(Sample::key(&[name.as_bytes(), b"x"]), &sample, None).unwrap();
                store.commit(batch).await.unwrap();
            }
            assert_eq!(names::<Sample>(&store).await.unwrap(), expected);
        }
    }

    #[test]
    fn an_older_record_is_upgraded_and_a_newer_one_refused() {
        let sample = Sample { name: "x".into() };
        assert_eq!(decode::<Sample>(&encode(&sample).unwrap()).unwrap(), sample);
        assert_eq!(decode::<Sample>(b"\x01x").unwrap(), sample);
        assert!(decode::<Sample>(b"\x03{}").unwrap_err().to_string().contains("newer"));
        assert!(decode::<Sample>(b"").is_err());
    }
}
