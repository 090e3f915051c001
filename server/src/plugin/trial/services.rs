//! What the host interfaces stand on in a trial.

use crate::clock::Clock;
use crate::config::model::Passwords;
use crate::entropy::Entropy;
use crate::password::{Capacity, HashError, PasswordHasher};
use crate::plugin::HostServices;
use async_trait::async_trait;
use pintle_plugin_api::conformance::World;
use pintle_plugin_api::testing::FakeHost;
use pintle_plugin_api::{Account, AccountVerdict, Host, PluginError};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The accounts, the table and the signatures of a [`FakeHost`], real hashes, time and randomness.
pub(super) struct TrialServices {
    host: FakeHost,
    dead: bool,
    hasher: Arc<PasswordHasher>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl TrialServices {
    pub(super) fn new(world: World, clock: &Arc<dyn Clock>, entropy: &Arc<dyn Entropy>) -> Result<Self, String> {
        let hasher = PasswordHasher::start(&usual_costs(), Arc::clone(entropy)).map_err(|error| error.to_string())?;
        let (host, dead) = (FakeHost::with_ann_and_bob(), world == World::DeadHost);
        let host = if dead { host.failing(gone()) } else { host };
        Ok(Self { host, dead, hasher, clock: Arc::clone(clock), entropy: Arc::clone(entropy) })
    }
}

fn gone() -> PluginError {
    PluginError::Unavailable("the trial has no services now".to_owned())
}

/// A server's by default: they say which hashes a plugin may have checked.
fn usual_costs() -> Passwords {
    Passwords {
        memory_kib: 19_456,
        iterations: 2,
        parallelism: 1,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        queue: 256,
        min_length: 7,
        failure_time: Duration::ZERO,
    }
}

#[async_trait]
impl HostServices for TrialServices {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        self.clock.monotonic_ms()
    }

    fn random(&self, bytes: &mut [u8]) {
        self.entropy.fill(bytes);
    }

    async fn kv_get(&self, _plugin: &str, key: &str) -> Result<Option<(Vec<u8>, u64)>, PluginError> {
        self.host.kv_get(key)
    }

    async fn kv_put(
        &self,
        _plugin: &str,
        key: &str,
        value: Vec<u8>,
        ttl_s: Option<u32>,
        if_version: Option<u64>,
        _most_keys: u64,
    ) -> Result<u64, PluginError> {
        self.host.kv_put(key, &value, ttl_s, if_version)
    }

    async fn kv_delete(&self, _plugin: &str, key: &str) -> Result<(), PluginError> {
        self.host.kv_delete(key)
    }

    async fn password_verify(&self, phc: &str, password: &[u8]) -> Result<bool, PluginError> {
        if self.dead {
            return Err(gone());
        }
        match self.hasher.verify_for_plugin(phc, Zeroizing::new(password.to_vec())).await {
            Ok(matches) => Ok(matches),
            Err(error @ (HashError::Busy | HashError::Stopped)) => Err(PluginError::Unavailable(error.to_string())),
            Err(error) => Err(PluginError::Invalid(error.to_string())),
        }
    }

    fn hashing(&self) -> Option<Capacity> {
        Some(self.hasher.capacity())
    }

    fn sign(&self, key_id: &str, alg: &str, input: &[u8]) -> Result<Vec<u8>, PluginError> {
        self.host.sign(key_id, alg, input)
    }

    fn verify(&self, key_id: &str, alg: &str, input: &[u8], signature: &[u8]) -> Result<bool, PluginError> {
        self.host.verify(key_id, alg, input, signature)
    }

    async fn account_lookup(&self, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        self.host.account_lookup(by, value)
    }

    async fn account_verify(&self, username: &str, password: &[u8]) -> Result<AccountVerdict, PluginError> {
        self.host.account_verify(username, password)
    }
}
