use super::*;
use crate::clock::{ManualClock, UnixTime};
use crate::store::conformance::{self, Engine, HeldSyncs};
use std::sync::Condvar;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

/// Lets syncs wait, or fail.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
    reached: tokio::sync::Notify,
    broken: AtomicBool,
}

struct PanickingFile;

impl Sync for PanickingFile {
    fn sync(&self) -> io::Result<()> {
        panic!("as sled does over damage")
    }

    fn bytes(&self) -> u64 {
        0
    }
}

#[derive(Default)]
struct GateState {
    held: bool,
}

struct GatedFile {
    file: File,
    gate: Arc<Gate>,
}

impl Sync for GatedFile {
    fn sync(&self) -> io::Result<()> {
        if self.gate.broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("input/output error"));
        }
        let mut state = self.gate.state.lock().unwrap();
        while state.held {
            self.gate.reached.notify_one();
            state = self.gate.changed.wait(state).unwrap();
        }
        self.file.sync_data()
    }

    fn bytes(&self) -> u64 {
        Sync::bytes(&self.file)
    }
}

struct Held(Arc<Gate>);

#[async_trait]
impl HeldSyncs for Held {
    async fn reached(&mut self) {
        self.0.reached.notified().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().held = false;
        self.0.changed.notify_all();
    }
}

#[derive(Default)]
struct Sled {
    folders: Mutex<Vec<TempDir>>,
    gate: Arc<Gate>,
}

fn options(folder: &TempDir) -> SledOptions {
    SledOptions { path: folder.path().join("store"), cache_mib: 8 }
}

impl Sled {
    fn open(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
        let options = options(self.folders.lock().unwrap().last().unwrap());
        let gate = self.gate.clone();
        let store = SledStore::open_with(options, clock, &[], |file| Box::new(GatedFile { file, gate }));
        store.map(|store| Arc::new(store) as _).map_err(StoreError::new)
    }
}

impl Engine for Sled {
    fn create(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
        self.folders.lock().unwrap().push(tempfile::tempdir().unwrap());
        self.open(clock)
    }

    fn reopen(&self, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Option<Arc<dyn Store>>, StoreError> {
        assert_eq!(Arc::strong_count(&store), 1);
        drop(store);
        self.open(clock).map(Some)
    }

    fn hold_syncs(&self) -> Option<Box<dyn HeldSyncs>> {
        self.gate.state.lock().unwrap().held = true;
        Some(Box::new(Held(self.gate.clone())))
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(UnixTime(1_000_000)))
}

fn key(name: &str) -> Key {
    Key::new(name.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sled_engine_keeps_the_stores_promises() {
    conformance::run(&Sled::default()).await.unwrap();
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_answered() {
    let engine = Sled::default();
    let store = engine.create(clock()).unwrap();
    store.commit(Batch::new().put(key("a"), b"1".into(), None)).await.unwrap();
    engine.gate.broken.store(true, Ordering::SeqCst);
    let failed = store.commit(Batch::new().put(key("a"), b"2".into(), None)).await;
    assert!(matches!(failed, Err(CommitError::Unavailable(_))), "{failed:?}");
    engine.gate.broken.store(false, Ordering::SeqCst);
    assert!(store.get(&key("a")).await.is_err());
    assert!(store.scan(&key(""), None, 1).await.is_err());
    assert!(store.sweep().await.is_err());
    assert!(store.commit(Batch::new().delete(key("b"))).await.is_err());
    assert!(store.commit(Batch::new()).await.is_err());
}

#[tokio::test]
async fn after_a_panic_in_the_committer_nothing_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open_with(options(&folder), clock(), &[], |_| Box::new(PanickingFile)).unwrap();
    for _ in 0..2 {
        let failed = store.commit(Batch::new().put(key("a"), b"1".into(), None)).await;
        assert!(matches!(failed, Err(CommitError::Unavailable(_))), "{failed:?}");
    }
    assert!(store.get(&key("a")).await.is_err());
    drop(store);
    let store = SledStore::open(options(&folder), clock()).unwrap();
    store.commit(Batch::new().put(key("b"), b"1".into(), None)).await.unwrap();
}

#[tokio::test]
async fn batches_that_wait_together_share_a_sync() {
    let engine = Sled::default();
    let store = engine.create(clock()).unwrap();
    let groups = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = groups.clone();
    store.observe_groups(Box::new(move |commits| seen.lock().unwrap().push(commits)));
    let commits = (0..100).map(|number| {
        let store = store.clone();
        async move { store.commit(Batch::new().put(key(&format!("{number}")), vec![0; 100], None)).await }
    });
    for result in futures_util::future::join_all(commits).await {
        result.unwrap();
    }
    let stats = store.stats();
    assert_eq!(stats.commits, 100);
    assert!(stats.syncs < 50, "{stats:?}");
    let groups = groups.lock().unwrap();
    assert_eq!((groups.iter().sum::<u64>(), groups.len() as u64), (100, stats.syncs));
    assert!(groups.iter().any(|commits| *commits > 1), "{groups:?}");
    assert!(stats.disk_bytes > 10_000, "{stats:?}");
}

#[test]
fn a_second_opener_is_told_who_has_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let first = SledStore::open(options(&folder), clock()).unwrap();
    let error = SledStore::open(options(&folder), clock()).err().unwrap().to_string();
    assert!(error.contains(&options(&folder).path.display().to_string()), "{error}");
    assert!(error.contains(&std::process::id().to_string()), "{error}");
    drop(first);
    SledStore::open(options(&folder), clock()).unwrap();
}

#[test]
fn only_the_owner_may_read_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = options(&folder).path;
    drop(SledStore::open(options(&folder), clock()).unwrap());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let _store = SledStore::open(options(&folder), clock()).unwrap();
    let mut folders = vec![path];
    while let Some(folder) = folders.pop() {
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700, "{folder:?}");
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_kill_during_open_leaves_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = options(&folder).path;
    let store = SledStore::open(options(&folder), clock()).unwrap();
    store.commit(Batch::new().put(key("a"), b"1".into(), None)).await.unwrap();
    drop(store);
    std::fs::write(path.join("sled/snap.00000000FFFFFFFF.generating"), b"half a snapsh").unwrap();
    std::fs::create_dir(path.join("sled.new")).unwrap();
    std::fs::write(path.join("sled.new/conf"), b"half a conf").unwrap();
    let store = SledStore::open(options(&folder), clock()).unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap().value, b"1");
    assert!(!path.join("sled.new").exists());
}

