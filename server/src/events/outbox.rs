//! The outbox in the store: rows that wait, rows that were given up, and the ways between.

use super::records::{Dead, Happened, Waiting};
use super::sink::Sink;
use super::{Limits, MAX_BATCH};
use crate::clock::{Clock, UnixTime};
use crate::metrics::{EventOutcome, Metrics};
use crate::store::record::{self, Record};
use crate::store::{Batch, CommitError, Key, MAX_VALUE_BYTES, Store, StoreError, Version};
use pintle_plugin_api::Event;
use std::sync::Arc;

/// Rows read at once where all of them are looked at.
const PAGE: usize = 512;

/// Every lost race is an operator's command: there are few.
const MAX_RELOADS: usize = 16;

pub(super) struct Outbox {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
    pub limits: Limits,
}

/// A record and where it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row<R> {
    pub sink: String,
    pub id: String,
    pub value: R,
    pub version: Version,
}

/// An event on its way into the outbox.
pub(super) struct New {
    pub sink: Arc<Sink>,
    pub event: Event,
}

impl<R: Record> Row<R> {
    pub fn key(&self) -> Key {
        R::key(&[self.sink.as_bytes(), self.id.as_bytes()])
    }
}

impl Outbox {
    /// At most `limit` rows of `sink`, or of all, from after the key `after` on.
    pub async fn rows<R: Record>(
        &self,
        sink: Option<&str>,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Row<R>>, StoreError> {
        let prefix = sink.map_or_else(|| R::key(&[]), |sink| R::key(&[sink.as_bytes()]));
        let found = self.store.scan(&prefix, after, limit).await?;
        let row = |(key, found): &(Key, crate::store::Versioned)| {
            let [_, sink, id]: [Vec<u8>; 3] = record::parts(key)?.try_into().ok()?;
            let (sink, id) = (String::from_utf8(sink).ok()?, String::from_utf8(id).ok()?);
            Some(record::decode(&found.value).map(|value| Row { sink, id, value, version: found.version }))
        };
        found.iter().filter_map(row).collect()
    }

    /// The row of an event at a sink.
    pub async fn row<R: Record>(&self, sink: &str, id: &str) -> Result<Option<Row<R>>, StoreError> {
        let found = record::load(&*self.store, &R::key(&[sink.as_bytes(), id.as_bytes()])).await?;
        let row = |found: record::Loaded<R>| {
            let (sink, id) = (sink.to_owned(), id.to_owned());
            Row { sink, id, value: found.value, version: found.version }
        };
        Ok(found.map(row))
    }

    /// Counts what the store has for `sink`.
    pub async fn count(&self, sink: &Sink) -> Result<(), StoreError> {
        let (waiting, dead) = (self.count_of::<Waiting>(&sink.name), self.count_of::<Dead>(&sink.name));
        sink.counted(waiting.await?, dead.await?);
        Ok(())
    }

    async fn count_of<R: Record>(&self, sink: &str) -> Result<u64, StoreError> {
        let prefix = R::key(&[sink.as_bytes()]);
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.store.scan(&prefix, after.as_ref(), PAGE).await?;
            count += page.len() as u64;
            match page.last() {
                Some((key, _)) => after = Some(key.clone()),
                None => return Ok(count),
            }
        }
    }

    pub fn has_room(&self, sink: &Sink) -> bool {
        sink.waiting() < self.limits.max_entries
    }

    /// Stores events, all in one commit. Those that the store could never take are lost.
    pub async fn append(&self, events: &[New]) -> Result<(), CommitError> {
        let now_ms = self.clock.now_ms();
        let mut batch = Batch::new();
        let mut stored = Vec::new();
        for New { sink, event } in events {
            let value = record::encode(&Waiting::new(Happened::of(event), now_ms))?;
            if value.len() > MAX_VALUE_BYTES {
                tracing::error!(sink = sink.name, event = event.id, "an event is too large to be stored");
                self.metrics.events(&sink.name, EventOutcome::Lost, 1);
                continue;
            }
            batch = batch.put(waiting_key(&sink.name, &event.id), value, Some(self.backstop(now_ms)));
            stored.push(sink);
        }
        if stored.is_empty() {
            return Ok(());
        }
        self.store.commit(batch).await?;
        for sink in stored {
            sink.stored();
        }
        Ok(())
    }

    /// Removes what the sink has taken.
    pub async fn acknowledge(&self, sink: &Sink, rows: Vec<Row<Waiting>>) -> Result<(), StoreError> {
        let removed = self.change(rows, |batch, row| Ok(batch.delete(row.key()))).await?;
        self.metrics.events(&sink.name, EventOutcome::Delivered, removed);
        sink.changed(-signed(removed), 0);
        Ok(())
    }

