//! The store's promises as checks that any engine can run against itself.
//!
//! An engine outside of this crate implements [`Engine`] and calls [`run`] in its tests, on a multi-threaded runtime:
//! on one thread the racing checks race less.

mod concurrency;
mod durability;
mod expiry;
mod rules;

use super::{Batch, CommitError, Key, Store, StoreError, Version, Versioned};
use crate::clock::{Clock, ManualClock, UnixTime};
use async_trait::async_trait;
use std::fmt::Debug;
use std::sync::Arc;

/// An engine as the suite sees it.
pub trait Engine: Send + Sync {
    /// An empty store that reads `clock`.
    ///
    /// # Errors
    /// When it cannot be made.
    fn create(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError>;

    /// Closes `store` and opens it again; `None` where nothing outlives the store.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn reopen(&self, _store: Arc<dyn Store>, _clock: Arc<dyn Clock>) -> Result<Option<Arc<dyn Store>>, StoreError> {
        Ok(None)
    }

    /// Makes the next syncs of the store created last wait; `None` where the engine has no such moment.
    fn hold_syncs(&self) -> Option<Box<dyn HeldSyncs>> {
        None
    }
}

/// Syncs that wait until this is dropped.
#[async_trait]
pub trait HeldSyncs: Send {
    /// Returns once a commit has been applied and waits for its sync.
    async fn reached(&mut self);
}

/// A promise that an engine does not keep.
#[derive(Debug, thiserror::Error)]
#[error("{check}: {what}")]
pub struct Violation {
    /// The promise.
    pub check: &'static str,
    /// What was seen instead.
    pub what: String,
}

/// Runs all checks, each on a store of its own.
///
/// # Errors
/// The first promise that does not hold.
pub async fn run(engine: &dyn Engine) -> Result<(), Violation> {
    rules::run(engine).await?;
    expiry::run(engine).await?;
    concurrency::run(engine).await?;
    durability::run(engine).await
}

const START: UnixTime = UnixTime(1_000_000);

/// A store, its clock, and the promise being checked.
struct Check {
    name: &'static str,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
}

type Outcome<T = ()> = Result<T, Violation>;

impl Check {
    fn begin(engine: &dyn Engine, name: &'static str) -> Outcome<Self> {
        let clock = Arc::new(ManualClock::at(START));
        let store = engine.create(clock.clone()).map_err(|error| Violation { check: name, what: error.to_string() })?;
        Ok(Self { name, store, clock })
    }

    /// `None` where the engine cannot be opened again.
    fn reopen(self, engine: &dyn Engine) -> Outcome<Option<Self>> {
        let Self { name, store, clock } = self;
        let failed = |error: StoreError| Violation { check: name, what: error.to_string() };
        let reopened = engine.reopen(store, clock.clone()).map_err(failed)?;
        Ok(reopened.map(|store| Self { name, store, clock }))
    }

    fn ok<T>(&self, result: Result<T, impl ToString>) -> Outcome<T> {
        result.map_err(|error| Violation { check: self.name, what: error.to_string() })
    }

    fn same<T: PartialEq + Debug>(&self, what: &str, found: T, expected: T) -> Outcome {
        self.holds(found == expected, || format!("{what} is {found:?}, not {expected:?}"))
    }

    fn holds(&self, condition: bool, what: impl FnOnce() -> String) -> Outcome {
        if condition { Ok(()) } else { Err(Violation { check: self.name, what: what() }) }
    }

    async fn get(&self, name: &str) -> Outcome<Option<Versioned>> {
        self.ok(self.store.get(&key(name)).await)
    }

    async fn value(&self, name: &str) -> Outcome<Option<Vec<u8>>> {
        Ok(self.get(name).await?.map(|found| found.value))
    }

    async fn version(&self, name: &str) -> Outcome<Version> {
        let found = self.get(name).await?;
        self.ok(found.map(|found| found.version).ok_or_else(|| format!("{name} is missing")))
    }

    async fn commit(&self, batch: Batch) -> Outcome<Version> {
        self.ok(self.store.commit(batch).await)
    }

    async fn put(&self, name: &str, value: &[u8]) -> Outcome<Version> {
        self.commit(Batch::new().put(key(name), value.into(), None)).await?;
        self.version(name).await
    }

    async fn conflicts(&self, what: &str, batch: Batch) -> Outcome {
        let result = self.store.commit(batch).await;
        self.holds(matches!(result, Err(CommitError::Conflict)), || format!("{what} gave {result:?}, not a conflict"))
    }

    async fn names(&self, prefix: &str, after: Option<&str>, limit: usize) -> Outcome<Vec<String>> {
        let after = after.map(key);
        let found = self.ok(self.store.scan(&key(prefix), after.as_ref(), limit).await)?;
        Ok(found.iter().map(|(key, _)| String::from_utf8_lossy(key.as_bytes()).into_owned()).collect())
    }
}

fn key(name: &str) -> Key {
    Key::new(name.as_bytes())
}
