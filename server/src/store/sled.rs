//! The engine on disk: sled behind one committer thread.
//!
//! Why sled needs this much around it is said where it is done: `committer` (syncing), `table` (durable before visible),
//! `cell` (no blobs), `folder` (opening after a kill), `versions`, `schema`. All facts are of sled 0.34.7.

mod cell;
mod committer;
mod folder;
mod overlaid;
mod schema;
mod table;
#[cfg(test)]
mod tests;
mod versions;

use super::{Batch, CommitError, GroupObserver, Key, Store, StoreError, StoreStats, Version, Versioned};
use crate::clock::Clock;
use async_trait::async_trait;
use committer::{Committer, Counters, Request, Sync};
use folder::Folder;
use schema::Migration;
use std::fs::File;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use table::Table;
use tokio::sync::oneshot;
use versions::Versions;

/// How many short steps one sweep makes at most, with other tasks in between.
const SWEEP_STEPS: usize = 32;
/// A sweep ends once it found this many expired records.
const SWEEP_EXPIRED: usize = 256;

/// Where the store lies and what it may use.
#[derive(Clone, Debug)]
pub struct SledOptions {
    /// The store's folder; made if it is missing.
    pub path: PathBuf,
    /// sled's page cache, MiB.
    pub cache_mib: u64,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made, read or written.
    #[error("the store folder {} cannot be used: {cause}", path.display())]
    Folder {
        /// The store's folder.
        path: PathBuf,
        /// The file or folder in it, and what the operating system says.
        #[source]
        cause: io::Error,
    },
    /// Another process has it.
    #[error("the store {} is in use by process {process}: stop that one first, or use the commands that talk to it", path.display())]
    InUse {
        /// The store's folder.
        path: PathBuf,
        /// The process id, or `unknown`.
        process: String,
    },
    /// A later release wrote it.
    #[error(
        "the store {} has schema {found}, this release knows up to {newest}: start the later release, or restore a \
         backup from before the upgrade",
        path.display()
    )]
    Newer {
        /// The store's folder.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema known here.
        newest: u32,
    },
    /// sled cannot read it.
    #[error("the store {} cannot be opened: {cause}; if this stays so, restore a backup", path.display())]
    Damaged {
        /// The store's folder.
        path: PathBuf,
        /// What sled says.
        #[source]
        cause: sled::Error,
    },
    /// A record of the engine's own cannot be read, or its thread not be started.
    #[error("the store {} cannot be opened: {cause}", path.display())]
    Unavailable {
        /// The store's folder.
        path: PathBuf,
        /// What failed.
        #[source]
        cause: StoreError,
    },
}

/// A store in a folder. Dropping it waits for the committer, so that the folder can be opened again at once.
pub struct SledStore {
    requests: Option<mpsc::Sender<Request>>,
    committer: Option<JoinHandle<()>>,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    /// Bytes of the files beside the database; they change at open only.
    other_bytes: u64,
    sweep_from: Mutex<Option<Key>>,
    // The last two in this order: sled's files close before the folder's lock is given up.
    table: Option<Arc<Table>>,
    _folder: Folder,
}

