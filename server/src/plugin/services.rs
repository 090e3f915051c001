//! What the host interfaces stand on in a real server: the store, the keys, the hashing threads, the account table.

use super::HostServices;
use crate::accounts::{AccountError, AccountTable};
use crate::clock::Clock;
use crate::config::model::Algorithm;
use crate::entropy::Entropy;
use crate::keys::{KeyError, KeyRing};
use crate::password::{Capacity, HashError, PasswordHasher};
use crate::store::{Batch, CommitError, Key, MAX_KEY_BYTES, Store, StoreError, Version, record, record::Record};
use async_trait::async_trait;
use pintle_plugin_api::{Account, AccountVerdict, PluginError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
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

/// A value of a plugin's own table.
#[derive(Serialize, Deserialize)]
struct PluginValue(#[serde(with = "pintle_plugin_api::base64url")] Vec<u8>);

impl Record for PluginValue {
    const TABLE: &'static str = "plugin-kv";
    const VERSION: u8 = 1;
}

/// Where a plugin's key is kept: under a hash where it would be too long for the store. No plugin's name is empty, so the
/// two kinds of keys do not meet.
fn kv_key(plugin: &str, key: &str) -> Key {
    let readable = PluginValue::key(&[plugin.as_bytes(), key.as_bytes()]);
    if readable.as_bytes().len() <= MAX_KEY_BYTES {
        return readable;
    }
    PluginValue::key(&[b"", &Sha256::digest(readable.as_bytes())])
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
        let loaded = record::load::<PluginValue>(self.store.as_ref(), &kv_key(plugin, key)).await;
        Ok(loaded.map_err(unavailable)?.map(|loaded| (loaded.value.0, loaded.version.0)))
    }

    async fn kv_put(
        &self,
        plugin: &str,
        key: &str,
        value: Vec<u8>,
        ttl_s: Option<u32>,
        if_version: Option<u64>,
    ) -> Result<u64, PluginError> {
        let key = kv_key(plugin, key);
        let batch = match if_version {
            None => Batch::new(),
            Some(0) => Batch::new().expect_absent(key.clone()),
            Some(version) => Batch::new().expect_at(key.clone(), Version(version)),
        };
        let expires_at = ttl_s.map(|seconds| self.clock.now().plus(Duration::from_secs(seconds.into())));
        let batch = batch.put_record(key, &PluginValue(value), expires_at).map_err(unavailable)?;
        let written = self.store.commit(batch).await.map_err(|error| match error {
            CommitError::Conflict => PluginError::Invalid("conflict".to_owned()),
            error => PluginError::Unavailable(error.to_string()),
        })?;
        Ok(written.0)
    }

    async fn kv_delete(&self, plugin: &str, key: &str) -> Result<(), PluginError> {
        let batch = Batch::new().delete(kv_key(plugin, key));
        self.store.commit(batch).await.map(drop).map_err(|error| PluginError::Unavailable(error.to_string()))
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
