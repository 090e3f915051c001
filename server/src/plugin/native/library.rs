//! A library on its way into the process: hashed, copied to a private folder, opened for good, its table checked.

use crate::plugin::private_dir::{PrivateDir, sha256_hex};
use libloading::os::unix::{Library as Opened, RTLD_LOCAL, RTLD_NOW};
use pintle_plugin_api::Manifest;
use pintle_plugin_api::abi::{self, Buf, HostTable, PluginTable, Slice};
use std::ffi::c_void;
use std::mem::ManuallyDrop;

/// The largest manifest, in bytes.
const MAX_MANIFEST_BYTES: usize = 64 * 1024;

// The table's functions as they are called here: a library may break the header's rule that nothing unwinds out of them.
type Entry = unsafe extern "C-unwind" fn() -> *const PluginTable;
type Create = unsafe extern "C-unwind" fn(*const HostTable, Slice, *mut *mut c_void, *mut Buf) -> i32;
type CallFn = unsafe extern "C-unwind" fn(*mut c_void, u64, u32, Slice, *mut Buf) -> i32;
type Cancel = unsafe extern "C-unwind" fn(*mut c_void, u64);
type Destroy = unsafe extern "C-unwind" fn(*mut c_void);
/// `pintle_buf.release`.
pub(super) type Release = unsafe extern "C-unwind" fn(*mut Buf);

/// The same function, as one that may unwind.
///
/// # Safety
/// The types differ in nothing but `extern "C"` and `extern "C-unwind"`.
pub(super) unsafe fn may_unwind<F: Copy, U: Copy>(function: F) -> U {
    const { assert!(size_of::<F>() == size_of::<U>()) };
    // SAFETY: the caller's promise; the two have one calling convention (RFC 2945 of Rust).
    unsafe { std::mem::transmute_copy(&function) }
}

/// What a checked table offers. The library stays in the process for as long as it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) create: Create,
    pub(super) call: CallFn,
    pub(super) cancel: Option<Cancel>,
    pub(super) destroy: Destroy,
    /// Several calls of one instance may run at once.
    pub(super) thread_safe: bool,
}

/// Opens the library of these bytes, whose hash the operator has named. Runs the library's initializers and its entry: to be
/// called on a thread of the plugin's.
///
/// - `sha256`: hex, of the entry in the config
///
/// # Errors
/// What is wrong with it.
pub(super) fn open(bytes: &[u8], sha256: &str, folder: &PrivateDir) -> Result<(Table, Manifest), String> {
    let found = sha256_hex(bytes);
    if !found.eq_ignore_ascii_case(sha256) {
        return Err(format!("its sha256 is {found}, the entry says {sha256}"));
    }
    let name = format!("{found}.plugin");
    let path = match folder.read(&name) {
        Ok(Some(copy)) if copy == bytes => folder.path(&name),
        _ => folder.write(&name, bytes).map_err(|error| format!("it cannot be copied to a private folder: {error}"))?,
    };
    // SAFETY: the operator vouches for these bytes by their hash; the copy is one that only this user can write.
    let library = unsafe { Opened::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|error| format!("the system's loader refuses it: {error}"))?;
    // Never closed: threads and thread-local destructors of the library may outlive every instance, and what its entry
    // throws is of the library's own type.
    let library = ManuallyDrop::new(library);
    check(entry(&library)?)
}

fn entry(library: &Opened) -> Result<*const PluginTable, String> {
    // SAFETY: the symbol's type is the header's; whoever exports the name promises it.
    let entry = unsafe { library.get::<Entry>(abi::ENTRY_SYMBOL) }
        .map_err(|_| format!("it does not export `{}`", abi::ENTRY_SYMBOL))?;
    // SAFETY: as above.
    let table = unsafe { entry() };
    if table.is_null() { Err("it says that it cannot run here".to_owned()) } else { Ok(table) }
}

/// The start of every table, whatever its version.
#[repr(C)]
#[derive(Clone, Copy)]
struct Head {
    magic: [u8; 8],
    major: u16,
    minor: u16,
    size: u32,
}

fn check(table: *const PluginTable) -> Result<(Table, Manifest), String> {
    // SAFETY: not null, and every table starts with these 16 bytes.
    let head = unsafe { table.cast::<Head>().read_unaligned() };
    if head.magic != abi::MAGIC {
        return Err("its table does not start with the magic of a plugin".to_owned());
    }
    if head.major != abi::MAJOR {
        return Err(format!("it has version {}.{} of the ABI, this server {}", head.major, head.minor, abi::MAJOR));
    }
    if (head.size as usize) < size_of::<PluginTable>() {
        return Err(format!("its table has {} bytes, {} are needed", head.size, size_of::<PluginTable>()));
    }
    // SAFETY: magic and version are right and the plugin says that there are at least this many bytes.
    let table = unsafe { table.read_unaligned() };
    let (Some(create), Some(call), Some(destroy)) = (table.create, table.call, table.destroy) else {
        return Err("its table lacks create, call or destroy".to_owned());
    };
    let thread_safe = table.flags & abi::THREADSAFE != 0;
    // SAFETY: the types above are those of `abi`.
    let checked = unsafe {
        let cancel = table.cancel.map(|cancel| may_unwind(cancel));
        Table { create: may_unwind(create), call: may_unwind(call), cancel, destroy: may_unwind(destroy), thread_safe }
    };
    Ok((checked, manifest(&table)?))
}

fn manifest(table: &PluginTable) -> Result<Manifest, String> {
    if table.manifest_json.len > MAX_MANIFEST_BYTES {
        return Err(format!("its manifest has {} bytes, at most {MAX_MANIFEST_BYTES}", table.manifest_json.len));
    }
    // SAFETY: the header demands a slice that is valid for as long as the process lives.
    let json = unsafe { table.manifest_json.bytes() };
    serde_json::from_slice(json).map_err(|error| format!("its manifest is faulty: {error}"))
}
