//! The table of endpoints: which paths, which methods, which handler.
//!
//! Paths come from the configuration and may be several, so they are looked up whole rather than matched in segments.

use super::endpoint::{Endpoint, Request};
use super::paths::RoutePaths;
use super::reply;
use super::request::{self, Unread};
use super::served::Served;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use warp::{Filter, Rejection, Reply};

/// What the metrics call a path that no endpoint is at.
const NOWHERE: &str = "none";

/// All endpoints of the main listener. Answers every request: an unknown path with 404.
///
/// - `live`: the server as it is now; asked once for each request, which then sees nothing of a reload
pub fn routes(
    live: impl Fn() -> Arc<Served> + Clone + Send + Sync + 'static,
) -> impl Filter<Extract = (impl Reply,), Error = std::convert::Infallible> + Clone {
    let clock = live().core.clock.clone();
    warp::any()
        .map(move || clock.monotonic())
        .and(request::read())
        .then(move |started: Duration, read: Result<Request, Unread>| {
            let app = live();
            async move {
                let (endpoint, response) = match read {
                    Ok(request) => match app.table.get(&request.path) {
                        // It counts for itself.
                        Some(endpoint) => return endpoint.serve(&app, request).await,
                        None => (NOWHERE, reply::not_found()),
                    },
                    Err(Unread { path, refusal }) => {
                        (app.table.get(&path).map_or(NOWHERE, |found| found.name()), refusal)
                    }
                };
                let took = app.core.clock.monotonic().saturating_sub(started);
                app.core.metrics.request(endpoint, response.status().as_u16(), took);
                response
            }
        })
        .recover(async |rejection: Rejection| Ok::<_, std::convert::Infallible>(reply::framing(&rejection)))
}

/// Which endpoint is at which path.
#[must_use]
pub fn table(paths: &RoutePaths, bearer_login: bool) -> HashMap<String, Endpoint> {
    let mut table = HashMap::new();
    let mut add = |paths: &[String], endpoint: Endpoint| {
        for path in paths {
            table.insert(path.clone(), endpoint);
        }
    };
    add(&paths.token, Endpoint::Token);
    add(&paths.introspect, Endpoint::Introspect);
    add(&paths.revoke, Endpoint::Revoke);
    add(&paths.jwks, Endpoint::Jwks);
    add(&paths.metadata, Endpoint::Metadata);
    if bearer_login {
        add(&paths.authorize, Endpoint::Authorize);
    }
    table
}
