//! `include/pintle_plugin.h` in Rust: the structs that plugin and server share. The header says who owns what and which
//! thread may call what.

use std::ffi::c_void;

/// `PINTLE_MAGIC`.
pub const MAGIC: [u8; 8] = *b"PINTLE\0\0";
/// `PINTLE_ABI_MAJOR`.
pub const MAJOR: u16 = 1;
/// `PINTLE_ABI_MINOR`.
pub const MINOR: u16 = 0;
/// `PINTLE_THREADSAFE`, a bit of [`PluginTable::flags`].
pub const THREADSAFE: u32 = 1;
/// The exported symbol; its type is [`Entry`].
pub const ENTRY_SYMBOL: &str = "pintle_plugin_entry_v1";

/// `PINTLE_OK`: the buffer holds the answer.
pub const OK: i32 = 0;
/// `PINTLE_ERROR`: the buffer holds a `PluginError`, or from `create` and `VALIDATE_CONFIG` a list of strings.
pub const ERROR: i32 = 1;
/// `PINTLE_UNSUPPORTED`: the method is not known.
pub const UNSUPPORTED: i32 = 2;
/// `PINTLE_FATAL`: any number below 0 is.
pub const FATAL: i32 = -1;

/// `pintle_slice`: bytes of the caller's, valid until the function returns.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Slice {
    /// May be null when `len` is 0.
    pub ptr: *const u8,
    /// In bytes.
    pub len: usize,
}

impl Slice {
    /// Borrows `bytes`; the caller keeps them alive.
    #[must_use]
    pub const fn new(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes.
    ///
    /// # Safety
    /// `ptr` points to `len` readable bytes that nobody changes during `'a`, or `len` is 0.
    #[must_use]
    pub const unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.len == 0 {
            return &[];
        }
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

/// `pintle_buf`: bytes of the callee's, until the receiver releases them.
#[derive(Debug)]
#[repr(C)]
pub struct Buf {
    /// May be null when `len` is 0.
    pub ptr: *mut u8,
    /// In bytes.
    pub len: usize,
    /// For `release` alone.
    pub owner: *mut c_void,
    /// Called exactly once by the receiver, where it is not null.
    pub release: Option<unsafe extern "C" fn(*mut Buf)>,
}

impl Buf {
    /// No bytes: what a caller hands in.
    #[must_use]
    pub const fn empty() -> Self {
        Self { ptr: std::ptr::null_mut(), len: 0, owner: std::ptr::null_mut(), release: None }
    }

    /// Hands `bytes` over; they are freed by `release`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut bytes = Box::new(bytes);
        let (ptr, len) = (bytes.as_mut_ptr(), bytes.len());
        Self { ptr, len, owner: Box::into_raw(bytes).cast(), release: Some(release_vec) }
    }

    /// Copies the bytes and releases the buffer.
    ///
    /// # Safety
    /// The buffer was filled by one callee that keeps to the header, and was not released.
    #[must_use]
    pub unsafe fn take(mut self) -> Vec<u8> {
        // SAFETY: the caller's promise.
        let bytes = unsafe { Slice { ptr: self.ptr, len: self.len }.bytes() }.to_vec();
        if let Some(release) = self.release.take() {
            // SAFETY: the caller's promise; `self` is consumed, so it is the only time.
            unsafe { release(&raw mut self) };
        }
        bytes
    }
}

/// `release` of what [`Buf::new`] made. A buffer that was released is empty, and stays so.
unsafe extern "C" fn release_vec(buf: *mut Buf) {
    // SAFETY: `owner` is the box of `Buf::new` until the first call, and null from then on.
    unsafe {
        let owner = std::mem::replace(&mut *buf, Buf::empty()).owner.cast::<Vec<u8>>();
        if !owner.is_null() {
            drop(Box::from_raw(owner));
        }
    }
}

/// `pintle_host`.
#[derive(Debug)]
#[repr(C)]
pub struct HostTable {
    /// Of this struct, in bytes; nothing beyond it is read.
    pub size: u32,
    /// [`MAJOR`].
    pub major: u16,
    /// [`MINOR`].
    pub minor: u16,
    /// Handed back to `call`.
    pub ctx: *mut c_void,
    /// `(ctx, call_id, method, request, response)`; `call_id` 0 is outside of any call.
    pub call: Option<unsafe extern "C" fn(*mut c_void, u64, u32, Slice, *mut Buf) -> i32>,
}

/// `pintle_plugin.create`: `(host, config, instance, error)`.
pub type Create = unsafe extern "C" fn(*const HostTable, Slice, *mut *mut c_void, *mut Buf) -> i32;
/// `pintle_plugin.call`: `(instance, call_id, method, request, response)`.
pub type CallFn = unsafe extern "C" fn(*mut c_void, u64, u32, Slice, *mut Buf) -> i32;
/// `pintle_plugin.cancel`: `(instance, call_id)`.
pub type Cancel = unsafe extern "C" fn(*mut c_void, u64);
/// `pintle_plugin.destroy`.
pub type Destroy = unsafe extern "C" fn(*mut c_void);
/// `pintle_plugin_entry_v1`.
pub type Entry = unsafe extern "C" fn() -> *const PluginTable;

/// `pintle_plugin`. The functions are options because a library of somebody else's may have nulls there; only
/// [`PluginTable::cancel`] may be null.
#[derive(Debug)]
#[repr(C)]
pub struct PluginTable {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`MAJOR`].
    pub major: u16,
    /// [`MINOR`].
    pub minor: u16,
    /// Of this struct, in bytes; nothing beyond it is read.
    pub size: u32,
    /// [`THREADSAFE`] or 0.
    pub flags: u32,
    /// A `Manifest`.
    pub manifest_json: Slice,
    /// Makes an instance.
    pub create: Option<Create>,
    /// Answers a method of `crate::method`.
    pub call: Option<CallFn>,
    /// Asks for a soon return.
    pub cancel: Option<Cancel>,
    /// Ends an instance.
    pub destroy: Option<Destroy>,
}

