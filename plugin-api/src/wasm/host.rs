//! The host as a component reaches it: its imports. What the plugin does not want is not imported, as the calls to it
//! are compiled away.

use super::lifecycle::pintle::plugin::{accounts, clock, config, crypto, http, kv, log, random, secrets};
use crate::kinds::{Host, Plugin};
use crate::types::{Account, AccountVerdict, Attr, HttpRequest, HttpResponse, PluginError};
use std::marker::PhantomData;
use zeroize::Zeroizing;

/// The host for `P`.
pub(super) struct WasmHost<P>(PhantomData<P>);

impl<P> Default for WasmHost<P> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// Whether `wants` has `interface`.
const fn has(wants: &[&str], interface: &str) -> bool {
    let mut at = 0;
    while at < wants.len() {
        if same(wants[at].as_bytes(), interface.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    let mut at = 0;
    while at < left.len() && at < right.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    left.len() == right.len()
}

/// Calls the import, if the plugin wants its interface.
macro_rules! wanted {
    ($interface:literal, $call:expr) => {
        if const { has(P::WANTS, $interface) } {
            $call.map_err(PluginError::from)
        } else {
            Err(PluginError::Denied(concat!($interface, " is not among the plugin's WANTS").to_owned()))
        }
    };
}

impl<P: Plugin> Host for WasmHost<P> {
    fn log(&self, level: u8, message: &str, fields: &[Attr]) {
        log::emit(level, message, fields);
    }

    fn now_ms(&self) -> u64 {
        clock::now_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        clock::monotonic_ms()
    }

    fn random(&self, count: u32) -> Vec<u8> {
        let bytes = random::bytes(count);
        if bytes.len() != count as usize {
            // The trait's promise: a trap ends this call and nothing else.
            std::process::abort();
        }
        bytes
    }

    fn config_json(&self) -> String {
        config::json()
    }

    fn kv_get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, PluginError> {
        wanted!("kv", kv::get(key))
    }

    fn kv_put(&self, key: &str, value: &[u8], ttl_s: Option<u32>, if_version: Option<u64>) -> Result<u64, PluginError> {
        wanted!("kv", kv::put(key, value, ttl_s, if_version))
    }

    fn kv_delete(&self, key: &str) -> Result<(), PluginError> {
        wanted!("kv", kv::delete(key))
    }

    fn password_verify(&self, phc: &str, password: &[u8]) -> Result<bool, PluginError> {
        wanted!("crypto", crypto::password_verify(phc, password))
    }

    fn sign(&self, key_id: &str, alg: &str, input: &[u8]) -> Result<Vec<u8>, PluginError> {
        wanted!("crypto", crypto::sign(key_id, alg, input))
    }

    fn verify(&self, key_id: &str, alg: &str, input: &[u8], signature: &[u8]) -> Result<bool, PluginError> {
        wanted!("crypto", crypto::verify(key_id, alg, input, signature))
    }

    fn account_lookup(&self, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        wanted!("accounts", accounts::lookup(by, value).map(|account| account.map(Into::into)))
    }

    fn account_verify(&self, username: &str, password: &[u8]) -> Result<AccountVerdict, PluginError> {
        wanted!("accounts", accounts::verify(username, password).map(Into::into))
    }

    fn secret(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, PluginError> {
        wanted!("secrets", secrets::get(name).map(Zeroizing::new))
    }

    fn http_send(&self, request: &HttpRequest) -> Result<HttpResponse, PluginError> {
        wanted!("http", http::send(&request.into()).map(Into::into))
    }
}
