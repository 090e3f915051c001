//! The table of endpoints: which paths, which methods, which handler.
//!
//! Paths come from the configuration and may be several, so they are looked up whole rather than matched in segments.

use super::endpoint::{Endpoint, Request};
use super::{reply, request};
use crate::app::App;
use std::collections::HashMap;
use std::sync::Arc;
use warp::{Filter, Rejection, Reply, reply::Response};

/// All endpoints of the main listener. Answers every request: an unknown path with 404.
pub fn routes(app: Arc<App>) -> impl Filter<Extract = (impl Reply,), Error = std::convert::Infallible> + Clone {
    let table = Arc::new(table(&app));
    request::read()
        .then(move |read: Result<Request, Response>| {
            let (app, table) = (app.clone(), table.clone());
            async move {
                match read {
                    Ok(request) => answer(&app, &table, request).await,
                    Err(refusal) => refusal,
                }
            }
        })
        .recover(async |rejection: Rejection| Ok::<_, std::convert::Infallible>(reply::framing(&rejection)))
}

async fn answer(app: &App, table: &HashMap<String, Endpoint>, request: Request) -> Response {
    match table.get(&request.path) {
        Some(endpoint) => endpoint.serve(app, request).await,
        None => reply::not_found(),
    }
}

fn table(app: &App) -> HashMap<String, Endpoint> {
    let paths = &app.paths;
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
    if app.bearer_login {
        add(&paths.authorize, Endpoint::Authorize);
    }
    table
}
