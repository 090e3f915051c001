//! What the loadings of one server share, so that a reload does again only what has to be done again.

use super::bundle::{Bundle, Head, MAX_BUNDLE_BYTES, Part};
use super::seen::Seen;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

/// The parts of a bundle.
pub type Contents = BTreeMap<Part, Vec<u8>>;

/// Empty at the start. A server forgets it when it ends.
#[derive(Default)]
pub struct Kept {
    /// The components' hashes.
    pub seen: Seen,
    bundles: Seen<Opened>,
    /// The engine and its components.
    #[cfg(feature = "wasm")]
    pub wasm: super::wasm::Shared,
}

/// What is known of a bundle's file. That somebody vouches for it is not part of it: that is asked at every loading.
#[derive(Clone)]
pub struct Opened {
    /// Of the whole file.
    pub sha256: [u8; 32],
    /// Or why it is no bundle.
    pub head: Result<Arc<Head>, String>,
}

impl Kept {
    /// Opens a bundle, with its contents where it had to be read: where it may have changed.
    ///
    /// - `now_ms`: milliseconds since 1970
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn bundle(&self, path: &Path, now_ms: u64) -> io::Result<(Opened, Option<Contents>)> {
        self.bundles.look(path, now_ms, open)
    }
}

/// Reads a bundle whatever is known of it.
///
/// # Errors
/// When the file cannot be read.
pub fn read_bundle(path: &Path) -> io::Result<(Opened, Contents)> {
    open(&mut File::open(path)?)
}

fn open(file: &mut File) -> io::Result<(Opened, Contents)> {
    let mut bytes = Vec::new();
    // One byte more, so that what is too large is seen to be.
    file.take(MAX_BUNDLE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    let sha256 = Sha256::digest(&bytes).into();
    Ok(match Bundle::parse(&bytes).map(Bundle::into_parts) {
        Ok((head, contents)) => (Opened { sha256, head: Ok(Arc::new(head)) }, contents),
        Err(error) => (Opened { sha256, head: Err(error.to_string()) }, Contents::new()),
    })
}
