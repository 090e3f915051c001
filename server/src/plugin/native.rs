//! The native packaging: shared libraries by the C header of the SDK. They run with the server's rights, on threads of
//! their own.

mod host_call;
mod instance;
mod lent;
mod library;
mod supply;
#[cfg(test)]
mod tests;
mod thrown;
mod workers;

use super::Fault;
use super::host::{CallHost, PluginHost};
use super::hosted::{Packaging, lacks};
use super::limits::Kind;
use super::log_line::safe_error;
use super::private_dir::PrivateDir;
use async_trait::async_trait;
use instance::{Instance, Reply, TOO_LARGE};
use library::Table;
use pintle_plugin_api::wire::{
    DeliverEvents, EnrichClaims, EvaluateScope, Exchange, GrantTypes, Health, IssueToken, LookupAccount, PullAccounts,
    ValidateToken, VerifyUser,
};
use pintle_plugin_api::{
    Account, Attr, CallContext, Event, ExtensionOutcome, IssuedToken, Manifest, PluginError, ScopeDecision, ScopeQuery,
    SourcePage, TokenVerdict, VerifyOutcome, VerifyRequest, abi, method,
};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use supply::{Failure, Supply};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use workers::{Abandoned, Workers};

/// Calls that did not return or threw, `cancel` and `destroy` included, before the plugin is not called any more, until one
/// of them returns.
const MAX_LOST: usize = 3;
/// How long after its time a cancelled call may still return.
const CANCEL_GRACE: Duration = Duration::from_millis(100);

/// A library and its instance.
pub struct NativePlugin {
    table: Table,
    manifest: Manifest,
    host: Arc<PluginHost>,
    workers: Arc<Workers>,
    supply: Supply,
    next_call: AtomicU64,
}

impl NativePlugin {
    /// Opens the library of `bytes`, and runs its initializers and its entry on a thread of the plugin's.
    ///
    /// - `sha256`: what the operator says that the hash is, in hex
    /// - `folder`: where the copy goes that is opened
    ///
    /// # Errors
    /// What is wrong with the library, also that its entry threw or did not return in time.
    pub async fn load(
        bytes: Vec<u8>,
        sha256: String,
        folder: PrivateDir,
        host: Arc<PluginHost>,
    ) -> Result<Self, String> {
        let runtime = Handle::current();
        let workers = Arc::new(Workers::new(format!("plugin-{}", host.name()), runtime.clone()));
        let open = move || library::open(&bytes, &sha256, &folder);
        let (table, manifest) =
            supply::in_time(&workers, "its entry", open).await.map_err(|error| error.to_string())??;
        let supply = Supply::new(table, Arc::clone(&host), runtime, Arc::clone(&workers));
        Ok(Self { table, manifest, host, workers, supply, next_call: AtomicU64::new(1) })
    }

    /// What the library says about itself.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The kinds that it exports.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        self.manifest.kinds.iter().filter_map(|kind| Kind::from_name(kind)).collect()
    }

    /// Makes the first instance. The inner error has every fault of the config.
    ///
    /// # Errors
    /// Where there is no instance for another reason.
    pub async fn start(&self) -> Result<Result<(), Vec<String>>, PluginError> {
        match self.supply.instance().await {
            Ok(_) => Ok(Ok(())),
            Err(Failure::Config(faults)) => Ok(Err(faults)),
            Err(Failure::Other(error)) => Err(error),
        }
    }

    /// The instance, made anew where the last one is broken or lost, and a turn on it.
    async fn turn(&self) -> Result<(Arc<Instance>, OwnedSemaphorePermit), PluginError> {
        loop {
            if self.workers.lost() >= MAX_LOST {
                return Err(PluginError::Unavailable(format!(
                    "disabled: {MAX_LOST} calls have not returned, or threw"
                )));
            }
            let instance = self.supply.instance().await?;
            // Closed: the instance broke while this call waited.
            if let Ok(permit) = Arc::clone(&instance.turn).acquire_owned().await {
                return Ok((instance, permit));
            }
        }
    }

    async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        host: Arc<CallHost>,
        method: u32,
        request: &Q,
    ) -> Result<A, PluginError> {
        let request =
            pintle_plugin_api::wire::encode(request).map_err(|error| PluginError::Internal(error.to_string()))?;
        let deadline = Instant::now() + host.limits().wall;
        let (instance, permit) = self.turn().await?;
        let call_id = self.next_call.fetch_add(1, Ordering::Relaxed);
        let abandoned = self.abandoned(&instance, call_id, deadline);
        let (supply, call) = (self.supply.clone(), Arc::clone(&host));
        let work = move || {
            let mut turn = Turn { instance, supply, call, broken: true, _permit: permit };
            let reply = turn.instance.call(call_id, method, &request, host);
            turn.broken = reply.status < 0;
            reply
        };
        let Reply { status, bytes } = self.workers.run(work, abandoned).await?;
        answer(status, &bytes)
    }

    fn abandoned(&self, instance: &Arc<Instance>, call_id: u64, deadline: Instant) -> Abandoned {
        let (cancelled, overdue) = (Arc::clone(instance), Arc::clone(instance));
        let (supply, name, thread_safe) = (self.supply.clone(), self.host.name().to_owned(), self.table.thread_safe);
        Abandoned {
            deadline: deadline + CANCEL_GRACE,
            cancel: Box::new(move || cancelled.cancel(call_id)),
            overdue: Box::new(move || {
                tracing::error!(target: "pintle::plugin", plugin = name, "a call did not return: its thread is lost");
                // Other calls of a thread-safe instance go on; nobody else may enter one that is not.
                if !thread_safe {
                    supply.retire(&overdue);
                }
            }),
        }
    }
}

