//! Files that were read in full before: a component in Python has tens of megabytes, and a reload that changes none of them
//! need not go over them again. A server forgets all this when it ends.
//!
//! What runs is what was compiled for a hash, and never a file that is only taken to be unchanged. Being mistaken here would mean going on with the old code, under its own hash.

use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A file that was changed less than this ago may be changed again without its times showing it: they are as coarse as
/// the file system's clock.
const SETTLED: Duration = Duration::from_secs(2);

/// What differs once a file was changed or replaced. Nobody but the system can set the time of the last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a later change is sure to show.
    fn is_settled(&self, now_ms: u64) -> bool {
        let (seconds, nanos) = self.changed;
        let changed_ms = i128::from(seconds) * 1000 + i128::from(nanos) / 1_000_000;
        i128::from(now_ms) - changed_ms >= i128::try_from(SETTLED.as_millis()).unwrap_or(i128::MAX)
    }
}

/// A file's hash, and its bytes where they had to be read.
#[derive(Debug)]
pub struct Hashed {
    /// Of the whole file.
    pub sha256: [u8; 32],
    /// None where the file is as it was when it was hashed.
    pub bytes: Option<Vec<u8>>,
}

impl Hashed {
    /// The bytes of this hash.
    ///
    /// # Errors
    /// When `path`, which the hash is of, cannot be read, or holds others by now.
    pub fn into_bytes(self, path: &Path) -> io::Result<Vec<u8>> {
        if let Some(bytes) = self.bytes {
            return Ok(bytes);
        }
        let bytes = std::fs::read(path)?;
        if <[u8; 32]>::from(Sha256::digest(&bytes)) != self.sha256 {
            return Err(io::Error::other("it was changed while it was loaded"));
        }
        Ok(bytes)
    }
}

/// The files that were read in full, as they were then.
#[derive(Debug, Default)]
pub struct Seen {
    hashes: Mutex<HashMap<PathBuf, (Stamp, [u8; 32])>>,
}

impl Seen {
    /// The SHA-256 of a file; it is read only where it may have changed.
    ///
    /// - `now_ms`: milliseconds since 1970
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn hash(&self, path: &Path, now_ms: u64) -> io::Result<Hashed> {
        let mut file = File::open(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        if let Some((_, sha256)) = lock(&self.hashes).get(path).filter(|(seen, _)| *seen == stamp) {
            return Ok(Hashed { sha256: *sha256, bytes: None });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let sha256 = Sha256::digest(&bytes).into();
        if stamp.is_settled(now_ms) && Stamp::of(&file.metadata()?) == stamp {
            lock(&self.hashes).insert(path.to_owned(), (stamp, sha256));
        }
        Ok(Hashed { sha256, bytes: Some(bytes) })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
