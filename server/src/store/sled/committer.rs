//! The one thread that writes: takes all batches that wait, and makes them durable with one sync.
//!
//! sled's `flush()` calls `sync_file_range` on Linux and not `fsync`: what it wrote survives a killed process and not a
//! power cut. And 16 tasks that await `flush_async()` at once do not end within a minute. So this thread, which may
//! block, flushes and then syncs the database file through a handle of its own, before it answers anybody. As it alone
//! writes, preconditions need no locks.

use super::cell;
use super::table::{Expired, Records, Table};
use super::versions::Versions;
use crate::clock::{Clock, UnixTime};
use crate::store::{Batch, Change, CommitError, GroupObserver, Key, StoreError, Stored, Version};
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use tokio::sync::oneshot;

/// A group ends at so many requests, or so many bytes of values.
const GROUP_REQUESTS: usize = 1024;
const GROUP_BYTES: usize = 1024 * 1024;

/// What the committer is asked to do.
pub(super) enum Request {
    Commit(Batch, oneshot::Sender<Result<Version, CommitError>>),
    /// Removes those records that are still at their version; answers how many.
    Remove(Expired, oneshot::Sender<Result<usize, StoreError>>),
}

impl Request {
    fn bytes(&self) -> usize {
        let Self::Commit(batch, _) = self else { return 0 };
        let puts = batch.changes.iter().map(|(_, change)| match change {
            Change::Put { value, .. } => value.len(),
            Change::Delete => 0,
        });
        puts.sum()
    }
}

/// An answer that waits for the sync.
enum Answer {
    Commit(oneshot::Sender<Result<Version, CommitError>>, Result<Version, CommitError>),
    Remove(oneshot::Sender<Result<usize, StoreError>>, Result<usize, StoreError>),
}

impl Answer {
    /// A receiver that is gone is a caller that was cancelled: its batch stays committed.
    fn send(self, synced: Result<(), StoreError>) {
        match self {
            Self::Commit(reply, answer) => drop(reply.send(synced.map_err(CommitError::from).and(answer))),
            Self::Remove(reply, answer) => drop(reply.send(synced.and(answer))),
        }
    }
}

/// Makes written bytes durable.
pub(super) trait Sync: Send + 'static {
    fn sync(&self) -> io::Result<()>;

    /// How large the database file is.
    fn bytes(&self) -> u64;
}

impl Sync for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn bytes(&self) -> u64 {
        self.metadata().map_or(0, |metadata| metadata.len())
    }
}

/// Figures for the metrics, kept up by the committer.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) database_bytes: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) observer: OnceLock<GroupObserver>,
}

impl Counters {
    fn committed(&self, commits: u64) {
        self.commits.fetch_add(commits, Ordering::Relaxed);
        // A group may be a sweep's removals alone, or batches that all lost a race.
        if let Some(observer) = self.observer.get().filter(|_| commits > 0) {
            observer(commits);
        }
    }
}

pub(super) struct Committer {
    pub(super) table: Arc<Table>,
    pub(super) file: Box<dyn Sync>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) versions: Versions,
    pub(super) counters: Arc<Counters>,
}

impl Committer {
    /// Works until all senders are gone and the queue is empty.
    pub(super) fn run(mut self, requests: &mpsc::Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            let mut bytes = first.bytes();
            let mut group = vec![first];
            while group.len() < GROUP_REQUESTS && bytes < GROUP_BYTES {
                let Ok(next) = requests.try_recv() else { break };
                bytes += next.bytes();
                group.push(next);
            }
            self.commit(group);
        }
    }

    fn commit(&mut self, requests: Vec<Request>) {
        let mut group = Group { table: &self.table, now: self.clock.now(), changes: Records::new() };
        let mut commits = 0;
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            answers.push(match request {
                Request::Commit(batch, reply) => {
                    let answer = group.commit(batch, &mut self.versions);
                    commits += u64::from(answer.is_ok());
                    Answer::Commit(reply, answer)
                }
                Request::Remove(expired, reply) => Answer::Remove(reply, group.remove(expired)),
            });
        }
        let changes = group.changes;
        let synced = self.write(changes).map_err(|fault| self.table.fail(fault));
        if synced.is_ok() {
            self.counters.committed(commits);
        }
        for answer in answers {
            answer.send(synced.clone());
        }
    }

    fn write(&mut self, changes: Records) -> Result<(), StoreError> {
        self.table.check()?;
        if changes.is_empty() {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        let mut before = Records::new();
        for (key, new) in changes {
            let old = cell::read(&self.table.db, &key)?;
            cell::write(&mut batch, &key, old.as_ref(), new.as_ref());
            before.insert(key, old);
        }
        self.versions.reserve(&mut batch);
        self.table.apply(batch, before)?;
        self.table.db.flush().map_err(StoreError::new)?;
        self.file.sync().map_err(StoreError::new)?;
        self.counters.syncs.fetch_add(1, Ordering::Relaxed);
        self.counters.database_bytes.store(self.file.bytes(), Ordering::Relaxed);
        self.table.synced()
    }
}

/// A panic inside sled leaves as much in doubt as a failed sync.
impl Drop for Committer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.table.fail(StoreError::new("the store's committer panicked: restart the server"));
        }
    }
}

/// What the batches of one group change, each seeing those before it.
struct Group<'a> {
    table: &'a Table,
    now: UnixTime,
    changes: Records,
}

impl Group<'_> {
    fn commit(&mut self, batch: Batch, versions: &mut Versions) -> Result<Version, CommitError> {
        for (key, condition) in &batch.preconditions {
            if !self.with_current(key, |stored| condition.holds(stored, self.now))? {
                return Err(CommitError::Conflict);
            }
        }
        let version = versions.next();
        for (key, change) in batch.changes {
            let new = match change {
                Change::Put { value, expires_at } => Some(Stored { value, version, expires_at }),
                Change::Delete => None,
            };
            self.changes.insert(key, new);
        }
        Ok(version)
    }

    fn remove(&mut self, expired: Expired) -> Result<usize, StoreError> {
        let mut removed = 0;
        for (key, version) in expired {
            if self.with_current(&key, |stored| stored.is_some_and(|stored| stored.version == version))? {
                self.changes.insert(key, None);
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// What the batches so far left under `key`.
    fn with_current<T>(&self, key: &Key, look: impl FnOnce(Option<&Stored>) -> T) -> Result<T, StoreError> {
        match self.changes.get(key) {
            Some(changed) => Ok(look(changed.as_ref())),
            None => Ok(look(cell::read(&self.table.db, key)?.as_ref())),
        }
    }
}
