use super::*;
use crate::clock::ManualClock;
use crate::store::memory::MemoryStore;
use crate::store::sled::{SledOptions, SledStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

struct World {
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
}

impl World {
    fn new(store: impl FnOnce(Arc<ManualClock>) -> Arc<dyn Store>) -> Self {
        let clock = Arc::new(ManualClock::at(UnixTime(1_700_000_000)));
        Self { store: store(clock.clone()), clock }
    }

    fn in_memory() -> Self {
        Self::new(|clock| Arc::new(MemoryStore::new(clock)))
    }

    fn table<'a>(&'a self, plugin: &'a str) -> PluginTable<'a> {
        PluginTable::new(self.store.as_ref(), self.clock.as_ref(), plugin)
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn in_s(&self, seconds: u64) -> Option<UnixTime> {
        Some(self.clock.now().plus(Duration::from_secs(seconds)))
    }
}

fn sled(folder: &Path, clock: Arc<ManualClock>) -> Arc<dyn Store> {
    let options = SledOptions { path: folder.join("store"), cache_mib: 8 };
    Arc::new(SledStore::open(options, clock).unwrap())
}

async fn put(table: &PluginTable<'_>, key: &str, most: u64) -> Result<u64, PluginError> {
    table.put(key, b"v".to_vec(), None, None, most).await
}

/// A new key is refused, with what to do.
async fn full(table: &PluginTable<'_>, most: u64) {
    match put(table, "further", most).await {
        Err(PluginError::Denied(why)) => assert!(why.contains("limits.kv_keys") && why.contains("delete"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(table.get("further").await.unwrap(), None);
}

async fn count(table: &PluginTable<'_>) -> Loaded<KeyCount> {
    table.load_count().await.unwrap().unwrap()
}

#[tokio::test]
async fn a_full_table_takes_no_new_key_until_one_is_deleted_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(|clock| sled(folder.path(), clock));
    // The last one is too long to be kept readable.
    let keys = ["a", "b", &"k".repeat(512)];
    for key in keys {
        put(&world.table("crm"), key, 3).await.unwrap();
    }
    drop(world);
    world = World::new(|clock| sled(folder.path(), clock));
    let table = world.table("crm");
    full(&table, 3).await;
    for key in keys {
        assert_eq!(table.get(key).await.unwrap().unwrap().0, b"v");
        let version = put(&table, key, 3).await.unwrap();
        table.put(key, b"w".to_vec(), None, Some(version), 3).await.unwrap();
    }
    full(&table, 3).await;
    put(&world.table("erp"), "a", 3).await.unwrap();
    for key in keys {
        table.delete(key).await.unwrap();
        table.delete(key).await.unwrap();
        put(&table, "c", 3).await.unwrap();
        full(&table, 3).await;
        table.delete("c").await.unwrap();
        put(&table, key, 3).await.unwrap();
    }
    assert_eq!(count(&table).await.value.keys, 3);
}

#[tokio::test]
async fn overwriting_and_what_fails_leave_the_count_as_it_is() {
    let world = World::in_memory();
    let table = world.table("crm");
    let first = put(&table, "a", 9).await.unwrap();
    let before = count(&table).await.version;
    put(&table, "a", 9).await.unwrap();
    for (key, if_version) in [("a", 0), ("a", first), ("b", 7)] {
        let answer = table.put(key, b"v".to_vec(), None, Some(if_version), 9).await;
        assert_eq!(answer.unwrap_err(), PluginError::Invalid("conflict".to_owned()), "{key} {if_version}");
    }
    table.delete("b").await.unwrap();
    assert_eq!(count(&table).await.version, before);
}

#[tokio::test]
async fn keys_that_expire_make_room_and_what_lives_is_still_counted() {
    let world = World::in_memory();
    let table = world.table("crm");
    put(&table, "stays", 10).await.unwrap();
    // 271 keys in all, 10 at a time.
    for generation in 0..30 {
        for key in 0..9 {
            let key = format!("{generation}/{key}");
            table.put(&key, b"v".to_vec(), world.in_s(5), None, 10).await.unwrap();
        }
        world.wait(5);
    }
    assert_eq!(table.get("stays").await.unwrap().unwrap().0, b"v");
    for key in 0..9 {
        put(&table, &key.to_string(), 10).await.unwrap();
    }
    full(&table, 10).await;
}

#[tokio::test]
async fn an_expired_key_that_is_written_again_is_one_key() {
    let world = World::in_memory();
    let table = world.table("crm");
    for _ in 0..50 {
        table.put("a", b"v".to_vec(), world.in_s(60), Some(0), 2).await.unwrap();
        world.wait(60);
    }
    put(&table, "a", 2).await.unwrap();
    put(&table, "b", 2).await.unwrap();
    full(&table, 2).await;
}

#[tokio::test]
async fn a_plugin_that_is_refused_again_and_again_is_counted_once_a_minute() {
    let world = World::in_memory();
    let table = world.table("crm");
    for key in 0..8 {
        table.put(&key.to_string(), b"v".to_vec(), world.in_s(30), None, 8).await.unwrap();
    }
    full(&table, 8).await;
    let counted = count(&table).await.version;
    world.wait(59);
    full(&table, 8).await;
    assert_eq!(count(&table).await.version, counted);
    world.wait(1);
    put(&table, "further", 8).await.unwrap();
    assert_eq!(count(&table).await.value.keys, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_keys_are_never_more_than_the_most() {
    let folder = tempfile::tempdir().unwrap();
    let world = Arc::new(World::new(|clock| sled(folder.path(), clock)));
    let mut racers = JoinSet::new();
    for racer in 0..32 {
        let world = world.clone();
        racers.spawn(async move {
            // Two write each of 16 keys; some are taken away again.
            let table = world.table("crm");
            let is_put = put(&table, &(racer / 2).to_string(), 12).await.is_ok();
            if racer % 8 == 0 {
                table.delete(&racer.to_string()).await.unwrap();
            }
            is_put
        });
    }
    let puts = racers.join_all().await.into_iter().filter(|is_put| *is_put).count();
    let table = world.table("crm");
    let live = table.recount(12, world.clock.now()).await.unwrap().keys;
    assert!(puts >= 12 && live <= 12, "{puts} puts, {live} keys");
    assert_eq!(count(&table).await.value.keys, live);
}

#[tokio::test]
async fn another_limit_holds_from_the_next_new_key_on() {
    let world = World::in_memory();
    let table = world.table("crm");
    for key in 0..5 {
        put(&table, &key.to_string(), 5).await.unwrap();
    }
    full(&table, 5).await;
    full(&table, 2).await;
    put(&table, "0", 2).await.unwrap();
    put(&table, "5", 6).await.unwrap();
    full(&table, 6).await;
}

/// As written before keys were counted.
async fn put_uncounted(world: &World, key: Key) -> Version {
    let batch = Batch::new().put_record(key, &PluginValue(b"old".to_vec()), None).unwrap();
    world.store.commit(batch).await.unwrap()
}

#[tokio::test]
async fn a_table_that_was_never_counted_is_counted_at_its_next_new_key() {
    let world = World::in_memory();
    let (table, long) = (world.table("crm"), "k".repeat(512));
    for key in ["a", "b"] {
        put_uncounted(&world, PluginValue::key(&[b"crm", key.as_bytes()])).await;
    }
    let readable = PluginValue::key(&[b"crm", long.as_bytes()]);
    let version = put_uncounted(&world, PluginValue::key(&[b"", &Sha256::digest(readable.as_bytes())])).await;
    assert_eq!(table.get("a").await.unwrap().unwrap().0, b"old");
    table.delete("a").await.unwrap();
    put(&table, "c", 2).await.unwrap();
    full(&table, 2).await;

    assert_eq!(table.get(&long).await.unwrap().unwrap(), (b"old".to_vec(), version.0));
    table.put(&long, b"new".to_vec(), None, Some(version.0), 2).await.unwrap();
    assert_eq!(table.get(&long).await.unwrap().unwrap().0, b"new");
    table.delete(&long).await.unwrap();
    assert_eq!(table.get(&long).await.unwrap(), None);
    full(&table, 2).await;
}
