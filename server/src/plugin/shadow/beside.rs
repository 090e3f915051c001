//! The kinds whose answers can be compared. Events, syncs, grants and tokens cannot: they do something.

use super::facts::{of_claims, of_decision, of_lookup, of_outcome};
use super::ledger::Question;
use super::pair::Pair;
use crate::plugin::limits::Kind;
use crate::plugin::{CallError, ClaimsSource, Directory, ScopePolicy, UserVerifier};
use async_trait::async_trait;
use pintle_plugin_api::{Account, Attr, CallContext, ScopeDecision, ScopeQuery, VerifyOutcome, VerifyRequest};
use std::sync::Arc;

/// A live plugin with a shadow beside it; it answers as the live one does.
pub struct Beside<T: ?Sized> {
    live: Arc<T>,
    shadow: Arc<T>,
    pair: Arc<Pair>,
}

impl<T: ?Sized> Beside<T> {
    /// Puts `shadow` beside `live`.
    #[must_use]
    pub const fn new(live: Arc<T>, shadow: Arc<T>, pair: Arc<Pair>) -> Self {
        Self { live, shadow, pair }
    }
}

fn question(kind: Kind, call: &CallContext, user: Option<&str>) -> Question {
    Question { kind, request_id: call.request_id.clone(), user: user.map(str::to_owned) }
}

#[async_trait]
impl UserVerifier for Beside<dyn UserVerifier> {
    /// The second step of a login has the state of the one that began it, with which no other can go on.
    async fn verify(&self, call: &CallContext, request: VerifyRequest) -> Result<VerifyOutcome, CallError> {
        if request.state.is_some() {
            self.pair.skip();
            return self.live.verify(call, request).await;
        }
        let (started, copy) = (self.pair.now_ms(), request.clone());
        let answer = self.live.verify(call, request).await;
        let question = question(Kind::UserVerifier, call, copy.username.as_deref());
        let (shadow, call) = (Arc::clone(&self.shadow), call.clone());
        let asked = async move { of_outcome(&shadow.verify(&call, copy).await) };
        self.pair.ask(question, started, of_outcome(&answer), asked);
        answer
    }
}

#[async_trait]
impl Directory for Beside<dyn Directory> {
    async fn lookup(&self, call: &CallContext, by: &str, value: &str) -> Result<Option<Account>, CallError> {
        let started = self.pair.now_ms();
        let answer = self.live.lookup(call, by, value).await;
        let question = question(Kind::Directory, call, Some(value));
        let (shadow, call, by, value) = (Arc::clone(&self.shadow), call.clone(), by.to_owned(), value.to_owned());
        let asked = async move { of_lookup(&shadow.lookup(&call, &by, &value).await) };
        self.pair.ask(question, started, of_lookup(&answer), asked);
        answer
    }
}

#[async_trait]
impl ScopePolicy for Beside<dyn ScopePolicy> {
    async fn evaluate(&self, call: &CallContext, query: ScopeQuery) -> Result<ScopeDecision, CallError> {
        let (started, copy) = (self.pair.now_ms(), query.clone());
        let answer = self.live.evaluate(call, query).await;
        let user = copy.account.as_ref().map(|account| account.username.as_str());
        let question = question(Kind::ScopePolicy, call, user);
        let (shadow, call) = (Arc::clone(&self.shadow), call.clone());
        let asked = async move { of_decision(&shadow.evaluate(&call, copy).await) };
        self.pair.ask(question, started, of_decision(&answer), asked);
        answer
    }
}

#[async_trait]
impl ClaimsSource for Beside<dyn ClaimsSource> {
    async fn enrich(
        &self,
        call: &CallContext,
        account: &Account,
        scopes: &[String],
        target: &str,
    ) -> Result<Vec<Attr>, CallError> {
        let started = self.pair.now_ms();
        let answer = self.live.enrich(call, account, scopes, target).await;
        let question = question(Kind::Claims, call, Some(&account.username));
        let (shadow, call) = (Arc::clone(&self.shadow), call.clone());
        let (account, scopes, target) = (account.clone(), scopes.to_vec(), target.to_owned());
        let asked = async move { of_claims(&shadow.enrich(&call, &account, &scopes, &target).await) };
        self.pair.ask(question, started, of_claims(&answer), asked);
        answer
    }
}
