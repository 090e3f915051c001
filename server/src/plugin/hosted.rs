//! A loaded plugin behind its limits, whatever its packaging: the gate in front of every call, the timeout around it, and
//! the comparison of what comes out.

use super::host::{CallHost, PluginHost};
use super::issue::{Finished, IssueScope};
use super::limits::{CallLimits, Gate, Kind, Limits, MAX_PAYLOAD_BYTES, Permit};
use super::supervision::{Guard, Ticket};
use super::{
    AccountSource, CallError, ClaimsSource, Directory, EventSink, ExtensionGrant, Fault, ScopePolicy, TokenFormat,
    UserVerifier,
};
use async_trait::async_trait;
use pintle_plugin_api::{
    Account, Attr, CallContext, Event, ExtensionOutcome, IssuedToken, PluginError, ScopeDecision, ScopeQuery,
    SourcePage, TokenVerdict, VerifyOutcome, VerifyRequest,
};
use std::sync::Arc;

/// The longest `meta_json` that gets into the audit log, in bytes.
const MAX_META_BYTES: usize = 4 * 1024;

/// How a packaging runs the functions of the WIT. The future may be dropped at any time; the call is then over. A kind
/// that a packaging does not implement is one that it lacks.
#[async_trait]
pub trait Packaging: Send + Sync {
    /// Whether a call can wait for nothing but the host's functions: one that is in none of them computes.
    fn waits_in_host_only(&self) -> bool {
        false
    }

    /// `lifecycle.health`.
    async fn health(&self, host: Arc<CallHost>, call: CallContext) -> Result<(), PluginError>;

    /// `user-verifier.verify`.
    async fn verify_user(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        request: VerifyRequest,
    ) -> Result<VerifyOutcome, PluginError>;

    /// `scope-policy.evaluate`.
    async fn evaluate_scope(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        query: ScopeQuery,
    ) -> Result<ScopeDecision, PluginError>;

    /// `token-format.issue`.
    async fn issue_token(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        claims_json: String,
        key_id: String,
    ) -> Result<IssuedToken, PluginError>;

    /// `token-format.validate`.
    async fn validate_token(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        token: String,
    ) -> Result<TokenVerdict, PluginError>;

    /// `directory.lookup`.
    async fn lookup_account(
        &self,
        _host: Arc<CallHost>,
        _call: CallContext,
        _by: String,
        _value: String,
    ) -> Result<Option<Account>, PluginError> {
        Err(lacks(Kind::Directory))
    }

    /// `claims.enrich`.
    async fn enrich_claims(
        &self,
        _host: Arc<CallHost>,
        _call: CallContext,
        _account: Account,
        _scopes: Vec<String>,
        _target: String,
    ) -> Result<Vec<Attr>, PluginError> {
        Err(lacks(Kind::Claims))
    }

    /// `account-source.pull`.
    async fn pull_accounts(
        &self,
        _host: Arc<CallHost>,
        _call: CallContext,
        _cursor: Option<String>,
        _limit: u32,
    ) -> Result<SourcePage, PluginError> {
        Err(lacks(Kind::AccountSource))
    }

    /// `event-sink.deliver`.
    async fn deliver_events(
        &self,
        _host: Arc<CallHost>,
        _call: CallContext,
        _batch: Vec<Event>,
    ) -> Result<Vec<String>, PluginError> {
        Err(lacks(Kind::EventSink))
    }

    /// `extension-grant.grant-types`.
    async fn grant_types(&self, _host: Arc<CallHost>) -> Result<Vec<String>, PluginError> {
        Err(lacks(Kind::ExtensionGrant))
    }

    /// `extension-grant.exchange`.
    async fn exchange(
        &self,
        _host: Arc<CallHost>,
        _call: CallContext,
        _grant_type: String,
        _params: Vec<Attr>,
    ) -> Result<ExtensionOutcome, PluginError> {
        Err(lacks(Kind::ExtensionGrant))
    }
}

/// The answer to a call of a kind that the plugin does not have.
pub(crate) fn lacks(kind: Kind) -> PluginError {
    PluginError::Internal(format!("the plugin does not export {kind}"))
}

/// A plugin and everything that stands around its calls.
pub struct Hosted {
    packaging: Box<dyn Packaging>,
    host: Arc<PluginHost>,
    limits: Limits,
    gate: Gate,
    guard: Option<Guard>,
}

impl Hosted {
    /// Puts `packaging` behind `limits`.
    #[must_use]
    pub fn new(packaging: Box<dyn Packaging>, host: Arc<PluginHost>, limits: Limits) -> Self {
        let gate = Gate::new(&limits);
        Self { packaging, host, limits, gate, guard: None }
    }

    /// Puts `guard` before the calls of all kinds; not before those of the lifecycle.
    #[must_use]
    pub fn guarded_by(mut self, guard: Guard) -> Self {
        self.guard = Some(guard);
        self
    }

