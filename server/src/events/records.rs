//! What the store keeps of an event, for one sink: under the sink's name and the event's id.

use crate::store::record::Record;
use pintle_plugin_api::Event;
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Happened {
    pub kind: String,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// An object.
    pub json: String,
}

/// An event that the sink has not taken yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub event: Happened,
    /// Since when it waits: its age counts from here, anew after a replay.
    pub since_ms: u64,
    /// How often it was first in a delivery that failed.
    pub tries: u32,
    /// Not to be tried before; 0 for at once.
    pub next_try_ms: u64,
    /// Why the last try failed.
    pub error: Option<String>,
}

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dead {
    pub event: Happened,
    pub tries: u32,
    /// When it was given up.
    pub died_ms: u64,
    /// Why.
    pub error: String,
}

impl Record for Waiting {
    const TABLE: &'static str = "event";
    const VERSION: u8 = 1;
}

impl Record for Dead {
    const TABLE: &'static str = "event_dead";
    const VERSION: u8 = 1;
}

impl Happened {
    pub fn of(event: &Event) -> Self {
        Self { kind: event.kind.clone(), at_ms: event.at_ms, json: event.json.clone() }
    }

    pub fn with_id(&self, id: &str) -> Event {
        Event { id: id.to_owned(), kind: self.kind.clone(), at_ms: self.at_ms, json: self.json.clone() }
    }
}

impl Waiting {
    pub const fn new(event: Happened, now_ms: u64) -> Self {
        Self { event, since_ms: now_ms, tries: 0, next_try_ms: 0, error: None }
    }
}
