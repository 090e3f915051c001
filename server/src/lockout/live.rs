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
    /// Places of tries that may turn out wrong, whether in flight or not yet.
    guesses: AtomicU32,
    waiting: AtomicU32,
    /// Tells all who wait that a try has ended.
    pub ended: Notify,
}

impl Live {
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::SeqCst)
    }
}

/// What is known of a try's end while it waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing.
    Guess,
    /// The secret is right, or there is none.
    None,
}

/// All rows with somebody at them.
#[derive(Clone, Default)]
pub(super) struct LiveTable(Arc<Mutex<HashMap<Row, Arc<Live>>>>);

impl LiveTable {
    pub fn enter(&self, subject: Subject, doubt: Doubt) -> Place {
        let live = self.rows().entry(subject.row).or_default().clone();
        let is_guess = doubt == Doubt::Guess;
        live.guesses.fetch_add(u32::from(is_guess), Ordering::SeqCst);
        Place { subject, live, table: self.clone(), is_guess, flying: AtomicBool::new(false) }
    }

    /// Whether a guess is being made at one of `rows`: waits, is in flight, or has its failure stored.
    pub fn is_guessed_at<'a>(&self, rows: impl IntoIterator<Item = &'a Row>) -> bool {
        let live = self.rows();
        rows.into_iter().any(|row| live.get(row).is_some_and(|live| live.guesses.load(Ordering::SeqCst) > 0))
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<Row, Arc<Live>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Places under `row` of tries that may turn out wrong.
    #[cfg(test)]
    pub fn guesses(&self, row: &Row) -> u32 {
        self.rows().get(row).map_or(0, |live| live.guesses.load(Ordering::SeqCst))
    }

    /// All places under `row`.
    #[cfg(test)]
    pub fn places(&self, row: &Row) -> usize {
        self.rows().get(row).map_or(0, |live| Arc::strong_count(live) - 1)
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
    is_guess: bool,
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
        self.live.guesses.fetch_sub(u32::from(self.is_guess), Ordering::SeqCst);
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
