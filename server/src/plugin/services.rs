//! What the host interfaces stand on in a real server: the store, the keys, the hashing threads, the account table.

mod kv;

use super::HostServices;
use crate::accounts::{AccountError, AccountTable};
use crate::clock::Clock;
use crate::config::model::Algorithm;
use crate::entropy::Entropy;
use crate::keys::{KeyError, KeyRing};
use crate::password::{Capacity, HashError, PasswordHasher};
use crate::store::{Store, StoreError};
use async_trait::async_trait;
use kv::PluginTable;
use pintle_plugin_api::{Account, AccountVerdict, PluginError};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The services of a server.
pub struct CoreServices {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The hashing threads.
    pub hasher: Arc<PasswordHasher>,
    /// The core's own accounts.
    pub accounts: Arc<AccountTable>,
    /// Signing keys.
    pub keys: Arc<KeyRing>,
}

impl CoreServices {
    fn table<'a>(&'a self, plugin: &'a str) -> PluginTable<'a> {
        PluginTable::new(self.store.as_ref(), self.clock.as_ref(), plugin)
    }
}

#[async_trait]
impl HostServices for CoreServices {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        self.clock.monotonic_ms()
    }

    fn random(&self, bytes: &mut [u8]) {
        self.entropy.fill(bytes);
    }

    async fn kv_get(&self, plugin: &str, key: &str) -> Result<Option<(Vec<u8>, u64)>, PluginError> {
        self.table(plugin).get(key).await
    }

    async fn kv_put(
        &self,
        plugin: &str,
        key: &str,
        value: Vec<u8>,
        ttl_s: Option<u32>,
        if_version: Option<u64>,
        most_keys: u64,
    ) -> Result<u64, PluginError> {
        let expires_at = ttl_s.map(|seconds| self.clock.now().plus(Duration::from_secs(seconds.into())));
        self.table(plugin).put(key, value, expires_at, if_version, most_keys).await
    }

    async fn kv_delete(&self, plugin: &str, key: &str) -> Result<(), PluginError> {
        self.table(plugin).delete(key).await
    }

    async fn password_verify(&self, phc: &str, password: &[u8]) -> Result<bool, PluginError> {
        match self.hasher.verify_for_plugin(phc, Zeroizing::new(password.to_vec())).await {
            Ok(matches) => Ok(matches),
            Err(error @ (HashError::Busy | HashError::Stopped)) => Err(PluginError::Unavailable(error.to_string())),
            Err(error) => Err(PluginError::Invalid(error.to_string())),
        }
    }

    fn hashing(&self) -> Option<Capacity> {
        Some(self.hasher.capacity())
    }

    fn is_hashing_busy(&self) -> bool {
        self.hasher.queued() > 0
    }

    fn sign(&self, key_id: &str, alg: &str, input: &[u8]) -> Result<Vec<u8>, PluginError> {
        let algorithm = Algorithm::from_name(alg).ok_or_else(|| unknown_algorithm(alg))?;
        self.keys.sign(key_id, algorithm, input).map_err(|error: KeyError| PluginError::Denied(error.to_string()))
    }

    fn verify(&self, key_id: &str, alg: &str, input: &[u8], signature: &[u8]) -> Result<bool, PluginError> {
        let algorithm = Algorithm::from_name(alg);
        Ok(algorithm.is_some_and(|algorithm| self.keys.verify(key_id, algorithm, input, signature)))
    }

    async fn account_lookup(&self, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        let found = match by {
            "id" => self.accounts.by_id(value).await,
            "username" => self.accounts.by_username(value).await,
            _ => return Err(PluginError::Invalid("accounts are looked up by 'id' or 'username'".to_owned())),
        };
        Ok(found.map_err(unavailable)?.map(Account::from))
    }

    async fn account_verify(&self, username: &str, password: &[u8]) -> Result<AccountVerdict, PluginError> {
        let verdict = self.accounts.verify(username, Zeroizing::new(password.to_vec())).await;
        verdict.map_err(|error: AccountError| PluginError::Unavailable(error.to_string()))
    }
}

fn unavailable(error: StoreError) -> PluginError {
    PluginError::Unavailable(error.to_string())
}

fn unknown_algorithm(alg: &str) -> PluginError {
    PluginError::Invalid(format!("no algorithm is named {alg}"))
}

#[cfg(test)]
mod tests;
