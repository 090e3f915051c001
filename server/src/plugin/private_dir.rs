//! A folder that nobody else can write to: code that gets executed comes from there or not at all.

use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A folder of mode 0700 that belongs to the server's user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateDir(PathBuf);

impl PrivateDir {
    /// Opens the folder, makes it where it is missing.
    ///
    /// # Errors
    /// When it cannot be made, is no folder but a link, belongs to somebody else, or lets others in.
    pub fn open(path: &Path) -> io::Result<Self> {
        match DirBuilder::new().recursive(true).mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let metadata = fs::symlink_metadata(path)?;
        if !metadata.is_dir() || metadata.uid() != effective_user() || metadata.mode() & 0o077 != 0 {
            return Err(refused(path, "is not a folder of mode 0700 that belongs to the server's user"));
        }
        Ok(Self(path.to_owned()))
    }

    /// The path of `name` in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The bytes of a file; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read, is a link, belongs to somebody else, or lets others write.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(mut file) = self.open_file(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// A file to be read; `None` where there is none.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn open_file(&self, name: &str) -> io::Result<Option<File>> {
        let path = self.path(name);
        let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.uid() != effective_user() || metadata.mode() & 0o022 != 0 {
            return Err(refused(&path, "is not a file that only the server's user can write"));
        }
        Ok(Some(file))
    }

    /// Puts a file there as a whole or not at all; an older one is replaced, never changed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        static COUNTER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let count = COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let new = self.path(&format!("{name}.{}.{count}.new", std::process::id()));
        let mut file = create(&new)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        drop(file);
        let path = self.path(name);
        match written.and_then(|()| fs::rename(&new, &path)) {
            Ok(()) => Ok(path),
            Err(error) => {
                // What matters is the first error; a left-over is harmless.
                let _ = fs::remove_file(&new);
                Err(error)
            }
        }
    }
}

/// A new file of mode 0500: a library is mapped from it, and nobody changes it any more.
fn create(path: &Path) -> io::Result<File> {
    let _ = fs::remove_file(path);
    OpenOptions::new().write(true).create_new(true).mode(0o500).open(path)
}

fn effective_user() -> u32 {
    // SAFETY: takes nothing, changes nothing, cannot fail.
    unsafe { libc::geteuid() }
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{} {why}", path.display()))
}

/// SHA-256 as lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_comes_back_as_it_was_put() {
        let folder = tempfile::tempdir().unwrap();
        let private = PrivateDir::open(&folder.path().join("cache")).unwrap();
        assert_eq!(private.read("a").unwrap(), None);
        private.write("a", b"one").unwrap();
        private.write("a", b"two").unwrap();
        assert_eq!(private.read("a").unwrap().unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path().join("cache")).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(PrivateDir::open(&path).is_err());
        let link = folder.path().join("link");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(PrivateDir::open(&link).is_err());
    }

    #[test]
    fn a_link_or_a_file_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let private = PrivateDir::open(&folder.path().join("cache")).unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, b"code").unwrap();
        std::os::unix::fs::symlink(&outside, private.path("link")).unwrap();
        assert!(private.read("link").is_err());
        fs::write(private.path("open"), b"code").unwrap();
        fs::set_permissions(private.path("open"), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(private.read("open").is_err());
    }
}
