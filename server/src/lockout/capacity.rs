//! Keeps the table within its bound: an index in memory of what is stored, by expiry.
//!
//! When the table is full, the entry that would expire first goes, passing over those whose delay has not passed, so
//! that a flood of made-up names cannot wash a locked account's entry out. Only where all of the first
//! [`MAX_PASSED_OVER`] are locked does the very first go: the bound holds.

use super::entry::{LockoutEntry, Row};
use crate::config::model::Lockout as Options;
use crate::store::record::{self, Record};
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;

const MAX_PASSED_OVER: usize = 1024;
const PAGE: usize = 1024;

/// An entry as the index knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Indexed {
    pub row: Row,
    /// Seconds since the Unix epoch.
    pub expires_at: u64,
    /// Milliseconds since the Unix epoch.
    pub ready_ms: u64,
}

impl Indexed {
    pub fn new(row: Row, entry: &LockoutEntry, options: &Options) -> Self {
        Self { row, expires_at: entry.expires_at(options).0, ready_ms: entry.ready_ms(options) }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index(BTreeMap<(u64, Row), u64>);

/// A change of the index that waits for its commit.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub replaced: Vec<Indexed>,
    pub inserted: Vec<Indexed>,
    /// To be deleted in the same commit.
    pub evicted: Vec<Indexed>,
}

impl Index {
    /// Reads the whole table.
    pub async fn load(store: &dyn Store, options: &Options) -> Result<Self, StoreError> {
        let mut index = Self::default();
        let mut after = None;
        loop {
            let page = store.scan(&LockoutEntry::key(&[]), after.as_ref(), PAGE).await?;
            for (key, found) in &page {
                if let Some(row) = Row::from_key(key) {
                    index.insert(Indexed::new(row, &record::decode(&found.value)?, options));
                }
            }
            match page.into_iter().nth(PAGE - 1) {
                Some((last, _)) => after = Some(last),
                None => return Ok(index),
            }
        }
    }

    /// Applies `plan` and fills in what must go for it.
    pub fn apply(&mut self, plan: &mut Plan, max_entries: usize, now_ms: u64) {
        self.remove_all(&plan.replaced);
        self.drop_expired(now_ms / 1000);
        for entry in &plan.inserted {
            self.insert(*entry);
        }
        while self.0.len() > max_entries {
            let Some(victim) = self.victim(&plan.inserted, now_ms) else { return };
            self.remove_all(&[victim]);
            plan.evicted.push(victim);
        }
    }

    /// Takes `plan` back, after a commit that was not applied.
    pub fn undo(&mut self, plan: &Plan) {
        self.remove_all(&plan.inserted);
        for entry in plan.replaced.iter().chain(&plan.evicted) {
            self.insert(*entry);
        }
    }

    /// Follows a change that was committed and needs no room.
    pub fn follow(&mut self, plan: &Plan) {
        self.remove_all(&plan.replaced);
        for entry in &plan.inserted {
            self.insert(*entry);
        }
    }

    pub fn remove_all(&mut self, entries: &[Indexed]) {
        for entry in entries {
            self.0.remove(&(entry.expires_at, entry.row));
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn insert(&mut self, entry: Indexed) {
        self.0.insert((entry.expires_at, entry.row), entry.ready_ms);
    }

    fn drop_expired(&mut self, now: u64) {
        while let Some(first) = self.0.first_entry().filter(|first| first.key().0 <= now) {
            first.remove();
        }
    }

    fn victim(&self, spared: &[Indexed], now_ms: u64) -> Option<Indexed> {
        let entries = || {
            let all = self.0.iter().map(|(&(expires_at, row), &ready_ms)| Indexed { row, expires_at, ready_ms });
            all.filter(|entry| !spared.contains(entry)).take(MAX_PASSED_OVER)
        };
        entries().find(|entry| entry.ready_ms <= now_ms).or_else(|| entries().next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockout::entry::Kind;

    fn entry(id: u8, expires_at: u64, ready_ms: u64) -> Indexed {
        Indexed { row: Row { kind: Kind::Account, hash: [id; 16] }, expires_at, ready_ms }
    }

    fn full() -> Index {
        let mut index = Index::default();
        for indexed in [entry(1, 100, 60_000), entry(2, 101, 0), entry(3, 102, 0)] {
            index.insert(indexed);
        }
        index
    }

    #[test]
    fn the_first_to_expire_goes_but_no_active_delay() {
        let mut plan = Plan { inserted: vec![entry(4, 103, 0)], ..Plan::default() };
        let mut index = full();
        index.apply(&mut plan, 3, 50_000);
        assert_eq!(plan.evicted, [entry(2, 101, 0)]);
        assert_eq!(index.len(), 3);

        let mut plan = Plan { inserted: vec![entry(4, 103, 0)], ..Plan::default() };
        full().apply(&mut plan, 3, 60_000);
        assert_eq!(plan.evicted, [entry(1, 100, 60_000)], "its delay has passed");
    }

    #[test]
    fn the_bound_holds_when_every_entry_is_locked() {
        let mut index = Index::default();
        for id in 1..=3 {
            index.insert(entry(id, 100 + u64::from(id), 90_000));
        }
        let mut plan = Plan { inserted: vec![entry(4, 104, 90_000)], ..Plan::default() };
        index.apply(&mut plan, 3, 50_000);
        assert_eq!(plan.evicted, [entry(1, 101, 90_000)]);
    }

    #[test]
    fn expired_entries_make_room_and_a_replaced_one_needs_none() {
        let mut plan = Plan { inserted: vec![entry(4, 200, 0)], ..Plan::default() };
        let mut index = full();
        index.apply(&mut plan, 3, 101_000);
        assert_eq!((plan.evicted.len(), index.len()), (0, 2));

        let mut plan = Plan { replaced: vec![entry(2, 101, 0)], inserted: vec![entry(2, 150, 0)], ..Plan::default() };
        let mut index = full();
        index.apply(&mut plan, 3, 50_000);
        assert_eq!((plan.evicted.len(), index.len()), (0, 3));
    }

    #[test]
    fn a_plan_that_was_not_committed_is_taken_back() {
        let mut index = full();
        let mut plan = Plan {
            replaced: vec![entry(3, 102, 0)],
            inserted: vec![entry(3, 150, 0), entry(4, 150, 0)],
            ..Plan::default()
        };
        index.apply(&mut plan, 3, 50_000);
        assert_eq!(plan.evicted, [entry(2, 101, 0)]);
        index.undo(&plan);
        assert_eq!(index.0, full().0);
    }
}