#[tokio::test]
async fn a_damaged_store_is_refused_and_not_taken_for_an_empty_one() {
    for file in ["db", "conf", "snap"] {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(options(&folder), clock()).unwrap();
        let batch =
            (0..2000).fold(Batch::new(), |batch, number| batch.put(key(&format!("{number}")), vec![7; 200], None));
        store.commit(batch).await.unwrap();
        drop(store);
        drop(SledStore::open(options(&folder), clock()).unwrap());
        let entries = std::fs::read_dir(options(&folder).path.join("sled")).unwrap().map(|entry| entry.unwrap());
        let damaged = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(file));
        damaged.for_each(|entry| std::fs::write(entry.path(), [0x5A; 3000]).unwrap());
        let error =
            SledStore::open(options(&folder), clock()).err().unwrap_or_else(|| panic!("{file} was overwritten"));
        assert!(matches!(error, OpenError::Damaged { .. }), "{file}: {error}");
    }
}

/// The blobs that sled would write are never synced.
#[tokio::test]
async fn no_size_of_values_and_keys_makes_sled_write_a_blob() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(options(&folder), clock()).unwrap();
    for round in 0..3_usize {
        for number in 0..24_usize {
            let value = vec![b'v'; 65_536 >> (round * number % 5)];
            store.commit(Batch::new().put(key(&format!("large{number:02}")), value, None)).await.unwrap();
        }
        for hundred in 0..20_usize {
            let batch = (0..300_usize).fold(Batch::new(), |batch, number| {
                let name = format!("{:0396}", hundred * 1000 + number);
                batch.put(key(&name), vec![b'v'; 1 + round], None)
            });
            store.commit(batch).await.unwrap();
        }
    }
    assert_eq!(std::fs::read_dir(options(&folder).path.join("sled/blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn an_older_store_is_migrated_step_by_step_and_a_newer_one_refused() {
    fn rename(db: &sled::Db) -> sled::Result<sled::Batch> {
        let mut batch = sled::Batch::default();
        if let Some(old) = db.remove(cell::head_key(b"first"))? {
            batch.insert(cell::head_key(b"second"), old);
        }
        Ok(batch)
    }
    fn copy(db: &sled::Db) -> sled::Result<sled::Batch> {
        let mut batch = sled::Batch::default();
        if let Some(old) = db.get(cell::head_key(b"second"))? {
            batch.insert(cell::head_key(b"third"), old);
        }
        Ok(batch)
    }
    let folder = tempfile::tempdir().unwrap();
    let open =
        |migrations: &[Migration]| SledStore::open_with(options(&folder), clock(), migrations, |file| Box::new(file));
    let store = open(&[]).unwrap();
    store.commit(Batch::new().put(key("first"), b"1".into(), None)).await.unwrap();
    drop(store);
    drop(open(&[rename]).unwrap());
    let store = open(&[rename, copy]).unwrap();
    let names: Vec<_> = store.scan(&key(""), None, 9).await.unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(names, [key("second"), key("third")]);
    drop(store);
    let error = open(&[rename]).err().unwrap();
    assert!(matches!(error, OpenError::Newer { found: 3, newest: 2, .. }), "{error}");
    assert!(error.to_string().contains("later release"), "{error}");
}

#[test]
fn the_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    std::fs::create_dir_all(path.join("lock")).unwrap();
    let options = SledOptions { path: path.clone(), cache_mib: 1 };
    let error = SledStore::open(options, Arc::new(ManualClock::default())).err().unwrap().to_string();
    assert!(error.contains(&format!("cannot be used: {}/lock: Is a directory", path.display())), "{error}");
    assert!(!SledStore::exists(&path));
}
