//! The native packaging: `include/pintle_plugin.h` on top of the Rust traits. Panics end here, as a fatal status.

#[cfg(panic = "abort")]
compile_error!("a native plugin needs panic = \"unwind\": an abort would take the server with it");

use crate::abi::{self, Buf, HostTable, PluginTable, Slice};
use crate::kinds::{Call, Plugin};
use crate::linked::Exports;
use crate::types::{CallContext, PluginError};
use crate::{method, wire};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError};

mod host;
mod panics;
use host::NativeHost;

/// The table of `P`, kept in `table`; null where it cannot be made.
pub fn entry<P: Plugin + Exports>(table: &'static OnceLock<PluginTable>) -> *const PluginTable {
    catch_unwind(|| std::ptr::from_ref(table.get_or_init(plugin_table::<P>))).unwrap_or(std::ptr::null())
}

fn plugin_table<P: Plugin + Exports>() -> PluginTable {
    panics::report();
    let manifest = P::manifest();
    let json = serde_json::to_vec(&manifest).unwrap_or_default();
    PluginTable {
        magic: abi::MAGIC,
        major: abi::MAJOR,
        minor: abi::MINOR,
        size: size_of::<PluginTable>() as u32,
        flags: if manifest.thread_safe { abi::THREADSAFE } else { 0 },
        manifest_json: Slice::new(json.leak()),
        create: Some(create::<P>),
        call: Some(call::<P>),
        cancel: Some(cancel::<P>),
        destroy: Some(destroy::<P>),
    }
}

/// What the host holds as `void *`.
struct Instance<P> {
    plugin: P,
    host: *const HostTable,
    calls: Calls,
}

/// The calls that are being answered, and whether each was cancelled.
#[derive(Default)]
struct Calls(Mutex<BTreeMap<u64, bool>>);

impl Calls {
    fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<u64, bool>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&self, id: u64) {
        self.with(|calls| calls.insert(id, false));
    }

    fn end(&self, id: u64) {
        self.with(|calls| calls.remove(&id));
    }

    fn cancel(&self, id: u64) {
        self.with(|calls| calls.get_mut(&id).map(|cancelled| *cancelled = true));
    }

    fn cancelled(&self, id: u64) -> bool {
        self.with(|calls| calls.get(&id).copied().unwrap_or(false))
    }
}

unsafe extern "C" fn create<P: Plugin + Exports>(
    host: *const HostTable,
    config: Slice,
    instance: *mut *mut c_void,
    error: *mut Buf,
) -> i32 {
    // SAFETY: the header's promises about the arguments of `create`.
    let made = catch_unwind(|| unsafe {
        check_host(host)?;
        let config = std::str::from_utf8(config.bytes()).map_err(|_| vec!["config: not UTF-8".to_owned()])?;
        panics::told(host, 0, || P::create(config))
    });
    match made {
        Ok(Ok(plugin)) => {
            let boxed = Box::new(Instance { plugin, host, calls: Calls::default() });
            // SAFETY: the header: `instance` is where to put it.
            unsafe { *instance = Box::into_raw(boxed).cast() };
            abi::OK
        }
        // SAFETY: the header: `error` is an empty buffer.
        Ok(Err(faults)) => unsafe { answer(error, abi::ERROR, &faults) },
        Err(_) => abi::FATAL,
    }
}

/// # Safety
/// `host` is null or points to a table of at least the size that it says.
unsafe fn check_host(host: *const HostTable) -> Result<(), Vec<String>> {
    let refuse = |why: &str| Err(vec![format!("the server's C interface: {why}")]);
    // SAFETY: the caller's promise.
    let Some(table) = (unsafe { host.as_ref() }) else { return refuse("no host") };
    if table.major != abi::MAJOR {
        return refuse("another major version");
    }
    if (table.size as usize) < size_of::<HostTable>() || table.call.is_none() {
        return refuse("an incomplete host");
    }
    Ok(())
}

unsafe extern "C" fn call<P: Plugin + Exports>(
    instance: *mut c_void,
    call_id: u64,
    method: u32,
    request: Slice,
    response: *mut Buf,
) -> i32 {
    // SAFETY: the header: `instance` is from `create` and not destroyed, `request` is readable.
    let (instance, request) = unsafe { (&*instance.cast::<Instance<P>>(), request.bytes()) };
    instance.calls.begin(call_id);
    let host = NativeHost::new(instance.host, call_id, &instance.calls);
    let dispatched = || dispatch(&instance.plugin, &host, method, request);
    // SAFETY: `create` checked the table; the header: valid until `destroy` returns.
    let answered = catch_unwind(AssertUnwindSafe(|| unsafe { panics::told(instance.host, call_id, dispatched) }));
    instance.calls.end(call_id);
    match answered {
        // SAFETY: the header: `response` is an empty buffer.
        Ok(Answer { status, json }) => unsafe {
            *response = Buf::new(json);
            status
        },
        Err(_) => abi::FATAL,
    }
}

unsafe extern "C" fn cancel<P>(instance: *mut c_void, call_id: u64) {
    // SAFETY: the header: `instance` is from `create` and not destroyed.
    let instance = unsafe { &*instance.cast::<Instance<P>>() };
    instance.calls.cancel(call_id);
}

