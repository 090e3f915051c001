//! The names and addresses with tries in flight, in memory.

use super::entry::{Row, Subject};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What is known of one row while somebody is at it.
#[derive(Default)]
pub(super) struct Live {
    /// Held from loading the stored failures to admitting, and from loading to committing one more: so what is
    /// admitted always rests on all failures that have ended.
    pub turn: tokio::sync::Mutex<()>,
    in_flight: AtomicU32,
    waiting: AtomicU32,
    /// Tells all who wait that a try has ended.
    pub ended: Notify,
}

impl Live {
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::SeqCst)
    }
}

/// All rows with somebody at them.
#[derive(Clone, Default)]
pub(super) struct LiveTable(Arc<Mutex<HashMap<Row, Arc<Live>>>>);

impl LiveTable {
    pub fn enter(&self, subject: Subject) -> Place {
        let live = self.rows().entry(subject.row).or_default().clone();
        Place { subject, live, table: self.clone(), flying: AtomicBool::new(false) }
    }

    /// Tries in flight under `row`.
    pub fn in_flight(&self, row: &Row) -> u32 {
        self.rows().get(row).map_or(0, |live| live.in_flight())
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<Row, Arc<Live>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.rows().len()
    }
}

/// One try's hold on a row; the last one to go removes the row from memory.
pub(super) struct Place {
    pub subject: Subject,
    pub live: Arc<Live>,
    table: LiveTable,
    flying: AtomicBool,
}

impl Place {
    /// Counts this try as in flight until the place is dropped. Once, and in turn.
    pub fn take_off(&self) {
        self.flying.store(true, Ordering::SeqCst);
        self.live.in_flight.fetch_add(1, Ordering::SeqCst);
    }

    /// Joins those who wait, unless `max` do already.
    pub fn wait_in_line(&self, max: u32) -> Option<InLine<'_>> {
        let joined = |waiting| (waiting < max).then_some(waiting + 1);
        self.live.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, joined).ok()?;
        Some(InLine(&self.live))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if *self.flying.get_mut() {
            self.live.in_flight.fetch_sub(1, Ordering::SeqCst);
            self.live.ended.notify_waiters();
        }
        // Places are only made under this lock, so a count of two is this one and the table's.
        let mut rows = self.table.rows();
        if Arc::strong_count(&self.live) == 2 {
            rows.remove(&self.subject.row);
        }
    }
}

/// A place among those who wait.
pub(super) struct InLine<'a>(&'a Live);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
