//! Which code a plugin is; that of linked-in ones is the program's own.

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Once, OnceLock};

/// Bytes read at once: the program is tens of megabytes, and need not be in memory twice.
const PART: usize = 256 * 1024;

/// Which code a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The program's.
    Own,
    /// A file of this SHA-256.
    File([u8; 32]),
}

impl Code {
    /// Its SHA-256; none where the executable cannot be read. Waits as [`sha256`] does.
    #[must_use]
    pub fn sha256(self) -> Option<[u8; 32]> {
        match self {
            Self::Own => sha256(),
            Self::File(hash) => Some(hash),
        }
    }
}

/// Lets a thread of its own find out [`sha256`], so that the start does not wait and the first one to ask waits little.
pub fn begin() {
    static BEGUN: Once = Once::new();
    // Without the thread, who asks first finds out.
    BEGUN.call_once(|| drop(std::thread::Builder::new().name("own-code".to_owned()).spawn(sha256)));
}

/// The SHA-256 of this process's executable; none where it cannot be read. Read once, in some tens of milliseconds, for
/// which everybody who asks waits.
pub fn sha256() -> Option<[u8; 32]> {
    static HASH: OnceLock<Option<[u8; 32]>> = OnceLock::new();
    *HASH.get_or_init(|| {
        let hash = executable().and_then(hash);
        hash.inspect_err(|error| tracing::warn!(%error, "the executable cannot be read: its hash is not logged")).ok()
    })
}

/// The file that runs, also where an upgrade has put another one in its place.
fn executable() -> io::Result<File> {
    File::open("/proc/self/exe").or_else(|_| File::open(std::env::current_exe()?))
}

fn hash(mut file: File) -> io::Result<[u8; 32]> {
    let (mut hasher, mut part) = (Sha256::new(), vec![0; PART]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(&part[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_executables() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        begin();
        assert_eq!(sha256(), Some(Sha256::digest(&whole).into()));
        assert_eq!((Code::Own.sha256(), Code::File([7; 32]).sha256()), (sha256(), Some([7; 32])));
    }
}