    /// Notes a failed try of the first event.
    pub async fn postpone(&self, row: Row<Waiting>, next_try_ms: u64, why: &str) -> Result<(), StoreError> {
        let postponed = |batch: Batch, row: &Row<Waiting>| {
            let tries = row.value.tries.saturating_add(1);
            let value = Waiting { tries, next_try_ms, error: Some(brief(why)), ..row.value.clone() };
            batch.put_record(row.key(), &value, Some(self.backstop(value.since_ms)))
        };
        self.change(vec![row], postponed).await.map(drop)
    }

    /// Gives events up.
    pub async fn bury(&self, sink: &Sink, rows: Vec<Row<Waiting>>, why: &str) -> Result<(), StoreError> {
        self.make_room(sink, rows.len() as u64).await?;
        let died_ms = self.clock.now_ms();
        let expires_at = UnixTime(died_ms / 1000).plus(self.limits.keep_dead);
        let buried = |batch: Batch, row: &Row<Waiting>| {
            let tries = row.value.tries.saturating_add(1);
            let dead = Dead { event: row.value.event.clone(), tries, died_ms, error: brief(why) };
            let key = Dead::key(&[row.sink.as_bytes(), row.id.as_bytes()]);
            batch.delete(row.key()).put_record(key, &dead, Some(expires_at))
        };
        let buried = self.change(rows, buried).await?;
        self.metrics.events(&sink.name, EventOutcome::Dead, buried);
        sink.changed(-signed(buried), signed(buried));
        Ok(())
    }

    /// Lets dead letters wait once more. How many did.
    pub async fn revive(&self, sink: &Sink, rows: Vec<Row<Dead>>) -> Result<u64, StoreError> {
        let now_ms = self.clock.now_ms();
        let revived = |batch: Batch, row: &Row<Dead>| {
            let waiting = Waiting::new(row.value.event.clone(), now_ms);
            let key = waiting_key(&row.sink, &row.id);
            batch.delete(row.key()).put_record(key, &waiting, Some(self.backstop(now_ms)))
        };
        let revived = self.change(rows, revived).await?;
        sink.changed(signed(revived), -signed(revived));
        sink.nudge.notify_one();
        Ok(revived)
    }

    /// Removes rows for good. How many there were.
    pub async fn remove<R: Record + Clone>(&self, rows: Vec<Row<R>>) -> Result<u64, StoreError> {
        self.change(rows, |batch, row| Ok(batch.delete(row.key()))).await
    }

    /// Lets the oldest dead letters go where there would be too many; some more at once, as it means counting them.
    async fn make_room(&self, sink: &Sink, coming: u64) -> Result<(), StoreError> {
        let most = self.limits.max_entries;
        if sink.dead().saturating_add(coming) <= most {
            return Ok(());
        }
        self.count(sink).await?;
        let over = sink.dead().saturating_add(coming).saturating_sub(most);
        let mut left = if over == 0 { 0 } else { over + most / 100 };
        while left > 0 {
            let limit = usize::try_from(left).unwrap_or(usize::MAX).min(MAX_BATCH);
            let oldest = self.rows::<Dead>(Some(&sink.name), None, limit).await?;
            if oldest.is_empty() {
                break;
            }
            let removed = self.remove(oldest).await?;
            sink.changed(0, -signed(removed));
            left = left.saturating_sub(removed.max(1));
        }
        Ok(())
    }

    /// Commits what `build` makes of the rows that are still as they were read. How many were.
    async fn change<R: Record>(
        &self,
        mut rows: Vec<Row<R>>,
        build: impl Fn(Batch, &Row<R>) -> Result<Batch, StoreError>,
    ) -> Result<u64, StoreError> {
        for _ in 0..MAX_RELOADS {
            if rows.is_empty() {
                return Ok(0);
            }
            let expected = rows.iter().fold(Batch::new(), |batch, row| batch.expect_at(row.key(), row.version));
            let batch = rows.iter().try_fold(expected, &build)?;
            match self.store.commit(batch).await {
                Ok(_) => return Ok(rows.len() as u64),
                Err(CommitError::Conflict) => rows = self.unchanged(rows).await?,
                Err(CommitError::Unavailable(error)) => return Err(error),
                Err(error @ CommitError::TooLarge(_)) => return Err(StoreError::new(error)),
            }
        }
        Err(StoreError::new("the same events kept changing"))
    }

    async fn unchanged<R: Record>(&self, rows: Vec<Row<R>>) -> Result<Vec<Row<R>>, StoreError> {
        let mut left = Vec::new();
        for row in rows {
            if self.store.get(&row.key()).await?.is_some_and(|found| found.version == row.version) {
                left.push(row);
            }
        }
        Ok(left)
    }

    /// When an event goes even if nobody looks after its sink any more.
    fn backstop(&self, since_ms: u64) -> UnixTime {
        UnixTime(since_ms / 1000).plus(self.limits.max_age).plus(self.limits.keep_dead)
    }
}

fn waiting_key(sink: &str, id: &str) -> Key {
    Waiting::key(&[sink.as_bytes(), id.as_bytes()])
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What a plugin says may be long.
fn brief(why: &str) -> String {
    why.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
