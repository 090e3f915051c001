//! What operators see and do: events that wait, and those that were given up.

use super::Events;
use super::outbox::Row;
use super::records::{Dead, Happened, Waiting};
use super::sink::Sink;
use crate::store::StoreError;
use crate::store::record::Record;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// Rows changed by one commit.
const PAGE: usize = 100;

/// An event at a sink, for the operator. Times are in seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// The event's id, the same at each sink.
    pub id: String,
    /// The sink's name.
    pub sink: String,
    /// `login.rejected`, …
    pub kind: String,
    /// When it happened.
    pub happened_at: u64,
    /// Deliveries that failed because of it, or while it was the first.
    pub tries: u32,
    /// When it is tried again, of one that waits after a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<u64>,
    /// When it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub died_at: Option<u64>,
    /// Why the last try failed.
    pub error: Option<String>,
    /// What the sink gets.
    pub event: Value,
}

impl Letter {
    /// Where a list goes on after this one.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}/{}", self.sink, self.id)
    }
}

/// What a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Which<'a> {
    /// One event; without it all.
    pub id: Option<&'a str>,
    /// At one sink; without it at all.
    pub sink: Option<&'a str>,
}

/// How far a command came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Events that it moved or removed.
    pub events: u64,
    /// It left some, as there is no room for more.
    pub full: bool,
}

impl Events {
    /// At most `limit` events that wait, or dead letters, by sink and age, after the [`Letter::place`] `after`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(
        &self,
        dead: bool,
        sink: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        if dead {
            Ok(self.rows::<Dead>(sink, after, limit).await?.into_iter().map(dead_letter).collect())
        } else {
            Ok(self.rows::<Waiting>(sink, after, limit).await?.into_iter().map(waiting_letter).collect())
        }
    }

    async fn rows<R: Record>(
        &self,
        sink: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row<R>>, StoreError> {
        let after = after.and_then(|place| place.split_once('/'));
        let after = after.map(|(sink, id)| R::key(&[sink.as_bytes(), id.as_bytes()]));
        self.outbox.rows(sink, after.as_ref(), limit).await
    }

    /// Lets dead letters of configured sinks wait once more, with their ids.
    ///
    /// # Errors
    /// When the store fails; some may be done then.
    pub async fn replay(&self, which: Which<'_>) -> Result<Done, StoreError> {
        let mut done = Done::default();
        for sink in &self.chosen(which) {
            if let Some(id) = which.id {
                let row = self.outbox.row(&sink.name, id).await?;
                self.revive(sink, row.into_iter().collect(), &mut done).await?;
                continue;
            }
            self.replay_all(sink, &mut done).await?;
        }
        Ok(done)
    }

    /// Each letter once: one that is refused again meanwhile lies behind.
    async fn replay_all(&self, sink: &Sink, done: &mut Done) -> Result<(), StoreError> {
        let mut after = None;
        while !done.full {
            let rows = self.outbox.rows::<Dead>(Some(&sink.name), after.as_ref(), PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key());
            self.revive(sink, rows, done).await?;
        }
        Ok(())
    }

    async fn revive(&self, sink: &Sink, rows: Vec<Row<Dead>>, done: &mut Done) -> Result<(), StoreError> {
        let room = self.outbox.limits.max_entries.saturating_sub(sink.waiting());
        if (rows.len() as u64) > room {
            done.full = true;
            return Ok(());
        }
        done.events += self.outbox.revive(sink, rows).await?;
        Ok(())
    }

    fn chosen(&self, which: Which<'_>) -> Vec<Arc<Sink>> {
        let is_chosen = |sink: &&Arc<Sink>| which.sink.is_none_or(|name| name == sink.name);
        self.sinks.load().iter().filter(is_chosen).cloned().collect()
    }

    /// Whether there is such a sink.
    #[must_use]
    pub fn knows(&self, sink: &str) -> bool {
        self.sinks.load().iter().any(|known| known.name == sink)
    }

    /// Removes dead letters, or events that wait, also of sinks that are not configured any more.
    ///
    /// # Errors
    /// When the store fails; some may be done then.
    pub async fn discard(&self, waiting: bool, which: Which<'_>) -> Result<Done, StoreError> {
        let events = if waiting { self.remove::<Waiting>(which).await? } else { self.remove::<Dead>(which).await? };
        for sink in self.sinks.load().iter() {
            self.outbox.count(sink).await?;
            sink.nudge.notify_one();
        }
        Ok(Done { events, full: false })
    }

    async fn remove<R: Record + Clone>(&self, which: Which<'_>) -> Result<u64, StoreError> {
        let (mut removed, mut after) = (0, None);
        loop {
            let page = self.outbox.rows::<R>(which.sink, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(removed) };
            after = Some(last.key());
            let chosen = page.into_iter().filter(|row| which.id.is_none_or(|id| id == row.id)).collect();
            removed += self.outbox.remove(chosen).await?;
        }
    }
}

fn dead_letter(row: Row<Dead>) -> Letter {
    let Dead { event, tries, died_ms, error } = row.value;
    Letter { died_at: Some(died_ms / 1000), error: Some(error), tries, ..letter(row.sink, row.id, event) }
}

fn waiting_letter(row: Row<Waiting>) -> Letter {
    let Waiting { event, tries, next_try_ms, error, .. } = row.value;
    let next_try_at = (next_try_ms > 0).then_some(next_try_ms / 1000);
    Letter { next_try_at, error, tries, ..letter(row.sink, row.id, event) }
}

fn letter(sink: String, id: String, happened: Happened) -> Letter {
    Letter {
        id,
        sink,
        happened_at: happened.at_ms / 1000,
        event: serde_json::from_str(&happened.json).unwrap_or_default(),
        kind: happened.kind,
        tries: 0,
        next_try_at: None,
        died_at: None,
        error: None,
    }
}
