//! The way back: what `pintle_host.call` does.

use super::lent::lend;
use crate::plugin::host::{CallHost, PluginHost};
use crate::plugin::limits::MAX_PAYLOAD_BYTES;
use pintle_plugin_api::abi::{self, Buf, HostTable, Slice};
use pintle_plugin_api::wire::{
    AccountLookup, AccountVerify, Bytes, KvDelete, KvEntry, KvGet, KvPut, LogEmit, PasswordVerify, RandomBytes, Secret,
    SecretGet, Sign, VerifySignature,
};
use pintle_plugin_api::{PluginError, method};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::runtime::Handle;

/// What one instance reaches through its `pintle_host`.
struct HostContext {
    plugin: Arc<PluginHost>,
    runtime: Handle,
    calls: Mutex<BTreeMap<u64, Arc<CallHost>>>,
}

/// Every living instance's context by the number that is its `ctx`: a number, so that a plugin that calls back after its
/// `destroy` gets an error and not freed memory.
static CONTEXTS: RwLock<BTreeMap<usize, Arc<HostContext>>> = RwLock::new(BTreeMap::new());
static NEXT_CONTEXT: AtomicUsize = AtomicUsize::new(1);

/// A registered context; ends with its drop.
pub(super) struct Registered {
    number: usize,
    context: Arc<HostContext>,
}

impl Registered {
    pub(super) fn new(plugin: Arc<PluginHost>, runtime: Handle) -> Self {
        let number = NEXT_CONTEXT.fetch_add(1, Ordering::Relaxed);
        let context = Arc::new(HostContext { plugin, runtime, calls: Mutex::default() });
        CONTEXTS.write().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::clone(&context));
        Self { number, context }
    }

    /// The table to hand out. Leaked, 24 bytes an instance: a plugin's stray thread may read it at any time.
    pub(super) fn table(&self) -> &'static HostTable {
        Box::leak(Box::new(HostTable {
            size: size_of::<HostTable>() as u32,
            major: abi::MAJOR,
            minor: abi::MINOR,
            ctx: std::ptr::without_provenance_mut(self.number),
            call: Some(call),
        }))
    }

    /// Answers host calls under `call_id` until the returned value is dropped.
    pub(super) fn begin(&self, call_id: u64, host: Arc<CallHost>) -> Calling {
        self.context.calls.lock().unwrap_or_else(PoisonError::into_inner).insert(call_id, host);
        Calling { context: Arc::clone(&self.context), call_id }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        CONTEXTS.write().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// A `call_id` that is in use.
pub(super) struct Calling {
    context: Arc<HostContext>,
    call_id: u64,
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.context.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.call_id);
    }
}

/// How a host call ended other than with an answer.
enum Refusal {
    Error(PluginError),
    Unsupported,
    Over,
}

impl From<PluginError> for Refusal {
    fn from(error: PluginError) -> Self {
        Self::Error(error)
    }
}

/// `pintle_host.call`. The plugin promises a readable `request` and a writable `response`.
unsafe extern "C" fn call(ctx: *mut c_void, call_id: u64, method: u32, request: Slice, response: *mut Buf) -> i32 {
    // SAFETY: the header says so of `request` and its length; a too long one is not looked at.
    let answer = catch_unwind(AssertUnwindSafe(|| unsafe { answer(ctx.addr(), call_id, method, request) }));
    let (status, bytes) = match answer {
        Ok(Ok(bytes)) => (abi::OK, bytes),
        Ok(Err(Refusal::Error(error))) => (abi::ERROR, serde_json::to_vec(&error).unwrap_or_default()),
        Ok(Err(Refusal::Unsupported)) => (abi::UNSUPPORTED, Vec::new()),
        Ok(Err(Refusal::Over)) | Err(_) => (abi::FATAL, Vec::new()),
    };
    if !response.is_null() {
        // SAFETY: not null, and the header demands a zeroed buffer there.
        unsafe { response.write(lend(bytes)) };
    }
    status
}