unsafe extern "C" fn destroy<P>(instance: *mut c_void) {
    // SAFETY: the header: called once, with no call running.
    let instance = unsafe { Box::from_raw(instance.cast::<Instance<P>>()) };
    // A plugin whose drop panics leaks what it had left.
    // SAFETY: as in `call`; `destroy` has not returned.
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe { panics::told(instance.host, 0, || drop(instance)) }));
}

/// A status and what goes with it.
struct Answer {
    status: i32,
    json: Vec<u8>,
}

impl Answer {
    fn new(status: i32, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => Self { status, json },
            Err(_) => Self { status: abi::FATAL, json: Vec::new() },
        }
    }

    fn unsupported() -> Self {
        Self { status: abi::UNSUPPORTED, json: Vec::new() }
    }
}

fn dispatch<P: Plugin + Exports>(plugin: &P, host: &NativeHost<'_>, number: u32, request: &[u8]) -> Answer {
    match number {
        method::VALIDATE_CONFIG => validate_config::<P>(request),
        method::HEALTH => ask(request, |q: wire::Health| Plugin::health(plugin, &call_of(&q.ctx, host))),
        method::VERIFY_USER => match plugin.user_verifier() {
            Some(kind) => ask(request, |q: wire::VerifyUser| kind.verify(&call_of(&q.ctx, host), &q.request)),
            None => Answer::unsupported(),
        },
        method::EVALUATE_SCOPE => match plugin.scope_policy() {
            Some(kind) => ask(request, |q: wire::EvaluateScope| kind.evaluate(&call_of(&q.ctx, host), &q.request)),
            None => Answer::unsupported(),
        },
        method::ISSUE_TOKEN => match plugin.token_format() {
            Some(kind) => {
                ask(request, |q: wire::IssueToken| kind.issue(&call_of(&q.ctx, host), &q.claims_json, &q.key_id))
            }
            None => Answer::unsupported(),
        },
        method::VALIDATE_TOKEN => match plugin.token_format() {
            Some(kind) => ask(request, |q: wire::ValidateToken| kind.validate(&call_of(&q.ctx, host), &q.token)),
            None => Answer::unsupported(),
        },
        method::LOOKUP_ACCOUNT => match plugin.directory() {
            Some(kind) => ask(request, |q: wire::LookupAccount| kind.lookup(&call_of(&q.ctx, host), &q.by, &q.value)),
            None => Answer::unsupported(),
        },
        method::ENRICH_CLAIMS => match plugin.claims() {
            Some(kind) => ask(request, |q: wire::EnrichClaims| {
                kind.enrich(&call_of(&q.ctx, host), &q.account, &q.scopes, &q.target)
            }),
            None => Answer::unsupported(),
        },
        method::PULL_ACCOUNTS => match plugin.account_source() {
            Some(kind) => {
                ask(request, |q: wire::PullAccounts| kind.pull(&call_of(&q.ctx, host), q.cursor.as_deref(), q.limit))
            }
            None => Answer::unsupported(),
        },
        method::DELIVER_EVENTS => match plugin.event_sink() {
            Some(kind) => ask(request, |q: wire::DeliverEvents| kind.deliver(&call_of(&q.ctx, host), &q.batch)),
            None => Answer::unsupported(),
        },
        method::GRANT_TYPES => match plugin.extension_grant() {
            Some(kind) => ask(request, |_: wire::GrantTypes| Ok(kind.grant_types())),
            None => Answer::unsupported(),
        },
        method::EXCHANGE => match plugin.extension_grant() {
            Some(kind) => {
                ask(request, |q: wire::Exchange| kind.exchange(&call_of(&q.ctx, host), &q.grant_type, &q.params))
            }
            None => Answer::unsupported(),
        },
        _ => Answer::unsupported(),
    }
}

fn call_of<'a>(context: &'a CallContext, host: &'a NativeHost<'a>) -> Call<'a> {
    Call { context, host }
}

fn validate_config<P: Plugin>(request: &[u8]) -> Answer {
    let checked = match serde_json::from_slice::<wire::ValidateConfig>(request) {
        Ok(request) => P::create(&request.json).map(drop),
        Err(error) => Err(vec![format!("the request is not readable: {error}")]),
    };
    match checked {
        Ok(()) => Answer::new(abi::OK, &()),
        Err(faults) => Answer::new(abi::ERROR, &faults),
    }
}

fn ask<Q: DeserializeOwned, A: Serialize>(request: &[u8], answer: impl FnOnce(Q) -> Result<A, PluginError>) -> Answer {
    let answered = match serde_json::from_slice(request) {
        Ok(request) => answer(request),
        Err(error) => Err(PluginError::Invalid(format!("the request is not readable: {error}"))),
    };
    match answered {
        Ok(value) => Answer::new(abi::OK, &value),
        Err(error) => Answer::new(abi::ERROR, &error),
    }
}

/// # Safety
/// `buffer` points to a buffer of the caller's.
unsafe fn answer(buffer: *mut Buf, status: i32, value: &impl Serialize) -> i32 {
    let Answer { status, json } = Answer::new(status, value);
    // SAFETY: the caller's promise.
    unsafe { *buffer = Buf::new(json) };
    status
}

#[cfg(test)]
mod tests;
