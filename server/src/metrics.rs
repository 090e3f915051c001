//! What the server counts, in the OpenMetrics text format that Prometheus reads.

mod events;

pub use events::EventOutcome;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Seconds. A token takes microseconds, a login tens of milliseconds, a broken backend its time-out.
const LATENCY_BUCKETS: [f64; 13] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Commits that shared one sync.
const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// All counters of a server. A clone is a handle on the same ones.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<EndpointLabel, Histogram, fn() -> Histogram>,
    plugin_seconds: Family<PluginLabels, Histogram, fn() -> Histogram>,
    logins: Family<LoginLabel, Counter>,
    syncs: Family<SyncLabels, Counter>,
    hashing_waiting: Gauge,
    commit_batch: Histogram,
    commits: Counter,
    store_bytes: Gauge,
    audit_dropped: Counter,
    breakers: Family<BreakerLabel, Gauge>,
    shadows: Family<ShadowLabels, Counter>,
    reloads: Family<ReloadLabel, Counter>,
    events: events::EventFigures,
}

/// How a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoginOutcome {
    /// The password was right and the account may log in.
    Accepted,
    /// An unknown user, a wrong password, a disabled account.
    Rejected,
    /// Not tried: too many failures before (429).
    LockedOut,
    /// A backend failed, or the hashing queue is full (503).
    Unavailable,
}

/// How a plugin call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PluginOutcome {
    /// It answered, whatever it said.
    Answered,
    /// It answered with an error, or with something that is no answer.
    Failed,
    /// It did not answer within its wall or CPU time.
    TimedOut,
    /// It trapped, panicked, or broke its instance.
    Trapped,
    /// It was not called: too many calls at once.
    Overloaded,
    /// It was not called: its circuit breaker is open, or it is disabled.
    Withheld,
}

/// How a try to sync a plugin's accounts ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyncOutcome {
    /// A run came to its end.
    Ended,
    /// The plugin or the store failed; it is tried again.
    Failed,
    /// It would have removed too many.
    Refused,
}

impl EncodeLabelValue for SyncOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let name = match self {
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::Refused => "refused",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

impl LoginOutcome {
    /// The label's value, also fit for the audit log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::LockedOut => "locked_out",
            Self::Unavailable => "unavailable",
        }
    }
}

impl PluginOutcome {
    /// The label's value, also fit for the audit log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Trapped => "trapped",
            Self::Overloaded => "overloaded",
            Self::Withheld => "withheld",
        }
    }
}

impl EncodeLabelValue for LoginOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