/// # Safety
/// `request` is readable for its whole length.
unsafe fn answer(number: usize, call_id: u64, method: u32, request: Slice) -> Result<Vec<u8>, Refusal> {
    let context = CONTEXTS.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
    let context = context.ok_or(Refusal::Over)?;
    if request.len > MAX_PAYLOAD_BYTES {
        return Err(PluginError::Invalid(format!("a request of {} bytes", request.len)).into());
    }
    // SAFETY: the caller's promise.
    let request = unsafe { request.bytes() };
    let call = context.calls.lock().unwrap_or_else(PoisonError::into_inner).get(&call_id).cloned();
    match call {
        Some(call) if call.is_closed() => Err(Refusal::Over),
        None if call_id != 0 => Err(Refusal::Over),
        call => dispatch(&context, call.as_deref(), method, request),
    }
}

fn dispatch(context: &HostContext, call: Option<&CallHost>, number: u32, request: &[u8]) -> Result<Vec<u8>, Refusal> {
    match number {
        method::LOG_EMIT => {
            let LogEmit { level, message, fields } = read(request)?;
            match call {
                Some(call) => call.log(level, &message, &fields),
                None => context.plugin.log("", level, &message, &fields),
            }
            write(&())
        }
        method::CLOCK_NOW_MS => write(&context.plugin.now_ms()),
        method::CLOCK_MONOTONIC_MS => write(&context.plugin.monotonic_ms()),
        method::RANDOM_BYTES => {
            let RandomBytes { count } = read(request)?;
            write(&Bytes(context.plugin.random(count)?))
        }
        method::CONFIG_JSON => write(context.plugin.config_json()),
        _ => match call {
            Some(call) => during(&context.runtime, call, number, request),
            None => Err(PluginError::Denied("outside of a call".to_owned()).into()),
        },
    }
}

fn during(runtime: &Handle, call: &CallHost, number: u32, request: &[u8]) -> Result<Vec<u8>, Refusal> {
    match number {
        method::KV_GET => {
            let KvGet { key } = read(request)?;
            let entry = runtime.block_on(call.unless_over(call.kv_get(&key)))?;
            write(&entry.map(|(value, version)| KvEntry { value: Bytes(value), version }))
        }
        method::KV_PUT => {
            let KvPut { key, value, ttl_s, if_version } = read(request)?;
            write(&runtime.block_on(call.unless_over(call.kv_put(&key, value.0, ttl_s, if_version)))?)
        }
        method::KV_DELETE => {
            let KvDelete { key } = read(request)?;
            runtime.block_on(call.unless_over(call.kv_delete(&key)))?;
            write(&())
        }
        method::PASSWORD_VERIFY => {
            let PasswordVerify { phc, password } = read(request)?;
            write(&runtime.block_on(call.unless_over(call.password_verify(&phc, &password.0)))?)
        }
        method::SIGN => {
            let Sign { key_id, alg, input } = read(request)?;
            write(&Bytes(call.sign(&key_id, &alg, &input.0)?))
        }
        method::VERIFY_SIGNATURE => {
            let VerifySignature { key_id, alg, input, signature } = read(request)?;
            write(&call.verify(&key_id, &alg, &input.0, &signature.0)?)
        }
        method::ACCOUNT_LOOKUP => {
            let AccountLookup { by, value } = read(request)?;
            write(&runtime.block_on(call.unless_over(call.account_lookup(&by, &value)))?)
        }
        method::ACCOUNT_VERIFY => {
            let AccountVerify { username, password } = read(request)?;
            write(&runtime.block_on(call.unless_over(call.account_verify(&username, &password.0)))?)
        }
        method::SECRET_GET => {
            let SecretGet { name } = read(request)?;
            write(&Secret(call.secret(&name)?))
        }
        method::HTTP_SEND => write(&runtime.block_on(call.unless_over(call.http_send(read(request)?)))?),
        _ => Err(Refusal::Unsupported),
    }
}

/// Not the error's text: it may quote a password.
fn read<T: DeserializeOwned>(request: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(request)
        .map_err(|_| Refusal::Error(PluginError::Invalid("the request is not of the contract's form".to_owned())))
}

fn write<T: Serialize + ?Sized>(answer: &T) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(answer).map_err(|error| Refusal::Error(PluginError::Internal(error.to_string())))
}
