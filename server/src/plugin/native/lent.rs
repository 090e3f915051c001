//! The host's answers in a library's hands. Each is known by a number until it is released, so that a second release finds
//! nothing instead of freeing what is freed.

use pintle_plugin_api::abi::Buf;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

static LENT: Mutex<BTreeMap<usize, Vec<u8>>> = Mutex::new(BTreeMap::new());
/// 0 is the owner of an empty buffer.
static NEXT: AtomicUsize = AtomicUsize::new(1);

/// Lends `bytes` to a plugin until it calls `release`.
pub(super) fn lend(mut bytes: Vec<u8>) -> Buf {
    if bytes.is_empty() {
        return Buf::empty();
    }
    let (ptr, len) = (bytes.as_mut_ptr(), bytes.len());
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    LENT.lock().unwrap_or_else(PoisonError::into_inner).insert(number, bytes);
    Buf { ptr, len, owner: std::ptr::without_provenance_mut(number), release: Some(release) }
}

/// `pintle_buf.release` of the host's answers. The plugin promises a readable buffer.
unsafe extern "C" fn release(buffer: *mut Buf) {
    // SAFETY: the plugin's promise.
    let Some(buffer) = (unsafe { buffer.as_mut() }) else { return };
    let owner = std::mem::replace(buffer, Buf::empty()).owner.addr();
    let lent = LENT.lock().unwrap_or_else(PoisonError::into_inner).remove(&owner);
    if lent.is_none() {
        tracing::warn!(target: "pintle::plugin", "a native plugin has released one of the server's buffers twice");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_or_a_copy_of_it_is_released_once() {
        let mut buffer = lend(b"answer".to_vec());
        let mut copy = Buf { ptr: buffer.ptr, len: buffer.len, owner: buffer.owner, release: buffer.release };
        let held = || LENT.lock().unwrap().contains_key(&copy.owner.addr());
        assert!(held());
        // SAFETY: buffers that live here.
        unsafe {
            release(&raw mut buffer);
            assert!(!held());
            release(&raw mut buffer);
            release(&raw mut copy);
            release(std::ptr::null_mut());
        }
    }
}
