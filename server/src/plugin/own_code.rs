//! The code of linked-in plugins, which is the program's own.

use super::private_dir::hex;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::sync::OnceLock;

/// Bytes read at once: the program is tens of megabytes, and need not be in memory twice.
const PART: usize = 256 * 1024;

/// The SHA-256 of this process's executable, in hex; none where it cannot be read. Read once, in some tens of
/// milliseconds, for which it blocks.
pub fn sha256() -> Option<&'static str> {
    static HASH: OnceLock<Option<String>> = OnceLock::new();
    let hash = HASH.get_or_init(|| {
        let hash = executable().and_then(hash);
        hash.inspect_err(|error| tracing::warn!(%error, "the executable cannot be read: its hash is not logged")).ok()
    });
    hash.as_deref()
}

/// The file that runs, also where an upgrade has put another one in its place.
fn executable() -> io::Result<File> {
    File::open("/proc/self/exe").or_else(|_| File::open(std::env::current_exe()?))
}

fn hash(mut file: File) -> io::Result<String> {
    let (mut hasher, mut part) = (Sha256::new(), vec![0; PART]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hex(&hasher.finalize())),
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
        assert_eq!(sha256(), Some(crate::plugin::private_dir::sha256_hex(&whole).as_str()));
    }
}
