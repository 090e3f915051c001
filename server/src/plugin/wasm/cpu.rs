//! How long a guest has computed. What it waits for in the host, and what others do when it has let them, is not its doing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// One call's; shared with what the call waits for.
#[derive(Clone, Debug)]
pub(super) struct CpuClock(Arc<Figures>);

#[derive(Debug)]
struct Figures {
    began: Instant,
    /// Nanoseconds after `began`, when the guest last went on.
    resumed: AtomicU64,
    /// Nanoseconds that it has computed before.
    spent: AtomicU64,
}

impl CpuClock {
    /// The guest goes on now, for the first time.
    pub(super) fn start() -> Self {
        Self(Arc::new(Figures { began: now(), resumed: AtomicU64::new(0), spent: AtomicU64::new(0) }))
    }

    /// The guest waits for as long as the returned value lives.
    #[must_use]
    pub(super) fn pause(&self) -> Paused {
        let since_began = self.0.since_began();
        let computed = since_began.saturating_sub(self.0.resumed.load(Relaxed));
        self.0.spent.fetch_add(computed, Relaxed);
        self.0.resumed.store(since_began, Relaxed);
        Paused(Arc::clone(&self.0))
    }

    /// What the guest has computed until now, that is while it does.
    pub(super) fn spent(&self) -> Duration {
        let running = self.0.since_began().saturating_sub(self.0.resumed.load(Relaxed));
        Duration::from_nanos(self.0.spent.load(Relaxed).saturating_add(running))
    }
}

impl Figures {
    fn since_began(&self) -> u64 {
        u64::try_from(now().saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Lets the guest go on when it is dropped.
pub(super) struct Paused(Arc<Figures>);

impl Drop for Paused {
    fn drop(&mut self) {
        self.0.resumed.store(self.0.since_began(), Relaxed);
    }
}

/// The machine's clock, as it bounds what the machine does: a test that stops time does not stop a guest.
#[expect(clippy::disallowed_methods, reason = "the processor's time is no matter of the injected clock")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_not_counted_and_what_is_around_it_is() {
        let cpu = CpuClock::start();
        let before = cpu.spent();
        let paused = cpu.pause();
        let at_pause = Duration::from_nanos(cpu.0.spent.load(Relaxed));
        while now().saturating_duration_since(cpu.0.began) < Duration::from_millis(20) {
            std::thread::yield_now();
        }
        drop(paused);
        let after = cpu.spent();
        assert!(before <= at_pause && at_pause <= after, "{before:?} {at_pause:?} {after:?}");
        assert!(after + Duration::from_millis(15) < now().saturating_duration_since(cpu.0.began), "{after:?}");
    }
}
