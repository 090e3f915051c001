//! What happened, told to plugins of the kind event-sink through an outbox in the store.
//!
//! An event is an audit event. It is stored once for each sink that wants its kind, delivered in order, and removed once
//! the sink has taken it: a crash in between delivers it again, with the same id. A sink that is down keeps nobody
//! waiting, and one that refuses an event for good loses it to the dead letters, which operators see and replay.

mod backoff;
mod ids;
mod letters;
mod outbox;
mod queue;
mod records;
mod sink;
mod subscription;
#[cfg(test)]
mod tests;
mod worker;

pub use letters::{Done, Letter, Which};
pub use sink::NamedSink;

use crate::audit::AuditEvent;
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::metrics::{EventOutcome, Metrics};
use crate::store::{CommitError, Store, StoreError};
use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use ids::Ids;
use outbox::{New, Outbox};
use pintle_plugin_api::Event;
use queue::Queue;
use sink::Sink;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use worker::Worker;

/// Events of one delivery.
const MAX_BATCH: usize = 100;
/// And their bytes, far below what a plugin's call takes.
const MAX_BATCH_BYTES: usize = 256 * 1024;
/// How often records are counted that expire unseen.
const COUNT_EVERY: Duration = Duration::from_secs(3600);

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From storing to giving up.
    pub max_age: Duration,
    /// Of each sink: events that wait, and as many dead letters.
    pub max_entries: u64,
    /// From giving up to forgetting.
    pub keep_dead: Duration,
}

/// What the outbox stands on.
pub struct Ground {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for ids and pauses.
    pub entropy: Arc<dyn Entropy>,
    /// What is counted.
    pub metrics: Metrics,
}

/// An event was to be stored before its decision holds, and could not be.
#[derive(Debug, thiserror::Error)]
pub enum NotStored {
    /// Too many wait already.
    #[error("too many events wait for the sink {0}")]
    Full(String),
    /// The store does not take it.
    #[error("an event could not be stored: {0}")]
    Store(#[from] CommitError),
}

/// The sinks and their outbox.
pub struct Events {
    outbox: Arc<Outbox>,
    entropy: Arc<dyn Entropy>,
    sinks: ArcSwap<Vec<Arc<Sink>>>,
    /// There are sinks of which nobody delivers yet.
    added: Notify,
    ids: Ids,
    queue: Queue,
}

/// Sinks that a reload has read, and that can take the place of those at work without fail.
pub struct NewSinks(Vec<(Arc<Sink>, Option<NamedSink>)>);

impl Events {
    /// Counts what the store has for `sinks`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(ground: Ground, limits: Limits, sinks: Vec<NamedSink>) -> Result<Self, StoreError> {
        let Ground { store, clock, entropy, metrics } = ground;
        let outbox = Arc::new(Outbox { store, clock: clock.clone(), metrics: metrics.clone(), limits });
        let (ids, queue) = (Ids::new(clock, entropy.clone()), Queue::new());
        let (none, added) = (ArcSwap::default(), Notify::new());
        let events = Self { outbox, sinks: none, added, ids, entropy, queue };
        events.install(events.prepare(sinks).await?);
        Ok(events)
    }

