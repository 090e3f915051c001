//! One Wasm host for all loadings of a server's configuration: an engine reserves address space for all its instances, and
//! has its components decoded.

use super::cache::Folders;
use super::{PrivateDir, WasmHost};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The host of the last loading, if there was one.
#[derive(Default)]
pub struct Shared(Mutex<Option<Arc<WasmHost>>>);

impl Shared {
    /// The host for the next loading: the last one's, where that gives guests as much memory and has the same folders.
    ///
    /// - `memory_bytes`: of the plugin that may have the most
    /// - `cache`: where compiled components are kept
    /// - `known`: where they are looked for as well, and nothing is written to
    ///
    /// # Errors
    /// When the address space or a thread is not to be had.
    pub fn host(
        &self,
        memory_bytes: usize,
        cache: Option<PrivateDir>,
        known: Option<PrivateDir>,
    ) -> io::Result<Arc<WasmHost>> {
        let folders = Folders { known, cache };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = last.as_ref().filter(|host| host.memory_bytes == memory_bytes && host.folders == folders) {
            host.loaded.begin();
            return Ok(Arc::clone(host));
        }
        let host = Arc::new(WasmHost::with_folders(memory_bytes, folders)?);
        *last = Some(Arc::clone(&host));
        Ok(host)
    }
}
