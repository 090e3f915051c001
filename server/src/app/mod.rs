//! The server as a whole, wired: the only place that knows everything.

mod builder;
mod clients;
mod fault;
mod fetch;
mod ground;
mod paths;
mod plugins;
mod upkeep;

pub use builder::{Builder, StartError};
pub use fault::Fault;
pub use ground::StoreState;
pub use paths::RoutePaths;

use crate::config::model::{BearerErrors, Config};
use crate::flow::Core;
use crate::http::listener::{Drain, Server};
use crate::http::monitor::{self, Audience};
use crate::http::tls::ReloadingTls;
use crate::keys::MasterKeyOrigin;
use crate::plugin::registry::Registry;
use std::future::Future;
use std::sync::Arc;
use warp::Filter;

/// A wired server, not yet listening.
pub struct App {
    /// What the use cases work with.
    pub core: Core,
    /// Where the endpoints are.
    pub paths: RoutePaths,
    /// Whether there is an authorization endpoint.
    pub bearer_login: bool,
    /// Of `unauthorized_client`.
    pub unauthorized_client_status: u16,
    /// What a refused bearer token is answered with.
    pub bearer_errors: BearerErrors,
    /// The metadata document.
    pub metadata: Vec<u8>,
    /// The configuration it was wired from.
    pub config: Config,
    /// The loaded plugins.
    pub registry: Registry,
    /// Where the master key came from.
    pub master_key: MasterKeyOrigin,
    /// What became of the configured store.
    pub store_state: StoreState,
    /// Of `listen.tls`, after [`Builder::with_tls`].
    pub tls: Option<Arc<ReloadingTls>>,
}

impl App {
    /// All endpoints as a filter, for [`crate::http::listener::Server::serve`] or a server of one's own.
    pub fn routes(
        self: Arc<Self>,
    ) -> impl warp::Filter<Extract = (impl warp::Reply,), Error = std::convert::Infallible> + Clone {
        crate::http::routes::routes(self)
    }

    /// Serves all endpoints on `server`'s sockets, until `shutdown` ends and the requests that run are answered. Without
    /// a listener of its own, monitoring is served here too, figures for peers on this machine only.
    pub async fn serve(self: Arc<Self>, server: Server, shutdown: impl Future<Output = ()> + Send) -> Drain {
        if self.config.monitoring.address.is_some() {
            return server.serve(warp::service(self.routes()), shutdown).await;
        }
        let monitoring = monitor::routes(self.core.metrics.clone(), self.clone(), Audience::Loopback);
        server.serve(warp::service(monitoring.or(self.routes())), shutdown).await
    }

    /// Serves health and figures on a listener of their own, for ever.
    pub async fn serve_monitoring(self: Arc<Self>, server: Server) {
        let monitoring = monitor::routes(self.core.metrics.clone(), self.clone(), Audience::Everyone);
        let _drained = server.serve(warp::service(monitoring), std::future::pending()).await;
    }
}