    /// What stands before the calls, if anything does.
    #[must_use]
    pub const fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }

    /// `lifecycle.health`.
    ///
    /// # Errors
    /// Why the plugin could not answer now.
    pub async fn health(&self, call: &CallContext) -> Result<(), PluginError> {
        let limits = self.limits.of_lifecycle();
        let answer = self.run_within(call, limits, None, |host, call| self.packaging.health(host, call)).await;
        answer.map_err(|ended| ended.error)
    }

    /// Waits for a turn; a call that gets none has failed, and says nothing of the plugin.
    async fn enter(&self, ticket: &mut Option<Ticket<'_>>) -> Result<Permit, CallError> {
        let entered = self.gate.enter().await.map_err(|error| CallError { error, fault: Fault::Overloaded });
        if let (Err(_), Some(ticket)) = (&entered, ticket) {
            ticket.ended(&entered);
        }
        entered
    }

    /// `extension-grant.grant-types`.
    ///
    /// # Errors
    /// Why the plugin could not answer.
    pub async fn grant_types(&self) -> Result<Vec<String>, PluginError> {
        let limits = self.limits.of_lifecycle();
        let call = CallContext::default();
        let answer = self.run_within(&call, limits, None, |host, _| self.packaging.grant_types(host)).await;
        answer.map_err(|ended| ended.error)
    }

    fn admit(&self) -> Result<Option<Ticket<'_>>, CallError> {
        self.guard.as_ref().map(Guard::admit).transpose()
    }

    /// Runs one call of a kind, if the guard lets it through.
    async fn run<T, F: Future<Output = Result<T, PluginError>>>(
        &self,
        call: &CallContext,
        limits: CallLimits,
        start: impl FnOnce(Arc<CallHost>, CallContext) -> F,
    ) -> Result<T, CallError> {
        let ticket = self.admit()?;
        self.run_within(call, limits, ticket, start).await
    }

    /// Runs one call: waits for its turn, sets its deadline, and ends it in time.
    async fn run_within<T, F: Future<Output = Result<T, PluginError>>>(
        &self,
        call: &CallContext,
        limits: CallLimits,
        mut ticket: Option<Ticket<'_>>,
        start: impl FnOnce(Arc<CallHost>, CallContext) -> F,
    ) -> Result<T, CallError> {
        let permit = self.enter(&mut ticket).await?;
        let host = CallHost::new(Arc::clone(&self.host), &call.request_id, limits, None, Some(permit));
        self.run_on(Arc::new(host), call, ticket, start).await
    }

    async fn run_on<T, F: Future<Output = Result<T, PluginError>>>(
        &self,
        host: Arc<CallHost>,
        call: &CallContext,
        mut ticket: Option<Ticket<'_>>,
        start: impl FnOnce(Arc<CallHost>, CallContext) -> F,
    ) -> Result<T, CallError> {
        let wall = host.limits().wall;
        let closes = Closes(Arc::clone(&host));
        let deadline_ms = u32::try_from(wall.as_millis()).unwrap_or(u32::MAX);
        let call = CallContext { deadline_ms, ..call.clone() };
        // It outlives the timeout, so that what it waited for can be seen.
        let mut running = std::pin::pin!(start(host, call));
        match tokio::time::timeout(wall, running.as_mut()).await {
            Ok(answer) => {
                let answer = answer.map_err(|error| CallError { error, fault: closes.0.fault() });
                if let Some(ticket) = &mut ticket {
                    ticket.ended(&answer);
                }
                answer
            }
            Err(_) => {
                if let Some(ticket) = &mut ticket {
                    ticket.timed_out(!self.packaging.waits_in_host_only() || closes.0.waited_for_upstream());
                }
                let error = PluginError::Unavailable(format!("no answer within {deadline_ms} ms"));
                Err(CallError { error, fault: Fault::TimedOut })
            }
        }
    }

    async fn issue_within(
        &self,
        call: &CallContext,
        claims_json: &str,
        key_id: &str,
    ) -> Result<(IssuedToken, Finished), CallError> {
        let (alg, typ) = (call.ext("alg").unwrap_or_default(), call.ext("typ").unwrap_or_default());
        let issue = IssueScope::new(claims_json, key_id, alg, typ)?;
        let mut ticket = self.admit()?;
        let permit = self.enter(&mut ticket).await?;
        let limits = self.limits.of(Kind::TokenFormat);
        let host = Arc::new(CallHost::new(Arc::clone(&self.host), &call.request_id, limits, Some(issue), Some(permit)));
        let (claims_json, key_id) = (claims_json.to_owned(), key_id.to_owned());
        let issued = self
            .run_on(Arc::clone(&host), call, ticket, |host, call| {
                self.packaging.issue_token(host, call, claims_json, key_id)
            })
            .await?;
        let scope = host.issue().ok_or_else(|| PluginError::Internal("the call lost its issue scope".to_owned()))?;
        let finished = scope.finish(&issued.token)?;
        Ok((issued, finished))
    }
}

