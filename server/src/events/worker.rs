//! Delivers to one sink: in order, what it does not take again after a pause, what it will never take to the dead.

use super::backoff::{self, pause};
use super::outbox::{Outbox, Row};
use super::records::Waiting;
use super::sink::Sink;
use super::{MAX_BATCH, MAX_BATCH_BYTES};
use crate::clock::millis;
use crate::entropy::Entropy;
use crate::plugin::{CallError, Fault};
use crate::store::StoreError;
use pintle_plugin_api::{CallContext, Event, PluginError};
use std::sync::Arc;
use std::time::Duration;

/// After the store has failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    outbox: Arc<Outbox>,
    entropy: Arc<dyn Entropy>,
    sink: Arc<Sink>,
    /// Events of the next delivery, at most.
    size: usize,
    /// Deliveries in a row that failed.
    failures: u32,
    /// The next delivery does not wait until it is due.
    hurry: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There may be more.
    Again,
    /// Nothing waits.
    Idle,
    /// Nothing is due for so long.
    After(Duration),
}

impl Worker {
    pub fn new(outbox: Arc<Outbox>, entropy: Arc<dyn Entropy>, sink: Arc<Sink>) -> Self {
        Self { outbox, entropy, sink, size: MAX_BATCH, failures: 0, hurry: false }
    }

    /// Delivers until a reload takes the sink away, be it in the middle of a delivery: that one is repeated when it is back.
    pub async fn run(self) -> Arc<Sink> {
        let sink = self.sink.clone();
        tokio::select! {
            () = sink.gone.notified() => {}
            () = self.deliver() => {}
        }
        sink
    }

    async fn deliver(mut self) {
        loop {
            let next = self.turn().await.unwrap_or_else(|error| {
                tracing::error!(sink = self.sink.name, %error, "the events of a sink cannot be read or written");
                Next::After(STORE_PAUSE)
            });
            match next {
                Next::Again => {}
                Next::Idle => tokio::select! {
                    () = self.sink.wake.notified() => {}
                    () = self.sink.nudge.notified() => {}
                },
                Next::After(time) => self.hurry = self.rest(time).await,
            }
        }
    }

    /// Whether it was cut short. New events do not do that: they come after the one that the pause is for.
    async fn rest(&self, time: Duration) -> bool {
        let clock = &self.outbox.clock;
        tokio::select! {
            () = clock.sleep_until(clock.monotonic_ms().saturating_add(millis(time))) => false,
            () = self.sink.nudge.notified() => true,
        }
    }

    /// One delivery, if one is due.
    pub async fn turn(&mut self) -> Result<Next, StoreError> {
        let rows = within_bytes(self.outbox.rows(Some(&self.sink.name), None, self.size).await?);
        let Some(first) = rows.first() else { return Ok(Next::Idle) };
        let early = first.value.next_try_ms.saturating_sub(self.outbox.clock.now_ms());
        let hurry = std::mem::take(&mut self.hurry);
        // Further off than any pause: the clock was set back.
        if early > 0 && !hurry && Duration::from_millis(early) <= backoff::LONGEST {
            return Ok(Next::After(Duration::from_millis(early)));
        }
        self.failures = self.failures.max(first.value.tries);
        let events: Vec<Event> = rows.iter().map(|row| row.value.event.with_id(&row.id)).collect();
        let call = CallContext { request_id: format!("event-{}", first.id), ..CallContext::default() };
        match self.sink.terms().plugin.deliver(&call, events).await {
            Ok(taken) => self.taken(rows, &taken).await,
            Err(error) => self.failed(rows, error).await,
        }
    }

    async fn taken(&mut self, rows: Vec<Row<Waiting>>, ids: &[String]) -> Result<Next, StoreError> {
        let (taken, left): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| ids.contains(&row.id));
        if taken.is_empty() {
            return self.postpone(left, "it acknowledged nothing").await;
        }
        self.failures = 0;
        if left.is_empty() {
            self.size = (self.size * 2).min(MAX_BATCH);
        }
        self.outbox.acknowledge(&self.sink, taken).await?;
        Ok(Next::Again)
    }

    async fn failed(&mut self, rows: Vec<Row<Waiting>>, ended: CallError) -> Result<Next, StoreError> {
        let many = rows.len() > 1;
        match (&ended.error, ended.fault) {
            // Which of them it is, a delivery of one will tell.
            (PluginError::Invalid(_), _) if many => {
                self.size = 1;
                return Ok(Next::Again);
            }
            (PluginError::Invalid(why), _) => {
                tracing::warn!(sink = self.sink.name, event = rows[0].id, why, "a sink refuses an event for good");
                self.failures = 0;
                self.outbox.bury(&self.sink, rows, why).await?;
                return Ok(Next::Again);
            }
            // Perhaps one of them is the cause, or they are too many for its time.
            (_, Fault::TimedOut | Fault::Trapped) if many => self.size = 1,
            _ => {}
        }
        self.postpone(rows, &ended.to_string()).await
    }

    /// Leaves the sink alone for a while. What is too old is given up, all of it at once.
    async fn postpone(&mut self, rows: Vec<Row<Waiting>>, why: &str) -> Result<Next, StoreError> {
        self.outbox.metrics.event_delivery_failed(&self.sink.name);
        self.failures = self.failures.saturating_add(1);
        let pause = pause(self.failures, &*self.entropy);
        tracing::warn!(sink = self.sink.name, why, failures = self.failures, ?pause, "a sink takes no events");
        let now_ms = self.outbox.clock.now_ms();
        let max_age = millis(self.outbox.limits.max_age);
        let is_old = |row: &Row<Waiting>| now_ms.saturating_sub(row.value.since_ms) >= max_age;
        let (old, young): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_old);
        if !old.is_empty() {
            self.outbox.bury(&self.sink, old, &format!("too old; {why}")).await?;
        }
        if let Some(first) = young.into_iter().next() {
            self.outbox.postpone(first, now_ms.saturating_add(millis(pause)), why).await?;
        }
        Ok(Next::After(pause))
    }
}

fn within_bytes(mut rows: Vec<Row<Waiting>>) -> Vec<Row<Waiting>> {
    let mut bytes = 0;
    let fit = rows.iter().take_while(|row| {
        bytes += row.value.event.json.len();
        bytes <= MAX_BATCH_BYTES
    });
    let fit = fit.count().max(1);
    rows.truncate(fit);
    rows
}
