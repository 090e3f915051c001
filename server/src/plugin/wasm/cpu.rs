//! How long a guest has computed. What it waits for in the host, and what others do when it has let them, is not its doing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A store's, for one call after the other.
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
    /// Nothing is computed yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(Figures { began: now(), resumed: AtomicU64::new(0), spent: AtomicU64::new(0) }))
    }

    /// Another call: nothing is computed yet.
    pub(super) fn reset(&self) {
        self.0.spent.store(0, Relaxed);
    }

    /// `guest`, on this clock while it runs: not while it waits, for whatever that is, or has let others run.
    pub(super) async fn measure<F: Future>(&self, guest: F) -> F::Output {
        let mut guest = std::pin::pin!(guest);
        std::future::poll_fn(|context| {
            self.0.resumed.store(self.0.since_began(), Relaxed);
            let polled = guest.as_mut().poll(context);
            self.0.spent.fetch_add(self.0.running(), Relaxed);
            polled
        })
        .await
    }

    /// What the guest has computed until now, that is while it does.
    pub(super) fn spent(&self) -> Duration {
        Duration::from_nanos(self.0.spent.load(Relaxed).saturating_add(self.0.running()))
    }
}

impl Figures {
    fn running(&self) -> u64 {
        self.since_began().saturating_sub(self.resumed.load(Relaxed))
    }

    fn since_began(&self) -> u64 {
        u64::try_from(now().saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
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

    /// Computes, or waits, for so long.
    fn compute(time: Duration) {
        let began = now();
        while now().saturating_duration_since(began) < time {}
    }

    #[tokio::test]
    async fn what_a_guest_computes_is_counted_and_what_it_waits_for_is_not() {
        let (cpu, time) = (CpuClock::new(), Duration::from_millis(10));
        let guest = async {
            compute(time);
            let before = cpu.spent();
            // Others run on this thread meanwhile.
            let (told, waits) = tokio::sync::oneshot::channel();
            tokio::spawn(async move {
                compute(time * 5);
                told.send(()).unwrap();
            });
            waits.await.unwrap();
            (before, cpu.spent())
        };
        let (before, after) = cpu.measure(guest).await;
        let all = now().saturating_duration_since(cpu.0.began);
        assert!(before >= time && after >= before && all - after >= time * 5, "{before:?} {after:?} {all:?}");
    }
}