/// A call on its way through an instance, however it ends.
struct Turn {
    instance: Arc<Instance>,
    supply: Supply,
    call: Arc<CallHost>,
    broken: bool,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    /// Before the turn is given on: a broken instance gets no further call.
    fn drop(&mut self) {
        if self.broken {
            self.call.blame(Fault::Trapped);
            self.supply.retire(&self.instance);
        }
    }
}

fn answer<A: DeserializeOwned>(status: i32, bytes: &[u8]) -> Result<A, PluginError> {
    let internal = |why: String| Err(PluginError::Internal(why));
    match status {
        abi::OK => {
            let bytes = if bytes.is_empty() { b"null" } else { bytes };
            // Not the error's text: it may quote the answer.
            serde_json::from_slice(bytes).or_else(|_| internal("its answer is not of the contract's form".to_owned()))
        }
        abi::ERROR => Err(serde_json::from_slice(bytes)
            .map_or_else(|_| PluginError::Internal("its error is not of the contract's form".to_owned()), safe_error)),
        abi::UNSUPPORTED => internal("it does not know the method".to_owned()),
        TOO_LARGE => internal("its answer is too large".to_owned()),
        _ if status < 0 => internal(format!("it broke with status {status}")),
        _ => internal(format!("it answered with the unknown status {status}")),
    }
}

#[async_trait]
impl Packaging for NativePlugin {
    async fn health(&self, host: Arc<CallHost>, call: CallContext) -> Result<(), PluginError> {
        self.call(host, method::HEALTH, &Health { ctx: call }).await
    }

    async fn verify_user(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        request: VerifyRequest,
    ) -> Result<VerifyOutcome, PluginError> {
        self.demand(Kind::UserVerifier)?;
        self.call(host, method::VERIFY_USER, &VerifyUser { ctx: call, request }).await
    }

    async fn evaluate_scope(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        query: ScopeQuery,
    ) -> Result<ScopeDecision, PluginError> {
        self.demand(Kind::ScopePolicy)?;
        self.call(host, method::EVALUATE_SCOPE, &EvaluateScope { ctx: call, request: query }).await
    }

    async fn issue_token(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        claims_json: String,
        key_id: String,
    ) -> Result<IssuedToken, PluginError> {
        self.demand(Kind::TokenFormat)?;
        self.call(host, method::ISSUE_TOKEN, &IssueToken { ctx: call, claims_json, key_id }).await
    }

    async fn validate_token(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        token: String,
    ) -> Result<TokenVerdict, PluginError> {
        self.demand(Kind::TokenFormat)?;
        self.call(host, method::VALIDATE_TOKEN, &ValidateToken { ctx: call, token }).await
    }

    async fn lookup_account(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        by: String,
        value: String,
    ) -> Result<Option<Account>, PluginError> {
        self.demand(Kind::Directory)?;
        self.call(host, method::LOOKUP_ACCOUNT, &LookupAccount { ctx: call, by, value }).await
    }

    async fn enrich_claims(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        account: Account,
        scopes: Vec<String>,
        target: String,
    ) -> Result<Vec<Attr>, PluginError> {
        self.demand(Kind::Claims)?;
        self.call(host, method::ENRICH_CLAIMS, &EnrichClaims { ctx: call, account, scopes, target }).await
    }

    async fn pull_accounts(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<SourcePage, PluginError> {
        self.demand(Kind::AccountSource)?;
        self.call(host, method::PULL_ACCOUNTS, &PullAccounts { ctx: call, cursor, limit }).await
    }

    async fn deliver_events(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        batch: Vec<Event>,
    ) -> Result<Vec<String>, PluginError> {
        self.demand(Kind::EventSink)?;
        self.call(host, method::DELIVER_EVENTS, &DeliverEvents { ctx: call, batch }).await
    }

    async fn grant_types(&self, host: Arc<CallHost>) -> Result<Vec<String>, PluginError> {
        self.demand(Kind::ExtensionGrant)?;
        self.call(host, method::GRANT_TYPES, &GrantTypes {}).await
    }

    async fn exchange(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        grant_type: String,
        params: Vec<Attr>,
    ) -> Result<ExtensionOutcome, PluginError> {
        self.demand(Kind::ExtensionGrant)?;
        self.call(host, method::EXCHANGE, &Exchange { ctx: call, grant_type, params }).await
    }
}

impl NativePlugin {
    fn demand(&self, kind: Kind) -> Result<(), PluginError> {
        if self.manifest.kinds.iter().any(|exported| exported == kind.name()) { Ok(()) } else { Err(lacks(kind)) }
    }
}
