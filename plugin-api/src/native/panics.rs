//! What is said of a panic: std's own hook would write the message to the server's stderr as it is.

use super::host::ask;
use crate::abi::HostTable;
use crate::{method, wire};
use std::cell::Cell;
use std::io::Write;
use std::panic::{self, PanicHookInfo};

const ERROR: u8 = 1;
/// Of a message on stderr; the host cuts what it logs.
const MAX_CHARS: usize = 2048;

thread_local! {
    /// The host, and the call, of what runs on this thread.
    static CURRENT: Cell<Option<(*const HostTable, u64)>> = const { Cell::new(None) };
}

/// Sets the hook of this library, whose std is its own: panics inside of calls go to the host's log, those of the plugin's
/// own threads to stderr with what would end a line or steer a terminal escaped.
pub(super) fn report() {
    panic::set_hook(Box::new(|panic| {
        if CURRENT.get().is_none_or(|(table, call_id)| !logged(table, call_id, panic)) {
            let message: String = message(panic).chars().take(MAX_CHARS).collect();
            // There is nobody else to tell.
            let _ = writeln!(std::io::stderr(), "a plugin panicked at {}: {message:?}", location(panic));
        }
    }));
}

/// Runs `work`, whose panics `table`'s log is told; `call_id` is 0 outside of a call.
///
/// # Safety
/// `table` points to a checked table for as long as this runs.
pub(super) unsafe fn told<T>(table: *const HostTable, call_id: u64, work: impl FnOnce() -> T) -> T {
    let _before = Before(CURRENT.replace(Some((table, call_id))));
    work()
}

/// What runs on this thread again afterwards, also when a panic passes by.
struct Before(Option<(*const HostTable, u64)>);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

fn logged(table: *const HostTable, call_id: u64, panic: &PanicHookInfo<'_>) -> bool {
    let message = format!("the plugin panicked: {}", message(panic));
    let line = wire::LogEmit { level: ERROR, message, fields: vec![("at".to_owned(), location(panic))] };
    // SAFETY: within `told`, on its thread.
    unsafe { ask::<()>(table, call_id, method::LOG_EMIT, &line) }.is_ok()
}

fn message<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("it said nothing")
}

fn location(panic: &PanicHookInfo<'_>) -> String {
    panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string)
}