impl SledStore {
    /// Opens the store in a folder, or makes one; takes about 1 s for 500,000 records.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(options: SledOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::open_with(options, clock, schema::MIGRATIONS, |file| Box::new(file))
    }

    /// Whether there is a store in this folder.
    #[must_use]
    pub fn exists(path: &Path) -> bool {
        folder::holds_store(path)
    }

    fn open_with(
        options: SledOptions,
        clock: Arc<dyn Clock>,
        migrations: &[Migration],
        sync: impl FnOnce(File) -> Box<dyn Sync>,
    ) -> Result<Self, OpenError> {
        let SledOptions { path, cache_mib } = options;
        let failed = |cause| OpenError::Folder { path: path.clone(), cause };
        let damaged = |cause| OpenError::Damaged { path: path.clone(), cause };
        let unavailable = |cause| OpenError::Unavailable { path: path.clone(), cause };
        let folder = Folder::lock(&path)?;
        let sled = folder.prepare(migrations)?;
        let file = folder.database().map_err(failed)?;
        let cache_bytes = cache_mib.saturating_mul(1024 * 1024);
        let config = sled::Config::new().path(sled).cache_capacity(cache_bytes);
        // sled panics over some kinds of damage.
        let opened = std::panic::catch_unwind(AssertUnwindSafe(|| config.open()));
        let panicked = |_| Err(sled::Error::Corruption { at: None, bt: () });
        let db = opened.unwrap_or_else(panicked).map_err(damaged)?;
        schema::migrate(&db, &path, migrations)?;
        folder.settle().map_err(failed)?;
        let other_bytes = folder.close_to_others().map_err(failed)?;
        let versions = Versions::open(&db).map_err(unavailable)?;
        let table = Arc::new(Table::new(db));
        let counters = Arc::new(Counters::default());
        let file = sync(file);
        counters.database_bytes.store(file.bytes(), Ordering::Relaxed);
        let committer =
            Committer { table: table.clone(), file, clock: clock.clone(), versions, counters: counters.clone() };
        let (requests, queue) = mpsc::channel();
        let thread = std::thread::Builder::new().name("store-committer".into()).spawn(move || committer.run(&queue));
        let committer = thread.map_err(|cause| unavailable(StoreError::new(cause)))?;
        Ok(Self {
            requests: Some(requests),
            committer: Some(committer),
            clock,
            counters,
            other_bytes,
            sweep_from: Mutex::default(),
            table: Some(table),
            _folder: folder,
        })
    }

    fn table(&self) -> Result<&Table, StoreError> {
        self.table.as_deref().ok_or_else(gone)
    }

    async fn ask<T>(&self, request: Request, answer: oneshot::Receiver<T>) -> Result<T, StoreError> {
        self.requests.as_ref().ok_or_else(gone)?.send(request).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

fn gone() -> StoreError {
    StoreError::new("the store's committer has ended: restart the server")
}

/// Reads run on the calling task: they come from sled's cache or from one `pread` of a few KiB, and wait for no sync.
#[async_trait]
impl Store for SledStore {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.table()?.get(key, self.clock.now())
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        self.table()?.scan(prefix, after, limit, self.clock.now())
    }

    /// A caller that stops waiting does not take its batch back.
    async fn commit(&self, batch: Batch) -> Result<Version, CommitError> {
        batch.check_size()?;
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Commit(batch, reply), answer).await?
    }

    /// Goes on where the last sweep ended. Looks at 16,384 records at most, ends once it found 256 expired ones.
    async fn sweep(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let mut cursor = self.sweep_from.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut expired = Vec::new();
        for _ in 0..SWEEP_STEPS {
            let (found, next) = self.table()?.expired(cursor.as_ref(), now)?;
            expired.extend(found);
            cursor = next;
            if cursor.is_none() || expired.len() >= SWEEP_EXPIRED {
                break;
            }
            tokio::task::yield_now().await;
        }
        *self.sweep_from.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
        if expired.is_empty() {
            return Ok(0);
        }
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Remove(expired, reply), answer).await?
    }

    fn stats(&self) -> StoreStats {
        StoreStats {
            disk_bytes: self.other_bytes + self.counters.database_bytes.load(Ordering::Relaxed),
            commits: self.counters.commits.load(Ordering::Relaxed),
            syncs: self.counters.syncs.load(Ordering::Relaxed),
        }
    }

    fn observe_groups(&self, observer: GroupObserver) {
        let _ = self.counters.observer.set(observer);
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        drop(self.requests.take());
        if self.committer.take().is_some_and(|committer| committer.join().is_err()) {
            tracing::error!("the store's committer panicked");
        }
        drop(self.table.take());
    }
}