// SAFETY: a table is static and never changes; its functions say themselves from which thread they may be called.
unsafe impl Sync for PluginTable {}
// SAFETY: as above.
unsafe impl Send for PluginTable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_gives_its_bytes_back_once() {
        // SAFETY: made here, taken once.
        assert_eq!(unsafe { Buf::new(b"abc".to_vec()).take() }, b"abc");
        // SAFETY: as above.
        assert_eq!(unsafe { Buf::empty().take() }, b"");
    }

    #[test]
    fn a_second_release_does_nothing() {
        let mut buffer = Buf::new(b"abc".to_vec());
        let release = buffer.release.unwrap();
        // SAFETY: made here; that the second call is harmless is what is tested.
        unsafe {
            release(&raw mut buffer);
            release(&raw mut buffer);
        }
        assert!(buffer.ptr.is_null() && buffer.len == 0);
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn the_layout_is_the_headers() {
        assert_eq!(std::mem::size_of::<Slice>(), 16);
        assert_eq!(std::mem::size_of::<Buf>(), 32);
        assert_eq!(std::mem::size_of::<HostTable>(), 24);
        assert_eq!(std::mem::offset_of!(PluginTable, manifest_json), 24);
        assert_eq!(std::mem::size_of::<PluginTable>(), 72);
    }

    #[test]
    fn the_header_has_the_same_numbers() {
        let header = include_str!("../include/pintle_plugin.h");
        let defines = |name: &str, value: String| {
            header.lines().any(|line| {
                let mut words = line.split_whitespace();
                words.next() == Some("#define") && words.next() == Some(name) && words.next() == Some(value.as_str())
            })
        };
        for (name, number) in crate::method::NAMED {
            assert!(defines(name, format!("{number}u")), "{name} is not {number}");
        }
        assert!(defines("PINTLE_ABI_MAJOR", MAJOR.to_string()));
        assert!(defines("PINTLE_ABI_MINOR", MINOR.to_string()));
        assert!(defines("PINTLE_UNSUPPORTED", UNSUPPORTED.to_string()));
    }
}
