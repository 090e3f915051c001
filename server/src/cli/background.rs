//! What runs beside the requests: keys, expiry, certificates, commands.

use pintle::admin::server::AdminSocket;
use pintle::app::{App, KEY_TICK};
use pintle::clock::Clock;
use pintle::http::tls::ReloadingTls;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How often the PEM files are looked at.
const TLS_LOOK: Duration = Duration::from_secs(10);

/// The tasks; they end with [`Background::stop`].
pub struct Background(JoinSet<()>);

impl Background {
    pub fn start(app: &Arc<App>, tls: Option<Arc<ReloadingTls>>, socket: AdminSocket) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(look_after_keys(app.clone()));
        tasks.spawn(remove_expired(app.clone()));
        tasks.spawn(socket.serve(app.clone()));
        if let Some(tls) = tls {
            tasks.spawn(tls.watch(app.core.clock.clone(), TLS_LOOK));
        }
        Self(tasks)
    }

    /// Ends them and waits until they have: then the admin socket is gone while the store is still ours.
    pub async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

async fn look_after_keys(app: Arc<App>) {
    loop {
        pause(&*app.core.clock, KEY_TICK).await;
        if let Err(cause) = app.core.keys.tick().await {
            tracing::error!(%cause, "the keys could not be looked after");
        }
    }
}

async fn remove_expired(app: Arc<App>) {
    loop {
        pause(&*app.core.clock, app.config.store.sweep_every).await;
        loop {
            match app.core.store.sweep().await {
                Ok(0) => break,
                Ok(removed) => tracing::debug!(removed, "expired records removed"),
                Err(cause) => {
                    tracing::error!(%cause, "expired records could not be removed");
                    break;
                }
            }
        }
    }
}

async fn pause(clock: &dyn Clock, duration: Duration) {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    clock.sleep_until(clock.monotonic_ms().saturating_add(millis)).await;
}
