//! A sink as the configuration has it, and how much waits for it.

use super::subscription::Subscription;
use crate::config::model::SinkEntry;
use crate::metrics::{EventOutcome, Metrics};
use crate::plugin::EventSink;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use tokio::sync::Notify;

/// A sink and its entry in the configuration.
pub struct NamedSink {
    /// Its name, kinds, and whether it is strict.
    pub entry: SinkEntry,
    /// The plugin.
    pub plugin: Arc<dyn EventSink>,
}

/// What a reload may change of a sink.
pub(super) struct Terms {
    pub strict: bool,
    pub subscription: Subscription,
    /// Whom to deliver to.
    pub plugin: Arc<dyn EventSink>,
}

impl Terms {
    fn new(named: NamedSink) -> Self {
        let NamedSink { entry, plugin } = named;
        Self { strict: entry.strict, subscription: Subscription::new(&entry.kinds), plugin }
    }
}

/// A sink at work. The figures follow every change that this process makes; records expire unseen, so that they may be
/// too high until they are counted anew.
pub(super) struct Sink {
    pub name: String,
    terms: ArcSwap<Terms>,
    /// Something new waits.
    pub wake: Notify,
    /// An operator has changed what waits: worth a look even during a pause.
    pub nudge: Notify,
    /// A reload has taken it away: nothing is delivered any more, and what waits stays in the store.
    pub gone: Notify,
    waiting: AtomicU64,
    dead: AtomicU64,
    has_left: AtomicBool,
    /// Events are being lost: said once, not for each.
    losing: AtomicBool,
    metrics: Metrics,
}

impl Sink {
    pub fn new(named: NamedSink, metrics: Metrics) -> Self {
        Self {
            name: named.entry.plugin.clone(),
            terms: ArcSwap::from_pointee(Terms::new(named)),
            wake: Notify::new(),
            nudge: Notify::new(),
            gone: Notify::new(),
            waiting: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            has_left: AtomicBool::new(false),
            losing: AtomicBool::new(false),
            metrics,
        }
    }

    /// What holds now.
    pub fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    /// Other terms, as after a reload.
    pub fn change(&self, named: NamedSink) {
        self.terms.store(Arc::new(Terms::new(named)));
    }

    /// Nothing is delivered or counted any more.
    pub fn leave(&self) {
        self.has_left.store(true, Relaxed);
        self.gone.notify_one();
        self.metrics.forget_events(&self.name);
    }

    pub fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }

    pub fn dead(&self) -> u64 {
        self.dead.load(Relaxed)
    }

    pub fn counted(&self, waiting: u64, dead: u64) {
        self.waiting.store(waiting, Relaxed);
        self.dead.store(dead, Relaxed);
        self.show(waiting, dead);
    }

    /// An event found no room.
    pub fn lost(&self) {
        self.metrics.events(&self.name, EventOutcome::Lost, 1);
        if !self.losing.swap(true, Relaxed) {
            tracing::error!(sink = self.name, waiting = self.waiting(), "events are lost: too many wait for a sink");
        }
    }

    /// The outbox has room again.
    pub fn stored(&self) {
        self.losing.store(false, Relaxed);
        self.changed(1, 0);
        self.wake.notify_one();
    }

    /// So many more, or fewer, wait or are dead.
    pub fn changed(&self, waiting: i64, dead: i64) {
        let add = |figure: &AtomicU64, by: i64| {
            // The closure always gives a value: this does not fail.
            let _ = figure.fetch_update(Relaxed, Relaxed, |count| Some(count.saturating_add_signed(by)));
        };
        add(&self.waiting, waiting);
        add(&self.dead, dead);
        self.show(self.waiting(), self.dead());
    }

    fn show(&self, waiting: u64, dead: u64) {
        if !self.has_left.load(Relaxed) {
            self.metrics.set_events(&self.name, waiting, dead);
        }
    }
}
