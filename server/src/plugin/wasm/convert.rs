//! The way between the generated types and the SDK's.

use super::bindings::exports::pintle::plugin::{
    account_source, event_sink, extension_grant, scope_policy, token_format, user_verifier,
};
use super::bindings::pintle::plugin::{accounts, http, types};
use crate::plugin::log_line::safe_error;
use pintle_plugin_api as api;
use zeroize::{Zeroize, Zeroizing};

impl From<api::CallContext> for types::CallCtx {
    fn from(call: api::CallContext) -> Self {
        Self {
            request_id: call.request_id,
            client_id: call.client_id,
            remote_ip: call.remote_ip,
            deadline_ms: call.deadline_ms,
            ext: call.ext,
        }
    }
}

impl From<api::Account> for types::Account {
    fn from(account: api::Account) -> Self {
        Self {
            id: account.id,
            username: account.username,
            display_name: account.display_name,
            email: account.email,
            email_verified: account.email_verified,
            disabled: account.disabled,
            groups: account.groups,
            claims_json: account.claims_json,
            ext: account.ext,
        }
    }
}

impl From<types::Account> for api::Account {
    fn from(account: types::Account) -> Self {
        Self {
            id: account.id,
            username: account.username,
            display_name: account.display_name,
            email: account.email,
            email_verified: account.email_verified,
            disabled: account.disabled,
            groups: account.groups,
            claims_json: account.claims_json,
            ext: account.ext,
        }
    }
}

impl From<api::PluginError> for types::Error {
    fn from(error: api::PluginError) -> Self {
        match error {
            api::PluginError::Unavailable(why) => Self::Unavailable(why),
            api::PluginError::Invalid(why) => Self::Invalid(why),
            api::PluginError::Denied(why) => Self::Denied(why),
            api::PluginError::Internal(why) => Self::Internal(why),
        }
    }
}

impl From<types::Error> for api::PluginError {
    fn from(error: types::Error) -> Self {
        safe_error(match error {
            types::Error::Unavailable(why) => Self::Unavailable(why),
            types::Error::Invalid(why) => Self::Invalid(why),
            types::Error::Denied(why) => Self::Denied(why),
            types::Error::Internal(why) => Self::Internal(why),
        })
    }
}

impl From<api::AccountVerdict> for accounts::Verdict {
    fn from(verdict: api::AccountVerdict) -> Self {
        match verdict {
            api::AccountVerdict::Accepted(account) => Self::Accepted(account.into()),
            api::AccountVerdict::Rejected => Self::Rejected,
            api::AccountVerdict::UnknownUser => Self::UnknownUser,
        }
    }
}

/// A request whose secret is wiped when it is dropped.
pub(super) struct Wiped(user_verifier::Request);

impl From<api::VerifyRequest> for Wiped {
    fn from(mut request: api::VerifyRequest) -> Self {
        Self(user_verifier::Request {
            username: request.username,
            kind: request.kind,
            secret: std::mem::take(&mut *request.secret),
            state: request.state,
            ext: request.ext,
        })
    }
}

impl std::ops::Deref for Wiped {
    type Target = user_verifier::Request;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.secret.zeroize();
    }
}

impl From<user_verifier::Outcome> for api::VerifyOutcome {
    fn from(outcome: user_verifier::Outcome) -> Self {
        match outcome {
            user_verifier::Outcome::Accepted(accepted) => {
                Self::Accepted(api::Accepted { account: accepted.account.into(), amr: accepted.amr, acr: accepted.acr })
            }
            user_verifier::Outcome::Rejected(why) => Self::Rejected(why),
            user_verifier::Outcome::UnknownUser => Self::UnknownUser,
            user_verifier::Outcome::Challenge(challenge) => Self::Challenge(api::Challenge {
                kind: challenge.kind,
                state: challenge.state,
                params_json: challenge.params_json,
            }),
        }
    }
}

impl From<api::ScopeQuery> for scope_policy::Request {
    fn from(query: api::ScopeQuery) -> Self {
        Self {
            client_json: query.client_json,
            account: query.account.map(Into::into),
            grant_type: query.grant_type,
            requested: query.requested,
            consented: query.consented,
            amr: query.amr,
        }
    }
}

impl From<scope_policy::Decision> for api::ScopeDecision {
    fn from(decision: scope_policy::Decision) -> Self {
        Self { granted: decision.granted, require: decision.require, max_ttl_s: decision.max_ttl_s }
    }
}

impl From<token_format::Issued> for api::IssuedToken {
    fn from(issued: token_format::Issued) -> Self {
        Self { token: issued.token, meta_json: issued.meta_json }
    }
}

impl From<token_format::Verdict> for api::TokenVerdict {
    fn from(verdict: token_format::Verdict) -> Self {
        match verdict {
            token_format::Verdict::Mine(handle) => Self::Mine(handle),
            token_format::Verdict::NotMine => Self::NotMine,
            token_format::Verdict::Invalid(why) => Self::Invalid(why),
        }
    }
}

impl From<account_source::Page> for api::SourcePage {
    fn from(page: account_source::Page) -> Self {
        let change = |change| match change {
            account_source::Change::Upsert(account) => api::AccountChange::Upsert(account.into()),
            account_source::Change::Delete(id) => api::AccountChange::Delete(id),
        };
        Self { changes: page.changes.into_iter().map(change).collect(), next: page.next, complete: page.complete }
    }
}

impl From<api::Event> for event_sink::Event {
    fn from(event: api::Event) -> Self {
        Self { id: event.id, kind: event.kind, at_ms: event.at_ms, json: event.json }
    }
}

impl From<extension_grant::Outcome> for api::ExtensionOutcome {
    fn from(outcome: extension_grant::Outcome) -> Self {
        match outcome {
            extension_grant::Outcome::Granted(grant) => Self::Granted(api::ExtensionGranted {
                account: grant.account.into(),
                scopes: grant.scopes,
                claims_json: grant.claims_json,
            }),
            extension_grant::Outcome::OauthError(error) => Self::OauthError(error),
        }
    }
}

impl From<http::Request> for api::HttpRequest {
    fn from(request: http::Request) -> Self {
        let value = |value| match value {
            http::Value::Text(text) => api::HeaderValue::Text(text),
            http::Value::Secret(text) => api::HeaderValue::Secret(text),
        };
        Self {
            method: request.method,
            url: request.url,
            headers: request.headers.into_iter().map(|(name, content)| (name, value(content))).collect(),
            body: Zeroizing::new(request.body),
            timeout_ms: request.timeout_ms,
        }
    }
}

impl From<api::HttpResponse> for http::Response {
    fn from(response: api::HttpResponse) -> Self {
        Self { status: response.status, headers: response.headers, body: response.body }
    }
}
