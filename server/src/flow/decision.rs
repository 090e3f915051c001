//! Writes down what was decided.

use super::{Call, Core, trail};
use crate::audit::{AuditEvent, AuditKind, PluginVerdict};
use crate::oauth::error::{ErrorCode, OAuthError};

impl Core {
    /// Records the outcome of a request of the sort that `issued` and `refused` name.
    pub fn record(&self, issued: AuditKind, refused: AuditKind, call: &Call, error: Option<&OAuthError>) {
        if !self.audit.is_heard() {
            return;
        }
        let facts = call.trail.facts();
        let kind = match error.map(|error| error.code) {
            None => issued,
            Some(ErrorCode::TooManyRequests) => AuditKind::Lockout,
            Some(ErrorCode::InvalidClient) => AuditKind::ClientRejected,
            Some(_) if facts.replayed => AuditKind::TokenReplayed,
            Some(_) => refused,
        };
        let mut event = AuditEvent::new(kind).request(call.request_id.as_str(), call.ip);
        if let Some(grant) = facts.grant {
            event = event.grant(grant);
        }
        if let Some(client) = &facts.client {
            event = event.client(client);
        }
        if let Some(sub) = &facts.sub {
            event = event.subject(sub);
        }
        if let Some(username) = &facts.username {
            event = event.username(username);
        }
        if let Some(scope) = &facts.scope {
            event = event.scope(scope);
        }
        if let Some(error) = error {
            event = event.error(error.code.as_str());
        }
        for verdict in facts.plugins {
            event = event.plugin(self.with_hash(verdict));
        }
        self.audit.record(&event);
    }

    fn with_hash(&self, verdict: trail::PluginVerdict) -> PluginVerdict {
        PluginVerdict {
            sha256: self.plugin_hashes.get(&verdict.plugin).copied(),
            name: verdict.plugin.into(),
            verdict: verdict.verdict.into(),
            ms: verdict.millis,
        }
    }
}
