//! A folder for compiled components and copies of libraries, as short-lived as a trial.

use crate::entropy::{self, Entropy};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Of mode 0700, as the host demands. Removed when dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn make(entropy: &dyn Entropy) -> Result<Self, String> {
        let name = entropy::array::<8>(entropy).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let path = std::env::temp_dir().join(format!("pintle-trial-{name}"));
        // Fails where somebody was there before.
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A loaded library stays open; its file may go.
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::debug!(%error, "the trial's folder stays");
        }
    }
}
