//! What the endpoints work with; `app` fills it in.

use super::endpoint::Endpoint;
use super::paths::RoutePaths;
use crate::config::model::BearerErrors;
use crate::flow::Core;
use std::collections::HashMap;
use std::sync::Arc;

/// The server as its endpoints see it.
pub struct Served {
    /// What the use cases work with.
    pub core: Arc<Core>,
    /// Where the endpoints are.
    pub paths: RoutePaths,
    /// Whether there is an authorization endpoint.
    pub bearer_login: bool,
    /// Of `unauthorized_client`.
    pub unauthorized_client_status: u16,
    /// What a refused bearer token is answered with.
    pub bearer_errors: BearerErrors,
    /// Which endpoint is at a whole path.
    pub table: HashMap<String, Endpoint>,
}
