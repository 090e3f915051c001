//! Writes down what was decided.

use super::{Call, Core};
use crate::oauth::error::OAuthError;

impl Core {
    /// Records the outcome of a request at `endpoint`.
    pub fn record(&self, endpoint: &'static str, call: &Call, error: Option<&OAuthError>) {
        let facts = call.trail.facts();
        tracing::info!(target: "audit", request = %call.request_id, endpoint, ?facts, error = error.map(|e| e.code.as_str()));
    }
}
