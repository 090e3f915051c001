//! The server as a whole, wired: the only place that knows everything.

mod builder;
mod clients;
mod fault;
mod fetch;
mod generation;
mod ground;
mod live;
mod plugins;
mod reload;
mod restart;
mod shadows;
mod upkeep;

pub use builder::{Builder, StartError};
pub use fault::Fault;
pub use ground::StoreState;
pub use reload::{Code, PluginChange, ReloadError, Reloaded};

use crate::config::model::Config;
use crate::flow::Core;
use crate::http::listener::{Drain, Server};
use crate::http::monitor::{self, Audience};
use crate::http::served::Served;
use crate::http::tls::ReloadingTls;
use crate::keys::MasterKeyOrigin;
use crate::plugin::registry::Registry;
use arc_swap::ArcSwap;
use generation::{Foundation, Generation};
use reload::Source;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::{Mutex, Notify};
use warp::Filter;

/// A wired server, not yet listening.
pub struct App {
    /// Where the master key came from.
    pub master_key: MasterKeyOrigin,
    /// What became of the configured store.
    pub store_state: StoreState,
    /// Of `listen.tls`, after [`Builder::with_tls`].
    pub tls: Option<Arc<ReloadingTls>>,
    foundation: Foundation,
    live: ArcSwap<Generation>,
    /// Where a reload reads the configuration.
    source: Option<Source>,
    /// Held by the reload that runs.
    reloading: Mutex<()>,
    /// Told of each reload that has succeeded.
    renewed: Notify,
}

impl App {
    fn generation(&self) -> Arc<Generation> {
        self.live.load_full()
    }

    /// What the use cases work with, until the next reload.
    #[must_use]
    pub fn core(&self) -> Arc<Core> {
        self.live.load().served.core.clone()
    }

    /// What the endpoints work with, until the next reload.
    #[must_use]
    pub fn served(&self) -> Arc<Served> {
        self.live.load().served.clone()
    }

    /// The configuration as it is in effect.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.live.load().config.clone()
    }

    /// The loaded plugins, until the next reload.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        self.live.load().registry.clone()
    }

    /// All endpoints as a filter, for [`crate::http::listener::Server::serve`] or a server of one's own.
    pub fn routes(
        self: Arc<Self>,
    ) -> impl warp::Filter<Extract = (impl warp::Reply,), Error = std::convert::Infallible> + Clone {
        crate::http::routes::routes(move || self.served())
    }

    /// Serves all endpoints on `server`'s sockets, until `shutdown` ends and the requests that run are answered. Without
    /// a listener of its own, monitoring is served here too, figures for peers on this machine only, and behind a proxy
    /// for nobody.
    pub async fn serve(self: Arc<Self>, server: Server, shutdown: impl Future<Output = ()> + Send) -> Drain {
        if self.config().monitoring.address.is_some() {
            return server.serve(warp::service(self.routes()), shutdown).await;
        }
        let audience = if self.config().listen.behind_proxy { Audience::Nobody } else { Audience::Loopback };
        let monitoring = monitor::routes(self.foundation.metrics.clone(), self.clone(), audience);
        server.serve(warp::service(monitoring.or(self.routes())), shutdown).await
    }

    /// Whether logins fail without this plugin.
    #[must_use]
    pub fn needs(&self, plugin: &str) -> bool {
        plugins::needed(&self.config()).contains(plugin)
    }

    /// Serves health and figures on a listener of their own, for ever.
    pub async fn serve_monitoring(self: Arc<Self>, server: Server) {
        let monitoring = monitor::alone(self.foundation.metrics.clone(), self.clone());
        let _drained = server.serve(warp::service(monitoring), std::future::pending()).await;
    }
}
