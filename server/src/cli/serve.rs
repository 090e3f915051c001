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
use pintle::config::{self, ConfigErrors, LoadOptions, Loaded};
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
    let demo = Demo::prepare(&config, &*open.surroundings.entropy);
    demo.iter().for_each(|demo| demo.equip(&mut config));
    owner::refuse_foreign_data(&config.data_dir)?;
    let app = Arc::new(build(open, &config, demo.as_ref()).await?);
    let signals = Signals::listen()?;
    let tls = app.tls.clone();
    let server = Server::bind(&app.config().listen, tls.clone(), app.core().entropy.clone());
    let server = server.map_err(Failure::unavailable)?;
    let monitoring = monitoring(&app)?;
    let socket = AdminSocket::bind(&app.config().data_dir).map_err(Failure::unavailable)?;
    if let Some(demo) = demo {
        demo.install(&app.core()).await?;
        demo.print(&app, server.addresses());
    }
    let Signals { terminate, interrupt, hang_up } = signals;
    let background = Background::start(&app, tls, monitoring, socket, hang_up);
    systemd::ready();
    let drained = app.clone().serve(server, shutdown(terminate, interrupt)).await;
    background.stop().await;
    app.conclude().await;
    match drained {
        Drain::Finished => tracing::info!("every request was answered"),
        Drain::Cut { connections } => tracing::warn!(connections, "some requests were cut"),
    }
    Ok(())
}

/// Waits for a command that has the store for a moment.
async fn build(open: &Opening, config: &Config, demo: Option<&Demo>) -> Result<App, Failure> {
    patiently(&*open.surroundings.clock, async || {
        let builder = open.builder(config.clone()).with_tls();
        let builder = builder.reloads_from(source(open.options(), demo.cloned()));
        builder.build().await.map_err(Obstacle::of_start)
    })
    .await
}

fn monitoring(app: &App) -> Result<Option<Server>, Failure> {
    let config = app.config();
    let Some(address) = &config.monitoring.address else { return Ok(None) };
    let server = Server::bind_monitoring(address, &config.listen, app.core().entropy.clone());
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
}

/// Ends at the first signal to end.
async fn shutdown(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    systemd::stopping("draining");
}

/// Reads the configuration anew, with the secrets that this start made.
fn source(options: LoadOptions, demo: Option<Demo>) -> impl Fn() -> Result<Config, ConfigErrors> {
    move || {
        let Loaded { mut config, warnings, .. } = config::load(&options)?;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        demo.iter().for_each(|demo| demo.equip(&mut config));
        Ok(config)
    }
}
