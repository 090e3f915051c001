//! The defence against guessing passwords: a few free tries for each typed account name and each address, then one at a
//! time after a delay that doubles.
//!
//! **Tries in flight count as failures that are not known yet.** While stored failures and tries in flight together
//! reach the limit, a further try waits for one of them to end; so a crowd of wrong passwords never gets more tries than
//! the policy allows, however many come at once, and a crowd of right ones is let through, a few at a time. Refused is
//! only who comes before the delay has passed, or when too many wait for too long.
//!
//! A failure is stored before its answer goes out, under a keyed hash of the name or address, and forgotten some time
//! after the last one. A success clears the account's entry and leaves the address's. Names that no account has are
//! counted in the same way. Clients' secrets are defended alike: `client` has what differs.

mod admission;
mod capacity;
mod client;
mod entry;
mod forget;
mod listing;
mod live;
mod policy;
#[cfg(test)]
mod tests;

pub use admission::{Admission, TypedName};
pub use client::ClientTry;
pub use entry::{KeyedHash, Kind};
pub use listing::{LockoutListing, Release};

use crate::clock::{Clock, millis};
use crate::config::model::Lockout as Options;
use crate::store::record::{self, Loaded};
use crate::store::{Batch, CommitError, Store, StoreError};
use capacity::{Index, Indexed, Plan};
use entry::{LockoutEntry, Row, Subject};
use live::{Doubt, LiveTable, Place};
use policy::{Failures, Turn};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How many tries may wait under one name or address, and how long each.
const MAX_WAITING: u32 = 256;
const MAX_WAIT: Duration = Duration::from_secs(10);

/// What a try is told that could not wait any longer.
const CROWDED: LockoutRefusal = LockoutRefusal { retry_after: Duration::from_secs(1) };

/// How often a commit is tried again after a conflict (with a release, or with another server on the same store).
const MAX_TRIES: usize = 16;

/// No try now: 429 with `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many failed logins")]
pub struct LockoutRefusal {
    /// When a try may be admitted again.
    pub retry_after: Duration,
}

/// Why a try was not admitted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AdmitError {
    /// Too early, or too many at once.
    #[error(transparent)]
    Refused(#[from] LockoutRefusal),
    /// The failures cannot be read: no try without knowing them.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// Counters since the start, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockoutStats {
    /// Tries admitted.
    pub admitted: u64,
    /// Tries refused.
    pub refused: u64,
    /// Times that a try waited for another one.
    pub waits: u64,
    /// Failures stored.
    pub failures: u64,
    /// Entries that went because the table was full.
    pub evicted: u64,
    /// Entries in the table; 0 until the first failure since the start.
    pub entries: u64,
}

#[derive(Default)]
struct Counters {
    admitted: AtomicU64,
    refused: AtomicU64,
    waits: AtomicU64,
    failures: AtomicU64,
    evicted: AtomicU64,
}

/// See the module.
pub struct Lockout {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    hash: KeyedHash,
    options: Options,
    live: LiveTable,
    /// Loaded before the first write.
    index: OnceCell<Mutex<Index>>,
    counters: Counters,
}

