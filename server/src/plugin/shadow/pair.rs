//! A shadow and whom it is compared with.

use super::facts::{Facts, differences};
use super::ledger::{Answer, Ledger, Question};
use crate::plugin::HostServices;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What a question to both of them showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// They said the same.
    Same,
    /// They did not.
    Different,
    /// One of them was not asked.
    Skipped,
}

impl Comparison {
    /// For the metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::Skipped => "skipped",
        }
    }
}

/// Told of a shadow's name and what a question showed.
pub type Observer = Arc<dyn Fn(&str, Comparison) + Send + Sync>;

/// Questions to one shadow at a time: it must not crowd out what is live.
const MAX_AT_ONCE: usize = 4;

/// Compares a shadow's answers and writes them down.
pub struct Pair {
    ledger: Arc<Ledger>,
    services: Arc<dyn HostServices>,
    observer: Observer,
    room: Arc<Semaphore>,
}

impl Pair {
    /// A shadow whose answers go to `ledger`.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, services: Arc<dyn HostServices>, observer: Observer) -> Self {
        Self { ledger, services, observer, room: Arc::new(Semaphore::new(MAX_AT_ONCE)) }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.services.monotonic_ms()
    }

    pub(super) fn skip(&self) {
        (self.observer)(self.ledger.shadow(), Comparison::Skipped);
        self.ledger.skip();
    }

    /// Asks the shadow, beside whoever waits for the live answer, where that is one (`live`, since `started_ms`); not while
    /// the machine has better things to do.
    pub(super) fn ask(
        self: &Arc<Self>,
        question: Question,
        started_ms: u64,
        live: Option<Facts>,
        shadow: impl Future<Output = Option<Facts>> + Send + 'static,
    ) {
        let Some(facts) = live.filter(|_| !self.services.is_hashing_busy()) else { return self.skip() };
        let Ok(turn) = Arc::clone(&self.room).try_acquire_owned() else { return self.skip() };
        let (pair, asked_ms) = (Arc::clone(self), self.now_ms());
        let live = Answer { facts, ms: asked_ms.saturating_sub(started_ms) };
        tokio::spawn(async move {
            let _turn = turn;
            match shadow.await {
                Some(facts) => {
                    let ms = pair.now_ms().saturating_sub(asked_ms);
                    pair.compare(&question, &live, &Answer { facts, ms });
                }
                None => pair.skip(),
            }
        });
    }

    fn compare(&self, question: &Question, live: &Answer, shadow: &Answer) {
        let found = differences(&live.facts, &shadow.facts);
        let comparison = if found.is_empty() { Comparison::Same } else { Comparison::Different };
        // First, so that who reads the ledger finds the figures as far as it.
        (self.observer)(self.ledger.shadow(), comparison);
        self.ledger.record(self.services.now_ms(), question, [live, shadow], found);
        if comparison == Comparison::Different {
            let (shadow, request_id) = (self.ledger.shadow(), question.request_id.as_str());
            tracing::warn!(shadow, request_id, kind = question.kind.name(), "a shadow's answer differs");
        }
    }
}
