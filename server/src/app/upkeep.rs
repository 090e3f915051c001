//! What a server does without being asked: key rotation, events, the expiry sweep, the figures of the metrics.

use super::{App, plugins};
use crate::clock::millis;
use crate::flow::Core;
use crate::flow::sync::{NamedSource, schedule};
use crate::http::monitor::Readiness;
use crate::store::{Key, StoreStats};
use async_trait::async_trait;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// How often the keys are looked after, and other servers' rotations and clients on the same store seen.
const KEYS_EVERY: Duration = Duration::from_secs(60);
/// How often figures are taken.
const FIGURES_EVERY: Duration = Duration::from_secs(1);
/// After a sync that the store did not take.
const SYNC_PAUSE: Duration = Duration::from_secs(30);
/// Between two steps of a sweep, so that it never crowds out requests.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);

impl App {
    /// Runs for ever; to be spawned beside serving. When it has been ended, [`Self::conclude`] is due.
    pub async fn upkeep(self: Arc<Self>) {
        let events = self.foundation.events.run();
        tokio::join!(self.follow_store(), self.sweep(), self.take_figures(), self.sync_all(), events);
    }

    /// Stores what was still in memory. The last thing to do.
    pub async fn conclude(&self) {
        if let Err(error) = self.foundation.events.flush().await {
            tracing::error!(%error, "the last events are lost");
        }
    }

    async fn follow_store(&self) {
        loop {
            self.pause(KEYS_EVERY).await;
            if let Err(error) = self.foundation.keys.tick().await {
                tracing::error!(%error, "the signing keys could not be looked after");
            }
            let core = self.core();
            if let Err(error) = core.clients.read_stored(core.store.as_ref()).await {
                tracing::error!(%error, "the clients could not be read again");
            }
        }
    }

    async fn sweep(&self) {
        loop {
            match self.foundation.store.sweep().await {
                Ok(0) => self.pause(self.config().store.sweep_every).await,
                Ok(_) => self.pause(SWEEP_PAUSE).await,
                Err(error) => {
                    tracing::error!(%error, "expired records could not be removed");
                    self.pause(self.config().store.sweep_every).await;
                }
            }
        }
    }

    /// The accounts of all sources, those of the next reading once a reload has brought one: a run goes on from the last
    /// step that was committed.
    async fn sync_all(&self) {
        loop {
            let core = self.core();
            tokio::select! {
                _ = join_all(core.syncs.iter().map(|source| self.sync(&core, source))), if !core.syncs.is_empty() => {}
                () = self.renewed.notified() => {}
            }
        }
    }

    /// One plugin's accounts.
    async fn sync(&self, core: &Core, source: &NamedSource) {
        loop {
            let wait = schedule::tick(core, source).await.unwrap_or_else(|error| {
                tracing::error!(plugin = source.entry.plugin, %error, "accounts could not be synced");
                SYNC_PAUSE
            });
            self.pause(wait).await;
        }
    }

    async fn take_figures(&self) {
        let mut before = self.foundation.store.stats();
        loop {
            self.pause(FIGURES_EVERY).await;
            let now = self.foundation.store.stats();
            self.publish(before, now);
            before = now;
        }
    }

    fn publish(&self, before: StoreStats, now: StoreStats) {
        let metrics = &self.foundation.metrics;
        metrics.set_hashing_waiting(self.foundation.hasher.queued());
        metrics.set_store_bytes(now.disk_bytes);
        metrics.committed(now.commits.saturating_sub(before.commits));
    }

    async fn pause(&self, time: Duration) {
        let clock = &self.foundation.clock;
        clock.sleep_until(clock.monotonic_ms().saturating_add(millis(time))).await;
    }
}

#[async_trait]
impl Readiness for App {
    async fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.foundation.store.get(&Key::new(*b"ready")).await.is_err() {
            missing.push("the store does not answer".to_owned());
        }
        let generation = self.generation();
        for name in plugins::needed(&generation.config) {
            if generation.registry.plugin(name).is_some_and(|plugin| plugin.failure().is_some()) {
                missing.push(format!("plugin {name} could not be loaded"));
            } else if self.foundation.supervision.switches.is_off(name) {
                missing.push(format!("plugin {name} is disabled"));
            }
        }
        let full = self.foundation.events.full();
        missing.extend(full.map(|sink| format!("too many events wait for the strict sink {sink}")));
        missing
    }
}