    /// Counts what the store has for sinks that are not at work yet.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn prepare(&self, sinks: Vec<NamedSink>) -> Result<NewSinks, StoreError> {
        let (running, mut prepared) = (self.sinks.load_full(), Vec::new());
        for named in sinks {
            if let Some(sink) = running.iter().find(|sink| sink.name == named.entry.plugin) {
                prepared.push((sink.clone(), Some(named)));
                continue;
            }
            let sink = Sink::new(named, self.outbox.metrics.clone());
            self.outbox.count(&sink).await?;
            prepared.push((Arc::new(sink), None));
        }
        Ok(NewSinks(prepared))
    }

    /// Tells these sinks from now on, and no others. What waits for one that goes is delivered when it is back, as long as
    /// it is kept.
    pub fn install(&self, sinks: NewSinks) {
        let change = |(sink, named): (Arc<Sink>, Option<NamedSink>)| {
            named.into_iter().for_each(|named| sink.change(named));
            sink
        };
        let sinks: Vec<_> = sinks.0.into_iter().map(change).collect();
        let before = self.sinks.swap(Arc::new(sinks.clone()));
        let has_gone = |sink: &&Arc<Sink>| !sinks.iter().any(|new| Arc::ptr_eq(new, sink));
        for gone in before.iter().filter(has_gone) {
            gone.leave();
        }
        // One that is back need not wait until it would have been due.
        sinks.iter().for_each(|sink| sink.nudge.notify_one());
        self.added.notify_one();
    }

    /// Whether no sink wants anything.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.sinks.load().is_empty()
    }

    /// Whether a sink wants events of this kind.
    #[must_use]
    pub fn wants(&self, kind: &str) -> bool {
        self.sinks.load().iter().any(|sink| sink.terms().subscription.has(kind))
    }

    /// A strict sink for which no more events can wait: decisions that it is told of fail.
    #[must_use]
    pub fn full(&self) -> Option<String> {
        let sinks = self.sinks.load();
        let is_full = |sink: &&Arc<Sink>| sink.terms().strict && !self.outbox.has_room(sink);
        sinks.iter().find(is_full).map(|sink| sink.name.clone())
    }

    /// Hands a decision's event to the sinks that want it. It is stored when this returns for sinks that are strict, and
    /// soon for others.
    ///
    /// # Errors
    /// It is not stored for a strict sink: the decision must not hold.
    pub async fn emit(&self, happened: &AuditEvent) -> Result<(), NotStored> {
        let kind = happened.name();
        if !self.wants(kind) {
            return Ok(());
        }
        let event = self.event(kind, happened);
        let (strict, others) = self.addressed(&event);
        others.into_iter().for_each(|new| self.queue.offer(new));
        self.store(strict).await
    }

    /// As [`Self::emit`], but stored for every sink when it returns.
    ///
    /// # Errors
    /// As [`Self::emit`]; for sinks that are not strict it is only logged.
    pub async fn emit_durably(&self, happened: &AuditEvent) -> Result<(), NotStored> {
        let kind = happened.name();
        if !self.wants(kind) {
            return Ok(());
        }
        let event = self.event(kind, happened);
        let (strict, others) = self.addressed(&event);
        for new in others {
            let name = new.sink.name.clone();
            if let Err(error) = self.store(vec![new]).await {
                tracing::error!(sink = name, %error, "an event is lost");
                self.outbox.metrics.events(&name, EventOutcome::Lost, 1);
            }
        }
        self.store(strict).await
    }

    fn event(&self, kind: &str, happened: &AuditEvent) -> Event {
        // Plain fields with string keys: this does not fail.
        let json = serde_json::to_string(happened).unwrap_or_default();
        Event { id: self.ids.next(), kind: kind.to_owned(), at_ms: self.outbox.clock.now_ms(), json }
    }

    /// For the strict sinks that want it, and for the others that do.
    fn addressed(&self, event: &Event) -> (Vec<New>, Vec<New>) {
        let (mut strict, mut others) = (Vec::new(), Vec::new());
        for sink in self.sinks.load().iter() {
            let terms = sink.terms();
            if terms.subscription.has(&event.kind) {
                let new = New { sink: sink.clone(), event: event.clone() };
                if terms.strict { strict.push(new) } else { others.push(new) }
            }
        }
        (strict, others)
    }

    async fn store(&self, events: Vec<New>) -> Result<(), NotStored> {
        if let Some(full) = events.iter().find(|new| !self.outbox.has_room(&new.sink)) {
            return Err(NotStored::Full(full.sink.name.clone()));
        }
        Ok(self.outbox.append(&events).await?)
    }

    /// Stores and delivers for ever; to be polled beside serving.
    pub async fn run(&self) {
        tokio::join!(self.queue.run(&self.outbox), self.deliver(), self.count());
    }

    /// One worker for each sink, from when it comes to when it goes.
    async fn deliver(&self) {
        let (mut workers, mut busy) = (FuturesUnordered::new(), Vec::<Arc<Sink>>::new());
        loop {
            for sink in self.sinks.load().iter() {
                if !busy.iter().any(|known| Arc::ptr_eq(known, sink)) {
                    busy.push(sink.clone());
                    workers.push(Worker::new(self.outbox.clone(), self.entropy.clone(), sink.clone()).run());
                }
            }
            tokio::select! {
                () = self.added.notified() => {}
                Some(gone) = workers.next() => busy.retain(|sink| !Arc::ptr_eq(sink, &gone)),
            }
        }
    }

    async fn count(&self) {
        let clock = &self.outbox.clock;
        let every = COUNT_EVERY.as_millis() as u64;
        loop {
            clock.sleep_until(clock.monotonic_ms().saturating_add(every)).await;
            for sink in self.sinks.load_full().iter() {
                if let Err(error) = self.outbox.count(sink).await {
                    tracing::warn!(sink = sink.name, %error, "the events of a sink could not be counted");
                }
            }
        }
    }

    /// Stores what is still in memory; for the end, when [`Self::run`] has ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.queue.flush(&self.outbox).await.map_err(|error| match error {
            CommitError::Unavailable(error) => error,
            other => StoreError::new(other),
        })
    }
}
