//! What the loadings of one server share, so that a reload does again only what has to be done again.

use super::seen::Seen;

/// Empty at the start. A server forgets it when it ends.
#[derive(Default)]
pub struct Kept {
    /// The files' hashes.
    pub seen: Seen,
    /// The engine and its components.
    #[cfg(feature = "wasm")]
    pub wasm: super::wasm::Shared,
}
