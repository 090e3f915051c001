//! What runs beside the requests: keys, expiry, certificates, commands, reloads.

use pintle::admin::server::AdminSocket;
use pintle::app::App;
use pintle::http::listener::Server;
use pintle::http::tls::ReloadingTls;
use pintle::systemd;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::task::JoinSet;

/// How often the PEM files are looked at.
const TLS_LOOK: Duration = Duration::from_secs(10);

/// The tasks; they end with [`Background::stop`].
pub struct Background(JoinSet<()>);

impl Background {
    pub fn start(
        app: &Arc<App>,
        tls: Option<Arc<ReloadingTls>>,
        monitoring: Option<Server>,
        socket: AdminSocket,
        hang_up: Signal,
    ) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(app.clone().upkeep());
        tasks.spawn(socket.serve(app.clone()));
        tasks.spawn(reload_at(hang_up, app.clone()));
        if let Some(monitoring) = monitoring {
            tasks.spawn(app.clone().serve_monitoring(monitoring));
        }
        if let Some(tls) = tls {
            tasks.spawn(tls.watch(app.core().clock.clone(), TLS_LOOK));
        }
        Self(tasks)
    }

    /// Ends them and waits until they have: then the admin socket is gone while the store is still ours.
    pub async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

/// Reloads at each SIGHUP. One that fails has said so in the log, and the server goes on as it was.
async fn reload_at(mut hang_up: Signal, app: Arc<App>) {
    while hang_up.recv().await.is_some() {
        systemd::reloading();
        let _ = app.reload(None).await;
        systemd::ready();
    }
}