/// Ends a call however its future ends.
struct Closes(Arc<CallHost>);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[async_trait]
impl UserVerifier for Hosted {
    async fn verify(&self, call: &CallContext, request: VerifyRequest) -> Result<VerifyOutcome, CallError> {
        check_payload(request.secret.len() + request.username.as_ref().map_or(0, String::len))?;
        let limits = self.limits.of(Kind::UserVerifier);
        self.run(call, limits, |host, call| self.packaging.verify_user(host, call, request)).await
    }
}

#[async_trait]
impl ScopePolicy for Hosted {
    async fn evaluate(&self, call: &CallContext, query: ScopeQuery) -> Result<ScopeDecision, CallError> {
        let limits = self.limits.of(Kind::ScopePolicy);
        self.run(call, limits, |host, call| self.packaging.evaluate_scope(host, call, query)).await
    }
}

#[async_trait]
impl TokenFormat for Hosted {
    /// A token that was not signed is given to `validate`, which must find the handle in it.
    async fn issue(&self, call: &CallContext, claims_json: &str, key_id: &str) -> Result<IssuedToken, CallError> {
        let (mut issued, finished) = self.issue_within(call, claims_json, key_id).await?;
        if let Finished::Handle(handle) = finished {
            match self.validate(call, &issued.token).await? {
                TokenVerdict::Mine(found) if found == handle => {}
                _ => return Err(PluginError::Internal("the format does not know its own token".to_owned()).into()),
            }
        }
        // It is for the audit log only: no reason to fail, and none to log what is not as it should be.
        if !is_meta(&issued.meta_json) {
            issued.meta_json.clear();
        }
        Ok(issued)
    }

    async fn validate(&self, call: &CallContext, token: &str) -> Result<TokenVerdict, CallError> {
        check_payload(token.len())?;
        let (limits, token) = (self.limits.of(Kind::TokenFormat), token.to_owned());
        self.run(call, limits, |host, call| self.packaging.validate_token(host, call, token)).await
    }
}

#[async_trait]
impl Directory for Hosted {
    async fn lookup(&self, call: &CallContext, by: &str, value: &str) -> Result<Option<Account>, CallError> {
        check_payload(value.len())?;
        let (limits, by, value) = (self.limits.of(Kind::Directory), by.to_owned(), value.to_owned());
        self.run(call, limits, |host, call| self.packaging.lookup_account(host, call, by, value)).await
    }
}

#[async_trait]
impl ClaimsSource for Hosted {
    async fn enrich(
        &self,
        call: &CallContext,
        account: &Account,
        scopes: &[String],
        target: &str,
    ) -> Result<Vec<Attr>, CallError> {
        let (account, scopes, target) = (account.clone(), scopes.to_vec(), target.to_owned());
        let limits = self.limits.of(Kind::Claims);
        self.run(call, limits, |host, call| self.packaging.enrich_claims(host, call, account, scopes, target)).await
    }
}

#[async_trait]
impl AccountSource for Hosted {
    async fn pull(&self, call: &CallContext, cursor: Option<String>, limit: u32) -> Result<SourcePage, CallError> {
        let limits = self.limits.of(Kind::AccountSource);
        self.run(call, limits, |host, call| self.packaging.pull_accounts(host, call, cursor, limit)).await
    }
}

#[async_trait]
impl EventSink for Hosted {
    async fn deliver(&self, call: &CallContext, batch: Vec<Event>) -> Result<Vec<String>, CallError> {
        check_payload(batch.iter().map(|event| event.json.len()).sum())?;
        let limits = self.limits.of(Kind::EventSink);
        self.run(call, limits, |host, call| self.packaging.deliver_events(host, call, batch)).await
    }
}

#[async_trait]
impl ExtensionGrant for Hosted {
    async fn exchange(
        &self,
        call: &CallContext,
        grant_type: &str,
        params: Vec<Attr>,
    ) -> Result<ExtensionOutcome, CallError> {
        check_payload(params.iter().map(|(name, value)| name.len() + value.len()).sum())?;
        let (limits, grant_type) = (self.limits.of(Kind::ExtensionGrant), grant_type.to_owned());
        self.run(call, limits, |host, call| self.packaging.exchange(host, call, grant_type, params)).await
    }
}

fn is_meta(json: &str) -> bool {
    let object = || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json).is_ok();
    json.len() <= MAX_META_BYTES && (json.is_empty() || object())
}

fn check_payload(bytes: usize) -> Result<(), PluginError> {
    if bytes > MAX_PAYLOAD_BYTES {
        return Err(PluginError::Invalid(format!("a request of {bytes} bytes; at most {MAX_PAYLOAD_BYTES}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
