//! What runs beside the requests: keys, expiry, certificates, commands.

use pintle::admin::server::AdminSocket;
use pintle::app::App;
use pintle::http::listener::Server;
use pintle::http::tls::ReloadingTls;
use std::sync::Arc;
use std::time::Duration;
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
    ) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(app.clone().upkeep());
        tasks.spawn(socket.serve(app.core.clone()));
        if let Some(monitoring) = monitoring {
            tasks.spawn(app.clone().serve_monitoring(monitoring));
        }
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
