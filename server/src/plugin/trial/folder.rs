//! A folder for compiled components and copies of libraries, as short-lived as a trial.

use crate::entropy::{self, Entropy};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Of mode 0700, as the host demands. Removed when dropped, with all that is in it.
pub(super) struct Folder {
    path: PathBuf,
    /// How many folders were made in it.
    inner: AtomicU64,
}

impl Folder {
    pub(super) fn make(entropy: &dyn Entropy) -> Result<Self, String> {
        let name = entropy::array::<8>(entropy).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let path = std::env::temp_dir().join(format!("pintle-trial-{name}"));
        create(&path)?;
        Ok(Self { path, inner: AtomicU64::new(0) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Another folder in it, with nothing in it.
    pub(super) fn empty(&self) -> Result<PathBuf, String> {
        let path = self.path.join(self.inner.fetch_add(1, Ordering::Relaxed).to_string());
        create(&path)?;
        Ok(path)
    }
}

/// Fails where somebody was there before.
fn create(path: &Path) -> Result<(), String> {
    DirBuilder::new().mode(0o700).create(path).map_err(|error| format!("{}: {error}", path.display()))
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A loaded library stays open; its file may go.
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::debug!(%error, "the trial's folder stays");
        }
    }
}