impl EncodeLabelValue for PluginOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    endpoint: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabel {
    endpoint: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginLabels {
    plugin: String,
    kind: &'static str,
    outcome: PluginOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BreakerLabel {
    plugin: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShadowLabels {
    plugin: String,
    comparison: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabel {
    outcome: LoginOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SyncLabels {
    plugin: String,
    outcome: SyncOutcome,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let latency: fn() -> Histogram = || Histogram::new(LATENCY_BUCKETS);
        let mut inner = Inner {
            registry: Registry::with_prefix("pintle"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(latency),
            plugin_seconds: Family::new_with_constructor(latency),
            logins: Family::default(),
            syncs: Family::default(),
            hashing_waiting: Gauge::default(),
            commit_batch: Histogram::new(BATCH_BUCKETS),
            commits: Counter::default(),
            store_bytes: Gauge::default(),
            audit_dropped: Counter::default(),
            breakers: Family::default(),
            shadows: Family::default(),
            reloads: Family::default(),
            events: events::EventFigures::default(),
        };
        inner.register();
        Self(Arc::new(inner))
    }

    /// A request to `endpoint` (a name, not the path, of which there may be any number) was answered.
    pub fn request(&self, endpoint: &'static str, status: u16, took: Duration) {
        self.0.requests.get_or_create(&RequestLabels { endpoint, status }).inc();
        self.0.request_seconds.get_or_create(&EndpointLabel { endpoint }).observe(took.as_secs_f64());
    }

    /// The plugin named `plugin` was called as a `kind`.
    pub fn plugin_call(&self, plugin: &str, kind: &'static str, outcome: PluginOutcome, took: Duration) {
        let labels = PluginLabels { plugin: plugin.to_owned(), kind, outcome };
        self.0.plugin_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A login ended.
    pub fn login(&self, outcome: LoginOutcome) {
        self.0.logins.get_or_create(&LoginLabel { outcome }).inc();
    }

    /// A try to sync the accounts of `plugin` ended.
    pub fn sync(&self, plugin: &str, outcome: SyncOutcome) {
        self.0.syncs.get_or_create(&SyncLabels { plugin: plugin.to_owned(), outcome }).inc();
    }

    /// So many password hashes wait for a thread now.
    pub fn set_hashing_waiting(&self, waiting: usize) {
        self.0.hashing_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// `commits` further commits became durable.
    pub fn committed(&self, commits: u64) {
        self.0.commits.inc_by(commits);
    }

    /// One sync made `commits` commits durable.
    pub fn synced(&self, commits: u64) {
        self.0.commit_batch.observe(commits as f64);
    }

    /// The store takes so much room on the disk.
    pub fn set_store_bytes(&self, bytes: u64) {
        self.0.store_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// The circuit breaker of `plugin` lets calls through again, or no longer.
    pub fn breaker(&self, plugin: &str, open: bool) {
        self.0.breakers.get_or_create(&BreakerLabel { plugin: plugin.to_owned() }).set(i64::from(open));
    }

    /// An answer of `plugin`, which is in shadow, was compared: `same`, `different`, or `skipped`.
    pub fn shadow_answered(&self, plugin: &str, comparison: &'static str) {
        self.0.shadows.get_or_create(&ShadowLabels { plugin: plugin.to_owned(), comparison }).inc();
    }

    /// A reload of configuration and plugins took place, or failed and changed nothing.
    pub fn reloaded(&self, done: bool) {
        let outcome = if done { "done" } else { "failed" };
        self.0.reloads.get_or_create(&ReloadLabel { outcome }).inc();
    }

    /// An audit record did not reach the audit file.
    pub fn audit_dropped(&self) {
        self.0.audit_dropped.inc();
    }

    /// The text of `/metrics`, media type [`Metrics::MEDIA_TYPE`].
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = text::encode(&mut text, &self.0.registry);
        text
    }

    /// OpenMetrics 1.0.
    pub const MEDIA_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Inner {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "From the request's head to its answer",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register_with_unit(
            "plugin_call_duration",
            "Calls of plugins",
            Unit::Seconds,
            self.plugin_seconds.clone(),
        );
        registry.register("plugin_breaker_open", "1 while a plugin's circuit breaker is open", self.breakers.clone());
        registry.register("plugin_shadow_answers", "Answers of plugins in shadow", self.shadows.clone());
        registry.register("reloads", "Reloads of configuration and plugins", self.reloads.clone());
        registry.register("logins", "Logins by how they ended", self.logins.clone());
        registry.register("syncs", "Syncs of accounts by how they ended", self.syncs.clone());
        registry.register("hashing_waiting", "Password hashes that wait for a thread", self.hashing_waiting.clone());
        registry.register("commits", "Durable commits", self.commits.clone());
        registry.register("commit_batch", "Commits that shared one sync", self.commit_batch.clone());
        registry.register_with_unit("store", "Room on the disk", Unit::Bytes, self.store_bytes.clone());
        registry.register("audit_dropped", "Audit records missing in the audit file", self.audit_dropped.clone());
        self.events.register(registry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::new();
        let handle = metrics.clone();
        handle.request("token", 200, Duration::from_micros(300));
        handle.request("token", 200, Duration::from_millis(30));
        handle.request("token", 400, Duration::from_millis(2));
        handle.plugin_call("lo\"cal", "user-verifier", PluginOutcome::TimedOut, Duration::from_secs(3));
        handle.login(LoginOutcome::Accepted);
        handle.login(LoginOutcome::LockedOut);
        handle.sync("erp", SyncOutcome::Refused);
        handle.set_hashing_waiting(7);
        handle.committed(4);
        handle.synced(3);
        handle.synced(1);
        handle.set_store_bytes(4096);
        handle.audit_dropped();
        handle.breaker("ldap", true);
        handle.shadow_answered("next", "same");
        handle.reloaded(false);
        let text = metrics.encode();
        let expected = [
            r#"pintle_requests_total{endpoint="token",status="200"} 2"#,
            r#"pintle_requests_total{endpoint="token",status="400"} 1"#,
            r#"pintle_request_duration_seconds_bucket{le="0.0005",endpoint="token"} 1"#,
            r#"pintle_request_duration_seconds_count{endpoint="token"} 3"#,
            r#"pintle_plugin_call_duration_seconds_count{plugin="lo\"cal",kind="user-verifier",outcome="timed_out"} 1"#,
            r#"pintle_logins_total{outcome="accepted"} 1"#,
            r#"pintle_logins_total{outcome="locked_out"} 1"#,
            r#"pintle_syncs_total{plugin="erp",outcome="refused"} 1"#,
            "pintle_hashing_waiting 7",
            "pintle_commits_total 4",
            r#"pintle_commit_batch_bucket{le="1.0"} 1"#,
            r#"pintle_commit_batch_bucket{le="4.0"} 2"#,
            "pintle_commit_batch_sum 4.0",
            "pintle_commit_batch_count 2",
            "pintle_store_bytes 4096",
            "pintle_audit_dropped_total 1",
            r#"pintle_plugin_breaker_open{plugin="ldap"} 1"#,
            r#"pintle_plugin_shadow_answers_total{plugin="next",comparison="same"} 1"#,
            r#"pintle_reloads_total{outcome="failed"} 1"#,
        ];
        for line in expected {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
