//! Time is passed in: nothing but [`SystemClock`] reads the machine's.

use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Whole seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// This time and `duration`, whole seconds, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// Seconds from this time until `later`, 0 if it has passed.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_secs(later.0.saturating_sub(self.0))
    }
}

/// A source of time and the only way to wait.
#[async_trait::async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;

    /// Milliseconds since an arbitrary start; never goes back.
    fn monotonic_ms(&self) -> u64;

    /// As `monotonic_ms`, as finely as the clock goes.
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_ms())
    }

    /// Returns once `monotonic_ms` has reached `deadline_ms`.
    async fn sleep_until(&self, deadline_ms: u64);

    /// Seconds since the Unix epoch.
    fn now(&self) -> UnixTime {
        UnixTime(self.now_ms() / 1000)
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

/// Whole milliseconds, as many as there can be where they are more.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait::async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        millis(since)
    }

    fn monotonic_ms(&self) -> u64 {
        millis(self.start.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep_until(&self, deadline_ms: u64) {
        tokio::time::sleep(Duration::from_millis(deadline_ms.saturating_sub(self.monotonic_ms()))).await;
    }
}

/// A clock that stands still until it is told otherwise, for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock {
    now_ms: std::sync::atomic::AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: UnixTime) -> Self {
        Self { now_ms: (now.0 * 1000).into() }
    }

    /// Moves the time on.
    pub fn advance(&self, by: Duration) {
        let by = millis(by);
        self.now_ms.fetch_add(by, std::sync::atomic::Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> u64 {
        self.now_ms()
    }

    async fn sleep_until(&self, deadline_ms: u64) {
        let missing = deadline_ms.saturating_sub(self.now_ms());
        self.advance(Duration::from_millis(missing));
    }
}
