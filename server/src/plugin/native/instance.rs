//! One instance of a native plugin: the only place that calls into a library.

use super::host_call::Registered;
use super::library::{Release, Table, may_unwind};
use super::workers::Workers;
use crate::plugin::host::{CallHost, PluginHost};
use crate::plugin::limits::MAX_PAYLOAD_BYTES;
use pintle_plugin_api::abi::{self, Buf, Slice};
use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// A status of ours: the answer was too large to be taken.
pub(super) const TOO_LARGE: i32 = i32::MAX;

/// A plugin's `void *`. The header lets the server use it on any thread.
#[derive(Clone, Copy)]
struct Raw(*mut c_void);

// SAFETY: the header: "consecutive calls may be on different threads", `cancel` on any.
unsafe impl Send for Raw {}
// SAFETY: calls at once are made only where the plugin says THREADSAFE (`turn`); `cancel` may come during a call.
unsafe impl Sync for Raw {}

/// A status and the bytes that came with it.
pub(super) struct Reply {
    pub(super) status: i32,
    pub(super) bytes: Vec<u8>,
}

/// How long `destroy` may take before it counts as lost.
const DESTROY_TIMEOUT: Duration = Duration::from_secs(10);

/// An instance; destroyed when its last call has returned and nobody else holds it.
pub(super) struct Instance {
    table: Table,
    raw: Raw,
    host: Option<Registered>,
    workers: Arc<Workers>,
    /// Given back when `destroy` has returned.
    place: Option<OwnedSemaphorePermit>,
    /// One permit, or many for a plugin that says THREADSAFE. Closed once the instance must not be called any more.
    pub(super) turn: Arc<Semaphore>,
}

impl Instance {
    /// Calls `create`. To be called on a thread of the plugin's.
    ///
    /// - `workers`: destroys it
    /// - `place`: among the plugin's instances
    ///
    /// # Errors
    /// The status and the bytes of `err`.
    pub(super) fn create(
        table: Table,
        plugin: Arc<PluginHost>,
        runtime: Handle,
        workers: Arc<Workers>,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, Reply> {
        let host = Registered::new(Arc::clone(&plugin), runtime);
        let (mut instance, mut error) = (std::ptr::null_mut(), Buf::empty());
        let config = Slice::new(plugin.config_json().as_bytes());
        // SAFETY: the table was checked; the host's lives for ever, config and the two places until the return.
        let status = unsafe { (table.create)(host.table(), config, &raw mut instance, &raw mut error) };
        let bytes = take(error);
        if status != abi::OK {
            return Err(Reply { status, bytes: bytes.unwrap_or_default() });
        }
        let turns = if table.thread_safe { Semaphore::MAX_PERMITS } else { 1 };
        let (host, place, turn) = (Some(host), Some(place), Arc::new(Semaphore::new(turns)));
        Ok(Self { table, raw: Raw(instance), host, workers, place, turn })
    }

    /// Calls a method. To be called on a thread of the plugin's, by who has a permit of `turn`.
    pub(super) fn call(&self, call_id: u64, method: u32, request: &[u8], host: Arc<CallHost>) -> Reply {
        let _calling = self.host.as_ref().map(|registered| registered.begin(call_id, host));
        let mut response = Buf::empty();
        // SAFETY: the instance lives; request and response outlive the call, as this frame does, however long it takes.
        let status = unsafe { (self.table.call)(self.raw.0, call_id, method, Slice::new(request), &raw mut response) };
        match take(response) {
            Some(bytes) => Reply { status, bytes },
            None => Reply { status: TOO_LARGE, bytes: Vec::new() },
        }
    }

    /// Calls `cancel`, where the plugin has one. To be called on a thread of the plugin's.
    pub(super) fn cancel(&self, call_id: u64) {
        if let Some(cancel) = self.table.cancel {
            // SAFETY: the instance lives, and `cancel` may come at any time for any call.
            unsafe { cancel(self.raw.0, call_id) };
        }
    }
}

/// The bytes of a plugin's buffer, which is released; none where it is too large to be copied.
fn take(mut buffer: Buf) -> Option<Vec<u8>> {
    // SAFETY: filled by one callee; what the header says of a slice holds for a buffer.
    let bytes = (buffer.len <= MAX_PAYLOAD_BYTES)
        .then(|| unsafe { Slice { ptr: buffer.ptr, len: buffer.len }.bytes() }.to_vec());
    // Also of one that was not copied: `release` goes by `owner`, as the header says.
    if let Some(release) = buffer.release.take() {
        // SAFETY: as above; the buffer is consumed here, so it is the only time.
        unsafe { may_unwind::<_, Release>(release)(&raw mut buffer) };
    }
    bytes
}

impl Drop for Instance {
    /// `destroy` may take its time: a thread of the plugin's runs it. Where none is to be had, the instance is leaked.
    fn drop(&mut self) {
        let (raw, destroy, kept) = (self.raw, self.table.destroy, (self.host.take(), self.place.take()));
        let run = move || {
            let raw = raw;
            // SAFETY: nobody holds the instance, so no call is running and none will come; once only, by this drop.
            unsafe { destroy(raw.0) };
            drop(kept);
        };
        if let Err(error) = self.workers.leave(run, Instant::now() + DESTROY_TIMEOUT) {
            tracing::error!(%error, "a native plugin's instance was not destroyed");
        }
    }
}
