//! The services of a real server, through the host interfaces as a plugin has them.

use super::*;
use crate::clock::{ManualClock, UnixTime};
use crate::config::model::Passwords;
use crate::entropy::SystemEntropy;
use crate::keys::{KeyOptions, MasterKey};
use crate::plugin::host::{CallHost, Interface, PluginHost};
use crate::plugin::testing::call_limits;
use crate::store::memory::MemoryStore;
use crate::store::sled::{SledOptions, SledStore};
use crate::store::{Batch, CommitError, Key, StoreStats, Version, Versioned};
use std::path::Path;

struct World {
    services: Arc<CoreServices>,
    clock: Arc<ManualClock>,
}

async fn world(store: impl FnOnce(Arc<ManualClock>) -> Arc<dyn Store>) -> World {
    let clock = Arc::new(ManualClock::at(UnixTime(1_700_000_000)));
    let (store, entropy) = (store(clock.clone()), Arc::new(SystemEntropy));
    let passwords = Passwords {
        memory_kib: 64,
        iterations: 1,
        parallelism: 1,
        threads: 2,
        queue: 8,
        min_length: 7,
        failure_time: Duration::ZERO,
    };
    let hasher = PasswordHasher::start(&passwords, entropy.clone()).unwrap();
    let accounts = AccountTable::new(store.clone(), hasher.clone(), clock.clone(), entropy.clone(), 7);
    let hour = Duration::from_secs(3600);
    let options = KeyOptions { algorithms: vec![], rotate_every: 48 * hour, publish_before: hour, retain: hour };
    let keys = KeyRing::open(store.clone(), &MasterKey::new([1; 32]), options, clock.clone(), entropy.clone()).await;
    let (accounts, keys) = (Arc::new(accounts), Arc::new(keys.unwrap()));
    World { services: Arc::new(CoreServices { clock: clock.clone(), entropy, store, hasher, accounts, keys }), clock }
}

fn sled(folder: &Path, clock: Arc<ManualClock>) -> Arc<dyn Store> {
    let options = SledOptions { path: folder.join("store"), cache_mib: 8 };
    Arc::new(SledStore::open(options, clock).unwrap())
}

/// The host as the plugin of this name has it.
fn host(world: &World, name: &str) -> CallHost {
    let plugin = PluginHost::new(name, world.services.clone(), [Interface::Kv], "{}");
    CallHost::new(Arc::new(plugin), "r", call_limits(), None, None)
}

fn conflict<T: std::fmt::Debug>(answer: Result<T, PluginError>) {
    assert_eq!(answer.unwrap_err(), PluginError::Invalid("conflict".to_owned()));
}

#[tokio::test]
async fn a_plugins_table_has_versions_lifetimes_and_no_other_plugins_keys() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(|clock| sled(folder.path(), clock)).await;
    let (host, other) = (host(&world, "crm"), host(&world, "erp"));
    let first = host.kv_put("k", b"1".to_vec(), None, Some(0)).await.unwrap();
    assert_eq!(host.kv_get("k").await.unwrap(), Some((b"1".to_vec(), first)));
    conflict(host.kv_put("k", b"x".to_vec(), None, Some(0)).await);
    let second = host.kv_put("k", b"2".to_vec(), None, Some(first)).await.unwrap();
    conflict(host.kv_put("k", b"x".to_vec(), None, Some(first)).await);
    assert_eq!(host.kv_get("k").await.unwrap(), Some((b"2".to_vec(), second)));
    assert_eq!(other.kv_get("k").await.unwrap(), None);

    host.kv_put("k", b"3".to_vec(), Some(60), None).await.unwrap();
    world.clock.advance(Duration::from_secs(59));
    assert_eq!(host.kv_get("k").await.unwrap().unwrap().0, b"3");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(host.kv_get("k").await.unwrap(), None);
    host.kv_put("k", b"4".to_vec(), None, Some(0)).await.unwrap();
    host.kv_delete("k").await.unwrap();
    assert_eq!(host.kv_get("k").await.unwrap(), None);
}

#[tokio::test]
async fn every_key_and_value_within_the_contracts_limits_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(|clock| sled(folder.path(), clock)).await;
    for name in ["crm".to_owned(), "p".repeat(500)] {
        let host = host(&world, &name);
        let mut keys: Vec<String> = [1, 380, 385, 386, 511, 512].iter().map(|length| "k".repeat(*length)).collect();
        // As long as the last one, written twice as long, and different at its end only.
        keys.extend(["\0".repeat(512), "k".repeat(511) + "l"]);
        for (index, key) in keys.iter().enumerate() {
            host.kv_put(key, vec![u8::try_from(index).unwrap(); 32 * 1024], None, Some(0)).await.unwrap();
        }
        for (index, key) in keys.iter().enumerate() {
            let value = host.kv_get(key).await.unwrap().unwrap().0;
            assert!(value.len() == 32 * 1024 && usize::from(value[0]) == index, "{} bytes", key.len());
        }
        host.kv_delete(&keys[5]).await.unwrap();
        assert!(host.kv_get(&keys[5]).await.unwrap().is_none() && host.kv_get(&keys[7]).await.unwrap().is_some());
        assert!(matches!(host.kv_put(&"k".repeat(513), vec![], None, None).await, Err(PluginError::Invalid(_))));
        assert!(matches!(host.kv_put("k", vec![0; 32 * 1024 + 1], None, None).await, Err(PluginError::Invalid(_))));
    }
}

/// After each commit of a plugin's value somebody else writes the same keys.
struct Overtaken(MemoryStore);

#[async_trait]
impl Store for Overtaken {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.0.get(key).await
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        self.0.scan(prefix, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version, CommitError> {
        let later = Batch { preconditions: vec![], changes: batch.changes.clone() };
        let version = self.0.commit(batch).await?;
        self.0.commit(later).await?;
        Ok(version)
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        self.0.sweep().await
    }

    fn stats(&self) -> StoreStats {
        self.0.stats()
    }
}

#[tokio::test]
async fn the_version_that_a_put_returns_is_its_own() {
    let world = world(|clock| Arc::new(Overtaken(MemoryStore::new(clock)))).await;
    let host = host(&world, "crm");
    let mine = host.kv_put("k", b"1".to_vec(), None, None).await.unwrap();
    conflict(host.kv_put("k", b"2".to_vec(), None, Some(mine)).await);
}

#[tokio::test]
async fn a_hash_that_costs_too_much_is_refused_before_it_is_computed() {
    let world = world(|clock| Arc::new(MemoryStore::new(clock))).await;
    let phc = "$argon2id$v=19$m=262144,t=4,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert!(matches!(world.services.password_verify(phc, b"x").await, Err(PluginError::Invalid(_))));
    assert_eq!(world.services.hasher.computed(), 0);
}
