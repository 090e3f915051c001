//! What is counted about event sinks.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::fmt;

/// What became of an event at a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventOutcome {
    /// The sink has taken it.
    Delivered,
    /// It became a dead letter.
    Dead,
    /// It was not stored: too many wait, or the store failed.
    Lost,
}

impl EncodeLabelValue for EventOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let name = match self {
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Lost => "lost",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabel {
    sink: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    sink: String,
    outcome: EventOutcome,
}

/// The figures of all sinks.
#[derive(Default)]
pub(super) struct EventFigures {
    outcomes: Family<OutcomeLabels, Counter>,
    failures: Family<SinkLabel, Counter>,
    waiting: Family<SinkLabel, Gauge>,
    dead: Family<SinkLabel, Gauge>,
}

impl EventFigures {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("events", "Events by what became of them", self.outcomes.clone());
        registry.register("event_delivery_failures", "Calls of sinks that took no event", self.failures.clone());
        registry.register("events_waiting", "Events that no sink has taken yet", self.waiting.clone());
        registry.register("event_dead_letters", "Events that were given up", self.dead.clone());
    }
}

impl super::Metrics {
    /// So many events ended at `sink` in this way.
    pub fn events(&self, sink: &str, outcome: EventOutcome, count: u64) {
        self.0.events.outcomes.get_or_create(&OutcomeLabels { sink: sink.to_owned(), outcome }).inc_by(count);
    }

    /// A call of `sink` delivered nothing.
    pub fn event_delivery_failed(&self, sink: &str) {
        self.0.events.failures.get_or_create(&SinkLabel { sink: sink.to_owned() }).inc();
    }

    /// So many events wait for `sink` now, and so many were given up.
    pub fn set_events(&self, sink: &str, waiting: u64, dead: u64) {
        let label = SinkLabel { sink: sink.to_owned() };
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.0.events.waiting.get_or_create(&label).set(whole(waiting));
        self.0.events.dead.get_or_create(&label).set(whole(dead));
    }

    /// Nothing is counted for `sink` any more: how much waited when it went would stand there for ever.
    pub fn forget_events(&self, sink: &str) {
        let label = SinkLabel { sink: sink.to_owned() };
        self.0.events.waiting.remove(&label);
        self.0.events.dead.remove(&label);
    }
}
