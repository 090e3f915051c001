//! Between the generated types and those of `crate::types`.

use super::lifecycle::pintle::plugin::{accounts, http};
use super::{format_exports, grant_exports, policy_exports, sink_exports, source_exports, types, verifier_exports};
use crate::types::{
    Account, AccountChange, AccountVerdict, CallContext, Challenge, Event, ExtensionGranted, ExtensionOutcome,
    HeaderValue, HttpRequest, HttpResponse, IssuedToken, PluginError, ScopeDecision, ScopeQuery, SourcePage,
    TokenVerdict, VerifyOutcome, VerifyRequest,
};

/// From one record to another whose fields have the same names.
macro_rules! same_fields {
    ($($from:ty => $to:ty { $($field:ident),* })+) => {$(
        impl From<$from> for $to {
            fn from(from: $from) -> Self {
                Self { $($field: from.$field.into()),* }
            }
        }
    )+};
}

same_fields! {
    types::CallCtx => CallContext { request_id, client_id, remote_ip, deadline_ms, ext }
    types::Account => Account {
        id, username, display_name, email, email_verified, disabled, groups, claims_json, ext
    }
    Account => types::Account {
        id, username, display_name, email, email_verified, disabled, groups, claims_json, ext
    }
    verifier_exports::Request => VerifyRequest { username, kind, secret, state, ext }
    Challenge => verifier_exports::Challenge { kind, state, params_json }
    ScopeDecision => policy_exports::Decision { granted, require, max_ttl_s }
    IssuedToken => format_exports::Issued { token, meta_json }
    sink_exports::Event => Event { id, kind, at_ms, json }
    ExtensionGranted => grant_exports::Grant { account, scopes, claims_json }
    http::Response => HttpResponse { status, headers, body }
}

impl From<policy_exports::Request> for ScopeQuery {
    fn from(from: policy_exports::Request) -> Self {
        Self {
            client_json: from.client_json,
            account: from.account.map(Into::into),
            grant_type: from.grant_type,
            requested: from.requested,
            consented: from.consented,
            amr: from.amr,
        }
    }
}

impl From<VerifyOutcome> for verifier_exports::Outcome {
    fn from(from: VerifyOutcome) -> Self {
        match from {
            VerifyOutcome::Accepted(accepted) => Self::Accepted(verifier_exports::Accepted {
                account: accepted.account.into(),
                amr: accepted.amr,
                acr: accepted.acr,
            }),
            VerifyOutcome::Rejected(why) => Self::Rejected(why),
            VerifyOutcome::UnknownUser => Self::UnknownUser,
            VerifyOutcome::Challenge(challenge) => Self::Challenge(challenge.into()),
        }
    }
}

impl From<TokenVerdict> for format_exports::Verdict {
    fn from(from: TokenVerdict) -> Self {
        match from {
            TokenVerdict::Mine(handle) => Self::Mine(handle),
            TokenVerdict::NotMine => Self::NotMine,
            TokenVerdict::Invalid(why) => Self::Invalid(why),
        }
    }
}

impl From<accounts::Verdict> for AccountVerdict {
    fn from(from: accounts::Verdict) -> Self {
        match from {
            accounts::Verdict::Accepted(account) => Self::Accepted(account.into()),
            accounts::Verdict::Rejected => Self::Rejected,
            accounts::Verdict::UnknownUser => Self::UnknownUser,
        }
    }
}

impl From<types::Error> for PluginError {
    fn from(from: types::Error) -> Self {
        match from {
            types::Error::Unavailable(why) => Self::Unavailable(why),
            types::Error::Invalid(why) => Self::Invalid(why),
            types::Error::Denied(why) => Self::Denied(why),
            types::Error::Internal(why) => Self::Internal(why),
        }
    }
}

impl PluginError {
    pub(super) fn into_wit(self) -> types::Error {
        match self {
            Self::Unavailable(why) => types::Error::Unavailable(why),
            Self::Invalid(why) => types::Error::Invalid(why),
            Self::Denied(why) => types::Error::Denied(why),
            Self::Internal(why) => types::Error::Internal(why),
        }
    }
}

impl From<SourcePage> for source_exports::Page {
    fn from(from: SourcePage) -> Self {
        let change = |change| match change {
            AccountChange::Upsert(account) => source_exports::Change::Upsert(account.into()),
            AccountChange::Delete(id) => source_exports::Change::Delete(id),
        };
        Self { changes: from.changes.into_iter().map(change).collect(), next: from.next, complete: from.complete }
    }
}

impl From<ExtensionOutcome> for grant_exports::Outcome {
    fn from(from: ExtensionOutcome) -> Self {
        match from {
            ExtensionOutcome::Granted(grant) => Self::Granted(grant.into()),
            ExtensionOutcome::OauthError(error) => Self::OauthError(error),
        }
    }
}

impl From<&HttpRequest> for http::Request {
    fn from(from: &HttpRequest) -> Self {
        let value = |value: &HeaderValue| match value {
            HeaderValue::Text(text) => http::Value::Text(text.clone()),
            HeaderValue::Secret(text) => http::Value::Secret(text.clone()),
        };
        Self {
            method: from.method.clone(),
            url: from.url.clone(),
            headers: from.headers.iter().map(|(name, content)| (name.clone(), value(content))).collect(),
            body: from.body.to_vec(),
            timeout_ms: from.timeout_ms,
        }
    }
}
