//! Small host services for the tests of this module.

use super::HostServices;
use super::limits::CallLimits;
use async_trait::async_trait;
use pintle_plugin_api::{Account, AccountVerdict, PluginError};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Barrier;

/// A table in memory, one account `ann` with the password `secret`, and signatures that are the input's length.
#[derive(Default)]
pub(crate) struct FakeServices {
    table: Mutex<BTreeMap<(String, String), Entry>>,
    versions: AtomicU64,
    meeting: Meeting,
    hanging: AtomicUsize,
    hashing: AtomicUsize,
    most_hashing: AtomicUsize,
    hashing_busy: AtomicBool,
}

/// Where two calls wait for each other.
struct Meeting(Barrier);

impl Default for Meeting {
    fn default() -> Self {
        Self(Barrier::new(2))
    }
}

impl FakeServices {
    /// How many calls got to where they get no answer.
    pub(crate) fn hanging(&self) -> usize {
        self.hanging.load(Ordering::SeqCst)
    }

    /// What the host says of its hashing threads.
    pub(crate) fn set_hashing_busy(&self, busy: bool) {
        self.hashing_busy.store(busy, Ordering::SeqCst);
    }

    /// The most passwords that were being checked at a time.
    pub(crate) fn most_hashes(&self) -> usize {
        self.most_hashing.load(Ordering::SeqCst)
    }
}

type Entry = (Vec<u8>, u64);

/// Enough for any test that does not test limits.
pub(crate) fn call_limits() -> CallLimits {
    CallLimits { wall: Duration::from_secs(20), cpu: Duration::from_secs(20), memory_bytes: 64 << 20 }
}

#[async_trait]
impl HostServices for FakeServices {
    fn now_ms(&self) -> u64 {
        1_000
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }

    /// The key `hang` never gets an answer, the key `meet` once two ask for it.
    async fn kv_get(&self, plugin: &str, key: &str) -> Result<Option<(Vec<u8>, u64)>, PluginError> {
        if key == "hang" {
            self.hanging.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        if key == "meet" {
            self.meeting.0.wait().await;
        }
        Ok(self.table.lock().unwrap().get(&(plugin.to_owned(), key.to_owned())).cloned())
    }

    async fn kv_put(
        &self,
        plugin: &str,
        key: &str,
        value: Vec<u8>,
        _ttl_s: Option<u32>,
        _if_version: Option<u64>,
        _most_keys: u64,
    ) -> Result<u64, PluginError> {
        let version = self.versions.fetch_add(1, Ordering::SeqCst) + 1;
        self.table.lock().unwrap().insert((plugin.to_owned(), key.to_owned()), (value, version));
        Ok(version)
    }

    async fn kv_delete(&self, plugin: &str, key: &str) -> Result<(), PluginError> {
        self.table.lock().unwrap().remove(&(plugin.to_owned(), key.to_owned()));
        Ok(())
    }

    async fn password_verify(&self, phc: &str, password: &[u8]) -> Result<bool, PluginError> {
        self.most_hashing.fetch_max(self.hashing.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.hashing.fetch_sub(1, Ordering::SeqCst);
        Ok(phc.as_bytes() == password)
    }

    fn is_hashing_busy(&self) -> bool {
        self.hashing_busy.load(Ordering::SeqCst)
    }

    fn sign(&self, _key_id: &str, _alg: &str, input: &[u8]) -> Result<Vec<u8>, PluginError> {
        Ok(input.len().to_be_bytes().to_vec())
    }

    fn verify(&self, _key_id: &str, _alg: &str, input: &[u8], signature: &[u8]) -> Result<bool, PluginError> {
        Ok(input.len().to_be_bytes() == signature)
    }

    async fn account_lookup(&self, _by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        Ok((value == "ann").then(ann))
    }

    async fn account_verify(&self, username: &str, password: &[u8]) -> Result<AccountVerdict, PluginError> {
        // As a real table does: the answer comes from another task.
        tokio::task::yield_now().await;
        Ok(match (username, password) {
            ("ann", b"secret") => AccountVerdict::Accepted(ann()),
            ("ann", _) => AccountVerdict::Rejected,
            _ => AccountVerdict::UnknownUser,
        })
    }
}

pub(crate) fn ann() -> Account {
    Account { id: "7".to_owned(), username: "ann".to_owned(), ..Account::default() }
}