impl Lockout {
    /// The defence over the failures in `store`. `hash` keeps names and addresses unreadable there.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, hash: KeyedHash, options: Options) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            hash,
            options,
            live: LiveTable::default(),
            index: OnceCell::new(),
            counters: Counters::default(),
        })
    }

    /// Asks for one try at `account`, the name as typed, from `ip` (`None` where there is none, on a unix socket). May
    /// wait for other tries at the same name or from the same address, at most ten seconds by the clock.
    ///
    /// # Errors
    /// `Refused` before the delay has passed, or in a crowd; `Unavailable` when the store fails.
    pub async fn admit(self: &Arc<Self>, account: &str, ip: Option<IpAddr>) -> Result<Admission, AdmitError> {
        // Always the account before the address: so no two tries ever wait for each other's turn.
        let address = ip.map(|ip| Subject::address(&self.hash, ip));
        let subjects = std::iter::once(Subject::account(&self.hash, account)).chain(address);
        self.admit_at(subjects.map(|subject| self.live.enter(subject, Doubt::Guess)).collect()).await
    }

    /// How long a try at `account`, the name as typed, would be refused now. Nothing is counted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remaining(&self, account: &str) -> Result<Duration, StoreError> {
        let failures = self.failures(&Subject::account(&self.hash, account).row).await?;
        match policy::turn(&self.options, failures, 0, self.clock.now_ms()) {
            Turn::After(remaining) => Ok(remaining),
            Turn::Now | Turn::AfterAnother => Ok(Duration::ZERO),
        }
    }

    /// Asks for one try that counts by all of `places`: the name before the address.
    async fn admit_at(self: &Arc<Self>, places: Vec<Place>) -> Result<Admission, AdmitError> {
        let admitted = self.wait_for_turn(places).await;
        let counter = match &admitted {
            Ok(_) => &self.counters.admitted,
            Err(_) => &self.counters.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        admitted
    }

    async fn wait_for_turn(self: &Arc<Self>, places: Vec<Place>) -> Result<Admission, AdmitError> {
        let deadline_ms = self.clock.monotonic_ms().saturating_add(millis(MAX_WAIT));
        loop {
            let turns = take_turns(&places.iter().collect::<Vec<_>>()).await;
            let Some(crowded) = self.crowded(&places).await? else {
                places.iter().for_each(Place::take_off);
                drop(turns);
                return Ok(Admission::new(self.clone(), places));
            };
            let _in_line = crowded.wait_in_line(MAX_WAITING).ok_or(CROWDED)?;
            // Made before the turns end, so that no ending is missed.
            let ended = crowded.live.ended.notified();
            drop(turns);
            self.counters.waits.fetch_add(1, Ordering::Relaxed);
            tokio::select! {
                biased;
                () = ended => {}
                () = self.clock.sleep_until(deadline_ms) => return Err(CROWDED.into()),
            }
        }
    }

    /// Which place has too many tries in flight, if any. The caller has all turns.
    async fn crowded<'a>(&self, places: &'a [Place]) -> Result<Option<&'a Place>, AdmitError> {
        let mut crowded = None;
        let mut retry_after = Duration::ZERO;
        for place in places {
            let failures = self.failures(&place.subject.row).await?;
            match policy::turn(&self.options, failures, place.live.in_flight(), self.clock.now_ms()) {
                Turn::Now => {}
                Turn::AfterAnother => crowded = Some(place),
                Turn::After(remaining) => retry_after = retry_after.max(remaining),
            }
        }
        if retry_after.is_zero() { Ok(crowded) } else { Err(LockoutRefusal { retry_after }.into()) }
    }

    /// Stores one more failure under each place.
    async fn record_failure(&self, places: &[Place], name: TypedName) -> Result<(), StoreError> {
        let index = self.index().await?;
        let _turns = take_turns(&places.iter().collect::<Vec<_>>()).await;
        for _ in 0..MAX_TRIES {
            let now_ms = self.clock.now_ms();
            let mut batch = Batch::new();
            let mut plan = Plan::default();
            for place in places {
                // Of clients, an address counts how many different ones failed there.
                if place.subject.row.kind == Kind::ClientAddress && !plan.replaced.is_empty() {
                    continue;
                }
                batch = self.plan_failure(place, name, now_ms, batch, &mut plan).await?;
            }
            lock(index).apply(&mut plan, self.options.max_entries, now_ms);
            batch = plan.evicted.iter().fold(batch, |batch, evicted| batch.delete(evicted.row.key()));
            let committed = self.store.commit(batch).await;
            if committed.is_err() {
                lock(index).undo(&plan);
            }
            match committed {
                Ok(_) => {
                    self.counters.failures.fetch_add(1, Ordering::Relaxed);
                    self.counters.evicted.fetch_add(plan.evicted.len() as u64, Ordering::Relaxed);
                    return Ok(());
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::Unavailable(error)) => return Err(error),
                Err(error) => return Err(StoreError::new(error)),
            }
        }
        Err(StoreError::new(CommitError::Conflict))
    }

    async fn plan_failure(
        &self,
        place: &Place,
        name: TypedName,
        now_ms: u64,
        batch: Batch,
        plan: &mut Plan,
    ) -> Result<Batch, StoreError> {
        let Subject { row, label } = &place.subject;
        let loaded = self.load(place).await?;
        let readable = row.kind.is_address() || name == TypedName::Known;
        let before = loaded.as_ref().map(|loaded| &loaded.value);
        let entry = LockoutEntry::after_failure(before, readable.then(|| label.clone()), now_ms);
        plan.replaced.extend(before.map(|before| Indexed::new(*row, before, &self.options)));
        plan.inserted.push(Indexed::new(*row, &entry, &self.options));
        let batch = batch.expect_as_loaded(row.key(), loaded.map(|loaded| loaded.version));
        batch.put_record(row.key(), &entry, Some(entry.expires_at(&self.options)))
    }

    async fn failures(&self, row: &Row) -> Result<Failures, StoreError> {
        let loaded = record::load::<LockoutEntry>(&*self.store, &row.key()).await?;
        Ok(loaded.map_or(Failures::default(), |loaded| loaded.value.failures()))
    }

    async fn load(&self, place: &Place) -> Result<Option<Loaded<LockoutEntry>>, StoreError> {
        record::load(&*self.store, &place.subject.row.key()).await
    }

    async fn index(&self) -> Result<&Mutex<Index>, StoreError> {
        self.index.get_or_try_init(async || Ok(Mutex::new(Index::load(&*self.store, &self.options).await?))).await
    }

    /// Counters for the metrics.
    #[must_use]
    pub fn stats(&self) -> LockoutStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LockoutStats {
            admitted: of(&self.counters.admitted),
            refused: of(&self.counters.refused),
            waits: of(&self.counters.waits),
            failures: of(&self.counters.failures),
            evicted: of(&self.counters.evicted),
            entries: self.index.get().map_or(0, |index| lock(index).len() as u64),
        }
    }
}

impl std::fmt::Debug for Lockout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lockout").field("options", &self.options).finish_non_exhaustive()
    }
}

async fn take_turns<'a>(places: &[&'a Place]) -> Vec<tokio::sync::MutexGuard<'a, ()>> {
    let mut turns = Vec::with_capacity(places.len());
    for place in places {
        turns.push(place.live.turn.lock().await);
    }
    turns
}

fn lock(index: &Mutex<Index>) -> MutexGuard<'_, Index> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}
