//! Files that were read in full before: a component in Python has tens of megabytes, and a reload that changes none of them
//! need not go over them again. A server forgets all this when it ends.
//!
//! A change can go unseen until the next start: what is written through a shared mapping may leave the times as they were.
//! What runs then is still the code that was compiled for the known hash, and never a file that is only taken to be
//! unchanged.

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

/// What differs once a file was replaced or written to. Nobody but the system can set the time of the last change, and it
/// need not do so for what is written through a shared mapping.
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

    /// Whether the times are old enough for a later write to show in them.
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

/// The files that were read in full, and what is known of each as it was then.
#[derive(Debug)]
pub struct Seen<T = [u8; 32]> {
    files: Mutex<HashMap<PathBuf, (Stamp, T)>>,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self { files: Mutex::default() }
    }
}

impl<T: Clone> Seen<T> {
    /// What is known of a file; it is read only where it may have changed.
    ///
    /// - `now_ms`: milliseconds since 1970
    /// - `read`: what is to be known of the file from now on, and what it holds beside that
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look<B>(
        &self,
        path: &Path,
        now_ms: u64,
        read: impl FnOnce(&mut File) -> io::Result<(T, B)>,
    ) -> io::Result<(T, Option<B>)> {
        let mut file = File::open(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        if let Some((_, known)) = lock(&self.files).get(path).filter(|(seen, _)| *seen == stamp) {
            return Ok((known.clone(), None));
        }
        let (known, beside) = read(&mut file)?;
        if stamp.is_settled(now_ms) && Stamp::of(&file.metadata()?) == stamp {
            lock(&self.files).insert(path.to_owned(), (stamp, known.clone()));
        }
        Ok((known, Some(beside)))
    }
}

impl Seen {
    /// The SHA-256 of a file; it is read only where it may have changed.
    ///
    /// - `now_ms`: milliseconds since 1970
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn hash(&self, path: &Path, now_ms: u64) -> io::Result<Hashed> {
        let (sha256, bytes) = self.look(path, now_ms, |file| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok((Sha256::digest(&bytes).into(), bytes))
        })?;
        Ok(Hashed { sha256, bytes })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
