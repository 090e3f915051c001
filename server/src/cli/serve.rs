//! `pintle serve`.

use super::background::Background;
use super::demo::Demo;
use super::exit::Failure;
use super::log;
use super::open::Opening;
use super::owner;
use super::patience::{Obstacle, patiently};
use pintle::admin::server::AdminSocket;
use pintle::app::App;
use pintle::config::model::Config;
use pintle::http::listener::{Drain, Server};
use pintle::systemd;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs the server until a signal ends it.
pub async fn serve(open: &Opening) -> Result<(), Failure> {
    let loaded = open.load()?;
    log::install(&loaded.config.log)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mut config = loaded.config;
    let demo = Demo::prepare(&mut config, &*open.surroundings.entropy);
    owner::refuse_foreign_data(&config.data_dir)?;
    let app = Arc::new(build(open, &config).await?);
    let signals = Signals::listen()?;
    let tls = app.tls.clone();
    let server = Server::bind(&app.config.listen, tls.clone(), app.core.entropy.clone());
    let server = server.map_err(Failure::unavailable)?;
    let monitoring = monitoring(&app)?;
    let socket = AdminSocket::bind(&app.config.data_dir).map_err(Failure::unavailable)?;
    if let Some(demo) = demo {
        demo.install(&app.core).await?;
        demo.print(&app, server.addresses());
    }
    let background = Background::start(&app, tls, monitoring, socket);
    systemd::ready();
    let drained = app.clone().serve(server, signals.shutdown()).await;
    background.stop().await;
    app.conclude().await;
    match drained {
        Drain::Finished => tracing::info!("every request was answered"),
        Drain::Cut { connections } => tracing::warn!(connections, "some requests were cut"),
    }
    Ok(())
}

/// Waits for a command that has the store for a moment.
async fn build(open: &Opening, config: &Config) -> Result<App, Failure> {
    patiently(&*open.surroundings.clock, async || {
        open.builder(config.clone()).with_tls().build().await.map_err(Obstacle::of_start)
    })
    .await
}

fn monitoring(app: &App) -> Result<Option<Server>, Failure> {
    let Some(address) = &app.config.monitoring.address else { return Ok(None) };
    let server = Server::bind_monitoring(address, &app.config.listen, app.core.entropy.clone());
    server.map(Some).map_err(Failure::unavailable)
}

/// The signals that mean something, caught from before the server says that it is ready.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|cause| Failure::unavailable(format!("cannot catch signals: {cause}")));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Ends at the first signal to end.
    async fn shutdown(mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                Some(()) = self.hang_up.recv() => tracing::info!("SIGHUP does nothing: a changed configuration needs a restart"),
            }
        }
        systemd::stopping("draining");
    }
}
