//! What the shadows' answers came to. It is kept in memory: it outlives reloads that leave a shadow as it is, and no
//! restart.

use super::facts::Facts;
use crate::config::model::PluginEntry;
use crate::plugin::limits::Kind;
use crate::plugin::log_line;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The differences that are kept of each shadow: the latest ones.
const MAX_DIFFERENCES: usize = 500;
/// The longest user name that is kept, in characters.
const MAX_NAME_CHARS: usize = 200;

/// Whose answers are compared: a ledger goes on as long as this stays the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The shadow's name.
    pub shadow: String,
    /// Whom it is compared with.
    pub live: String,
    /// Its entry.
    pub entry: PluginEntry,
    /// Which code it is.
    pub sha256: Option<[u8; 32]>,
    /// The live plugin's entry and code; none of an embedding program's own.
    pub beside: Option<(PluginEntry, Option<[u8; 32]>)>,
}

/// One fact of two answers to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// When the shadow had answered, in seconds since the Unix epoch.
    pub compared_at: u64,
    /// The shadow.
    pub shadow: String,
    /// Whom it is compared with.
    pub live: String,
    /// What was asked.
    pub kind: &'static str,
    /// Of the request, as in the audit log.
    pub request_id: String,
    /// The user's name.
    pub user: Option<String>,
    /// Which fact.
    pub fact: String,
    /// What the live plugin said; empty where it said nothing of it.
    pub live_answer: String,
    /// What the shadow said.
    pub shadow_answer: String,
}

/// How often a shadow said the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// The shadow.
    pub shadow: String,
    /// Whom it is compared with.
    pub live: String,
    /// Answers that said the same.
    pub same: u64,
    /// Answers that did not.
    pub different: u64,
    /// Questions that one of them was not asked: too many calls at once, passwords that wait to be hashed, a plugin that is
    /// disabled or whose circuit breaker is open, the second step of a login.
    pub skipped: u64,
    /// What the live plugin took for an answer that was compared, on average, in milliseconds.
    pub live_ms: u64,
    /// What the shadow took.
    pub shadow_ms: u64,
}

/// One shadow's.
pub struct Ledger {
    subject: Subject,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    same: u64,
    different: u64,
    skipped: u64,
    live_ms: u64,
    shadow_ms: u64,
    differences: VecDeque<Difference>,
}

/// What was asked.
pub(super) struct Question {
    pub kind: Kind,
    pub request_id: String,
    pub user: Option<String>,
}

/// An answer and the milliseconds that it took.
pub(super) struct Answer {
    pub facts: Facts,
    pub ms: u64,
}

impl Ledger {
    fn new(subject: Subject) -> Self {
        Self { subject, entries: Mutex::default() }
    }

    /// The shadow's name.
    #[must_use]
    pub fn shadow(&self) -> &str {
        &self.subject.shadow
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn skip(&self) {
        self.entries().skipped += 1;
    }

    /// Writes two answers down, and where they differ.
    pub(super) fn record(
        &self,
        now_ms: u64,
        question: &Question,
        [live, shadow]: [&Answer; 2],
        found: Vec<(String, String, String)>,
    ) {
        let mut entries = self.entries();
        entries.live_ms = entries.live_ms.saturating_add(live.ms);
        entries.shadow_ms = entries.shadow_ms.saturating_add(shadow.ms);
        if found.is_empty() {
            entries.same += 1;
            return;
        }
        entries.different += 1;
        for (fact, live_answer, shadow_answer) in found {
            entries.differences.push_back(Difference {
                compared_at: now_ms / 1000,
                shadow: self.subject.shadow.clone(),
                live: self.subject.live.clone(),
                kind: question.kind.name(),
                request_id: question.request_id.clone(),
                user: question.user.as_deref().map(|name| log_line::safe(name, MAX_NAME_CHARS)),
                fact,
                live_answer,
                shadow_answer,
            });
        }
        let surplus = entries.differences.len().saturating_sub(MAX_DIFFERENCES);
        entries.differences.drain(..surplus);
    }

    /// How often the shadow said the same, and where it did not, the oldest first: both of one moment.
    #[must_use]
    pub fn read(&self) -> (Sum, Vec<Difference>) {
        let entries = self.entries();
        (self.sum(&entries), entries.differences.iter().cloned().collect())
    }

    fn sum(&self, entries: &Entries) -> Sum {
        let compared = (entries.same + entries.different).max(1);
        Sum {
            shadow: self.subject.shadow.clone(),
            live: self.subject.live.clone(),
            same: entries.same,
            different: entries.different,
            skipped: entries.skipped,
            live_ms: entries.live_ms / compared,
            shadow_ms: entries.shadow_ms / compared,
        }
    }
}

/// The ledgers of all shadows. A clone is a handle on the same.
#[derive(Clone, Default)]
pub struct Ledgers(Arc<Mutex<BTreeMap<String, Arc<Ledger>>>>);

impl Ledgers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Ledger>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ledger that `subject` goes on with, or a new one, which is nobody's until [`Self::install`].
    #[must_use]
    pub fn of(&self, subject: Subject) -> Arc<Ledger> {
        let known = self.lock().get(&subject.shadow).filter(|ledger| ledger.subject == subject).cloned();
        known.unwrap_or_else(|| Arc::new(Ledger::new(subject)))
    }

    /// Keeps these, and forgets all others.
    pub fn install(&self, ledgers: Vec<Arc<Ledger>>) {
        *self.lock() = ledgers.into_iter().map(|ledger| (ledger.shadow().to_owned(), ledger)).collect();
    }

    /// All of them, by the shadow's name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Ledger>> {
        self.lock().values().cloned().collect()
    }
}
