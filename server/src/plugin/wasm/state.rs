//! What a store holds beside the guest, and the host functions.

use super::bindings::pintle::plugin::{accounts, clock, config, crypto, http, kv, log, random, secrets, types};
use super::cpu::CpuClock;
use crate::plugin::host::CallHost;
use pintle_plugin_api::{Attr, PluginError};
use std::sync::Arc;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use zeroize::Zeroizing;

/// The most elements of all of a guest's tables.
const MAX_TABLE_ELEMENTS: usize = 64 * 1024;

/// The most WASI resources that a guest may hold.
const MAX_RESOURCES: usize = 1024;

/// A store's own.
pub(super) struct State {
    /// The call that runs; none between two calls of a reused instance.
    pub(super) host: Option<Arc<CallHost>>,
    /// What the call has computed.
    pub(super) cpu: CpuClock,
    /// What the guest may still allocate.
    pub(super) memory: MemoryLimit,
    /// Made at the first WASI call: most guests make none.
    wasi: Option<Box<(WasiCtx, ResourceTable)>>,
}

impl State {
    pub(super) fn new(memory_bytes: usize) -> Self {
        let memory = MemoryLimit { bytes_left: memory_bytes, refused: false };
        Self { host: None, cpu: CpuClock::new(), memory, wasi: None }
    }

    fn call(&self) -> Result<&CallHost, PluginError> {
        self.host.as_deref().ok_or_else(|| PluginError::Denied("outside of a call".to_owned()))
    }
}

impl WasiView for State {
    /// An empty context: no environment, arguments, files or sockets; standard input is closed, output is dropped.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| {
            let context = WasiCtx::builder().max_random_size(u64::from(crate::plugin::host::MAX_RANDOM_BYTES)).build();
            let mut resources = ResourceTable::new();
            resources.set_max_capacity(MAX_RESOURCES);
            Box::new((context, resources))
        });
        WasiCtxView { ctx: &mut wasi.0, table: &mut wasi.1 }
    }
}

/// Holds all memories of a guest together to one number of bytes.
pub(super) struct MemoryLimit {
    bytes_left: usize,
    /// Whether the guest asked for more than it may have, in this call.
    pub(super) refused: bool,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        match self.bytes_left.checked_sub(desired.saturating_sub(current)) {
            Some(left) => self.bytes_left = left,
            None => self.refused = true,
        }
        Ok(!self.refused)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}

impl types::Host for State {}

impl log::Host for State {
    fn emit(&mut self, level: u8, message: String, fields: Vec<Attr>) {
        if let Ok(call) = self.call() {
            call.log(level, &message, &fields);
        }
    }
}

impl clock::Host for State {
    fn now_ms(&mut self) -> u64 {
        self.call().map_or(0, |call| call.plugin().now_ms())
    }

    fn monotonic_ms(&mut self) -> u64 {
        self.call().map_or(0, |call| call.plugin().monotonic_ms())
    }
}

impl random::Host for State {
    /// Traps for more than is given: a guest must not go on with fewer bytes than it asked for.
    fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        let bytes = self.call().and_then(|call| call.plugin().random(count));
        bytes.map_err(|error| wasmtime::Error::msg(error.to_string()))
    }
}

impl config::Host for State {
    fn json(&mut self) -> String {
        self.call().map_or_else(|_| "{}".to_owned(), |call| call.plugin().config_json().to_owned())
    }
}

impl kv::Host for State {
    async fn get(&mut self, key: String) -> Result<Option<(Vec<u8>, u64)>, types::Error> {
        Ok(self.call()?.kv_get(&key).await?)
    }

    async fn put(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl_s: Option<u32>,
        if_version: Option<u64>,
    ) -> Result<u64, types::Error> {
        Ok(self.call()?.kv_put(&key, value, ttl_s, if_version).await?)
    }

    async fn delete(&mut self, key: String) -> Result<(), types::Error> {
        Ok(self.call()?.kv_delete(&key).await?)
    }
}

impl crypto::Host for State {
    async fn password_verify(&mut self, phc: String, password: Vec<u8>) -> Result<bool, types::Error> {
        Ok(self.call()?.password_verify(&phc, &Zeroizing::new(password)).await?)
    }

    fn sign(&mut self, key_id: String, alg: String, input: Vec<u8>) -> Result<Vec<u8>, types::Error> {
        Ok(self.call()?.sign(&key_id, &alg, &input)?)
    }

    fn verify(
        &mut self,
        key_id: String,
        alg: String,
        input: Vec<u8>,
        signature: Vec<u8>,
    ) -> Result<bool, types::Error> {
        Ok(self.call()?.verify(&key_id, &alg, &input, &signature)?)
    }
}

impl accounts::Host for State {
    async fn lookup(&mut self, by: String, value: String) -> Result<Option<types::Account>, types::Error> {
        Ok(self.call()?.account_lookup(&by, &value).await?.map(Into::into))
    }

    async fn verify(&mut self, username: String, password: Vec<u8>) -> Result<accounts::Verdict, types::Error> {
        Ok(self.call()?.account_verify(&username, &Zeroizing::new(password)).await?.into())
    }
}

impl secrets::Host for State {
    fn get(&mut self, name: String) -> Result<Vec<u8>, types::Error> {
        // The guest's copy is in its memory, which is wiped for the next one.
        Ok(self.call()?.secret(&name)?.to_vec())
    }
}

impl http::Host for State {
    async fn send(&mut self, request: http::Request) -> Result<http::Response, types::Error> {
        Ok(self.call()?.http_send(request.into()).await?.into())
    }
}
