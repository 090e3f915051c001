//! The host as a native plugin reaches it: every function is one `pintle_host.call`.

use super::Calls;
use crate::abi::{self, Buf, HostTable, Slice};
use crate::kinds::Host;
use crate::types::{Account, AccountVerdict, Attr, HttpRequest, HttpResponse, PluginError};
use crate::{method, wire};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use zeroize::Zeroizing;

/// The host during one call.
pub(super) struct NativeHost<'a> {
    /// Checked by `create`; the header: valid until `destroy` returns.
    table: *const HostTable,
    call_id: u64,
    calls: &'a Calls,
}

impl<'a> NativeHost<'a> {
    pub(super) fn new(table: *const HostTable, call_id: u64, calls: &'a Calls) -> Self {
        Self { table, call_id, calls }
    }

    fn ask<A: DeserializeOwned>(&self, method: u32, request: &impl Serialize) -> Result<A, PluginError> {
        // SAFETY: as `table` says.
        unsafe { ask(self.table, self.call_id, method, request) }
    }
}

/// One host function.
///
/// # Safety
/// `table` points to a table that `create` has checked.
pub(super) unsafe fn ask<A: DeserializeOwned>(
    table: *const HostTable,
    call_id: u64,
    method: u32,
    request: &impl Serialize,
) -> Result<A, PluginError> {
    let request = wire::encode(request).map_err(|error| PluginError::Internal(error.to_string()))?;
    let mut response = Buf::empty();
    // SAFETY: `create` checked the table; the slice and the buffer outlive the call.
    let status = unsafe {
        let table = &*table;
        let Some(call) = table.call else { return Err(PluginError::Internal("no host".to_owned())) };
        call(table.ctx, call_id, method, Slice::new(&request), &raw mut response)
    };
    // SAFETY: filled by one host call, not released.
    let answer = unsafe { response.take() };
    match status {
        abi::OK => parse(&answer),
        abi::ERROR => Err(parse(&answer)?),
        abi::UNSUPPORTED => Err(PluginError::Denied(format!("the server has no host function {method}"))),
        _ => Err(PluginError::Unavailable("the call is over".to_owned())),
    }
}

fn parse<A: DeserializeOwned>(answer: &[u8]) -> Result<A, PluginError> {
    let answer = if answer.is_empty() { b"null" } else { answer };
    serde_json::from_slice(answer).map_err(|error| PluginError::Internal(format!("the host's answer: {error}")))
}

impl Host for NativeHost<'_> {
    fn log(&self, level: u8, message: &str, fields: &[Attr]) {
        let line = wire::LogEmit { level, message: message.to_owned(), fields: fields.to_vec() };
        // A line that the host does not take is lost; there is nobody to tell.
        let _ = self.ask::<()>(method::LOG_EMIT, &line);
    }

    fn now_ms(&self) -> u64 {
        self.ask(method::CLOCK_NOW_MS, &json!({})).unwrap_or(0)
    }

    fn monotonic_ms(&self) -> u64 {
        self.ask(method::CLOCK_MONOTONIC_MS, &json!({})).unwrap_or(0)
    }

    fn random(&self, count: u32) -> Vec<u8> {
        match self.ask::<wire::Bytes>(method::RANDOM_BYTES, &wire::RandomBytes { count }) {
            Ok(bytes) if bytes.0.len() == count as usize => bytes.0,
            // The trait's promise. Caught at the C border.
            _ => std::panic::resume_unwind(Box::new("the host gave no random bytes")),
        }
    }

    fn config_json(&self) -> String {
        self.ask(method::CONFIG_JSON, &json!({})).unwrap_or_default()
    }

    fn cancelled(&self) -> bool {
        self.calls.cancelled(self.call_id)
    }

    fn kv_get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, PluginError> {
        let entry: Option<wire::KvEntry> = self.ask(method::KV_GET, &wire::KvGet { key: key.to_owned() })?;
        Ok(entry.map(|entry| (entry.value.0, entry.version)))
    }

    fn kv_put(&self, key: &str, value: &[u8], ttl_s: Option<u32>, if_version: Option<u64>) -> Result<u64, PluginError> {
        let request = wire::KvPut { key: key.to_owned(), value: wire::Bytes(value.to_vec()), ttl_s, if_version };
        self.ask(method::KV_PUT, &request)
    }

    fn kv_delete(&self, key: &str) -> Result<(), PluginError> {
        self.ask(method::KV_DELETE, &wire::KvDelete { key: key.to_owned() })
    }

    fn password_verify(&self, phc: &str, password: &[u8]) -> Result<bool, PluginError> {
        let request =
            wire::PasswordVerify { phc: phc.to_owned(), password: wire::Secret(Zeroizing::new(password.to_vec())) };
        self.ask(method::PASSWORD_VERIFY, &request)
    }

    fn sign(&self, key_id: &str, alg: &str, input: &[u8]) -> Result<Vec<u8>, PluginError> {
        let request = wire::Sign { key_id: key_id.to_owned(), alg: alg.to_owned(), input: wire::Bytes(input.to_vec()) };
        Ok(self.ask::<wire::Bytes>(method::SIGN, &request)?.0)
    }

    fn verify(&self, key_id: &str, alg: &str, input: &[u8], signature: &[u8]) -> Result<bool, PluginError> {
        let request = wire::VerifySignature {
            key_id: key_id.to_owned(),
            alg: alg.to_owned(),
            input: wire::Bytes(input.to_vec()),
            signature: wire::Bytes(signature.to_vec()),
        };
        self.ask(method::VERIFY_SIGNATURE, &request)
    }

    fn account_lookup(&self, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        let request = wire::AccountLookup { by: by.to_owned(), value: value.to_owned() };
        self.ask(method::ACCOUNT_LOOKUP, &request)
    }

    fn account_verify(&self, username: &str, password: &[u8]) -> Result<AccountVerdict, PluginError> {
        let request = wire::AccountVerify {
            username: username.to_owned(),
            password: wire::Secret(Zeroizing::new(password.to_vec())),
        };
        self.ask(method::ACCOUNT_VERIFY, &request)
    }

    fn secret(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, PluginError> {
        Ok(self.ask::<wire::Secret>(method::SECRET_GET, &wire::SecretGet { name: name.to_owned() })?.0)
    }

    fn http_send(&self, request: &HttpRequest) -> Result<HttpResponse, PluginError> {
        self.ask(method::HTTP_SEND, request)
    }
}
