//! Writes down what was decided.

use super::trail::{self, Facts};
use super::{Call, Core};
use crate::audit::{AuditEvent, AuditKind, PluginVerdict};
use crate::clock::millis;
use crate::oauth::error::{ErrorCode, OAuthError};

impl Core {
    /// Records the outcome of a request of the sort that `issued` and `refused` name.
    ///
    /// # Errors
    /// Its event is to be stored first and cannot be: the outcome must not hold.
    pub async fn record(
        &self,
        issued: AuditKind,
        refused: AuditKind,
        call: &Call,
        error: Option<&OAuthError>,
    ) -> Result<(), OAuthError> {
        if !self.audit.is_heard() && self.events.is_silent() {
            return Ok(());
        }
        let facts = call.trail.facts();
        let kind = match error.map(|error| error.code) {
            None if facts.not_revoked => AuditKind::TokenNotRevoked,
            None => issued,
            Some(ErrorCode::TooManyRequests) => AuditKind::Lockout,
            Some(ErrorCode::InvalidClient) => AuditKind::ClientRejected,
            Some(_) if facts.replayed => AuditKind::TokenReplayed,
            Some(_) => refused,
        };
        self.write_down(kind, refused, call, facts, error).await
    }

    /// Records what the chain of backends said, before the request's own line. One that was held back was not asked.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub(super) async fn record_login(&self, call: &Call, error: Option<&OAuthError>) -> Result<(), OAuthError> {
        let kind = match error.map(|error| error.code) {
            None => AuditKind::LoginAccepted,
            Some(ErrorCode::InvalidGrant) => AuditKind::LoginRejected,
            Some(ErrorCode::TooManyRequests) => return Ok(()),
            Some(_) => AuditKind::LoginFailed,
        };
        if !self.audit.is_heard() && self.events.is_silent() {
            return Ok(());
        }
        self.write_down(kind, AuditKind::LoginFailed, call, call.trail.facts(), error).await
    }

    /// To the sinks first, as one that is strict may turn the decision into `failed`.
    async fn write_down(
        &self,
        kind: AuditKind,
        failed: AuditKind,
        call: &Call,
        facts: Facts,
        error: Option<&OAuthError>,
    ) -> Result<(), OAuthError> {
        if !self.audit.is_heard() && !self.events.wants(kind.name()) {
            return Ok(());
        }
        let event = AuditEvent::new(kind).request(call.request_id.as_str(), call.ip);
        let event = self.with_facts(event, facts);
        let event = match error {
            Some(error) => event.error(error.code.as_str()),
            None => event,
        };
        let Err(cause) = self.events.emit(&event).await else {
            self.audit.record(&event);
            return Ok(());
        };
        let error = OAuthError::unavailable(cause);
        self.audit.record(&event.ended(failed, error.code.as_str()));
        Err(error)
    }

    /// Adds to `event` what a request's trail has.
    pub(crate) fn with_facts(&self, mut event: AuditEvent, facts: Facts) -> AuditEvent {
        if let Some(grant) = facts.grant {
            event = event.grant(grant);
        }
        if let Some(client) = facts.client.or(facts.claimed_client) {
            event = event.client(client);
        }
        if let Some(sub) = &facts.sub {
            event = event.subject(sub);
        }
        if let Some(username) = &facts.username {
            event = event.username(username);
        }
        if let Some(family) = &facts.family {
            event = event.family(family);
        }
        if let Some(scope) = &facts.scope {
            event = event.scope(scope);
        }
        if let Some(verdict) = facts.verdict {
            event = event.verdict(verdict);
        }
        for verdict in facts.plugins {
            event = event.plugin(self.with_hash(verdict));
        }
        event
    }

    fn with_hash(&self, verdict: trail::PluginVerdict) -> PluginVerdict {
        PluginVerdict {
            // The first lines after the start wait for the executable's.
            sha256: self.code.get(&verdict.plugin).and_then(|code| code.sha256()),
            name: verdict.plugin.into(),
            verdict: verdict.verdict.into(),
            ms: millis(verdict.took),
            reason: verdict.reason.map(Into::into),
        }
    }
}
