//! The linked-in packaging: a plugin of the server's own binary.
//!
//! Cheap plugins run on the caller's thread; those that may wait for the host run on tokio's blocking threads.

use super::Fault;
use super::host::CallHost;
use super::hosted::{Packaging, lacks};
use super::limits::Kind;
use async_trait::async_trait;
use pintle_plugin_api::linked::{LinkedInstance, LinkedPlugin};
use pintle_plugin_api::{
    Account, AccountVerdict, Attr, Call, CallContext, Event, ExtensionOutcome, Host, HttpRequest, HttpResponse,
    IssuedToken, Manifest, PluginError, ScopeDecision, ScopeQuery, SourcePage, TokenVerdict, VerifyOutcome,
    VerifyRequest,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

/// An instance of a linked-in plugin.
pub struct Linked {
    instance: Arc<dyn LinkedInstance>,
    inline: bool,
}

impl Linked {
    /// Makes an instance from the entry's config.
    ///
    /// # Errors
    /// Every fault of the config.
    pub fn new(plugin: &LinkedPlugin, config_json: &str) -> Result<Self, Vec<String>> {
        let instance = (plugin.create)(config_json)?;
        Ok(Self { instance: Arc::from(instance), inline: runs_inline(&(plugin.manifest)()) })
    }

    /// The kinds that it exports.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        self.instance.kinds().into_iter().filter_map(Kind::from_name).collect()
    }

    async fn run<T: Send + 'static>(
        &self,
        host: Arc<CallHost>,
        context: CallContext,
        work: impl FnOnce(&dyn LinkedInstance, &Call<'_>) -> Result<T, PluginError> + Send + 'static,
    ) -> Result<T, PluginError> {
        let instance = Arc::clone(&self.instance);
        if self.inline {
            return caught(&*instance, &context, &LinkedHost { call: host, runtime: None }, work);
        }
        let host = LinkedHost { call: host, runtime: Some(Handle::current()) };
        tokio::task::spawn_blocking(move || caught(&*instance, &context, &host, work))
            .await
            .unwrap_or_else(|_| Err(panicked()))
    }
}

/// Policies, formats and claims are quick, unless a host interface makes them wait.
fn runs_inline(manifest: &Manifest) -> bool {
    let waits = |interface: &String| matches!(interface.as_str(), "kv" | "accounts" | "http");
    let quick = |kind: &String| {
        let kind = Kind::from_name(kind);
        kind.is_some_and(|kind| matches!(kind, Kind::ScopePolicy | Kind::TokenFormat | Kind::Claims))
    };
    !manifest.wants.iter().any(waits) && manifest.kinds.iter().all(quick)
}

fn caught<T>(
    instance: &dyn LinkedInstance,
    context: &CallContext,
    host: &LinkedHost,
    work: impl FnOnce(&dyn LinkedInstance, &Call<'_>) -> Result<T, PluginError>,
) -> Result<T, PluginError> {
    catch_unwind(AssertUnwindSafe(|| work(instance, &Call { context, host }))).unwrap_or_else(|_| {
        host.call.blame(Fault::Trapped);
        Err(panicked())
    })
}

fn panicked() -> PluginError {
    PluginError::Internal("the plugin panicked".to_owned())
}

#[async_trait]
impl Packaging for Linked {
    async fn health(&self, host: Arc<CallHost>, call: CallContext) -> Result<(), PluginError> {
        self.run(host, call, |instance, call| instance.health(call)).await
    }

    async fn verify_user(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        request: VerifyRequest,
    ) -> Result<VerifyOutcome, PluginError> {
        self.run(host, call, move |instance, call| {
            instance.user_verifier().ok_or_else(|| lacks(Kind::UserVerifier))?.verify(call, &request)
        })
        .await
    }

    async fn evaluate_scope(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        query: ScopeQuery,
    ) -> Result<ScopeDecision, PluginError> {
        self.run(host, call, move |instance, call| {
            instance.scope_policy().ok_or_else(|| lacks(Kind::ScopePolicy))?.evaluate(call, &query)
        })
        .await
    }

    async fn issue_token(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        claims_json: String,
        key_id: String,
    ) -> Result<IssuedToken, PluginError> {
        self.run(host, call, move |instance, call| {
            instance.token_format().ok_or_else(|| lacks(Kind::TokenFormat))?.issue(call, &claims_json, &key_id)
        })
        .await
    }

    async fn validate_token(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        token: String,
    ) -> Result<TokenVerdict, PluginError> {
        self.run(host, call, move |instance, call| {
            instance.token_format().ok_or_else(|| lacks(Kind::TokenFormat))?.validate(call, &token)
        })
        .await
    }

    async fn lookup_account(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        by: String,
        value: String,
    ) -> Result<Option<Account>, PluginError> {
        self.run(host, call, move |instance, call| {
            instance.directory().ok_or_else(|| lacks(Kind::Directory))?.lookup(call, &by, &value)
        })
        .await
    }

    async fn enrich_claims(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        account: Account,
        scopes: Vec<String>,
        target: String,
    ) -> Result<Vec<Attr>, PluginError> {
        self.run(host, call, move |instance, call| {
            instance.claims().ok_or_else(|| lacks(Kind::Claims))?.enrich(call, &account, &scopes, &target)
        })
        .await
    }

    async fn pull_accounts(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<SourcePage, PluginError> {
        self.run(host, call, move |instance, call| {
            instance.account_source().ok_or_else(|| lacks(Kind::AccountSource))?.pull(call, cursor.as_deref(), limit)
        })
        .await
    }

    async fn deliver_events(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        batch: Vec<Event>,
    ) -> Result<Vec<String>, PluginError> {
        self.run(host, call, move |instance, call| {
            instance.event_sink().ok_or_else(|| lacks(Kind::EventSink))?.deliver(call, &batch)
        })
        .await
    }

    async fn grant_types(&self, host: Arc<CallHost>) -> Result<Vec<String>, PluginError> {
        self.run(host, CallContext::default(), |instance, _| {
            Ok(instance.extension_grant().ok_or_else(|| lacks(Kind::ExtensionGrant))?.grant_types())
        })
        .await
    }

    async fn exchange(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        grant_type: String,
        params: Vec<Attr>,
    ) -> Result<ExtensionOutcome, PluginError> {
        self.run(host, call, move |instance, call| {
            let kind = instance.extension_grant().ok_or_else(|| lacks(Kind::ExtensionGrant))?;
            kind.exchange(call, &grant_type, &params)
        })
        .await
    }
}

/// The host as the SDK's synchronous trait.
struct LinkedHost {
    call: Arc<CallHost>,
    /// Where host calls are waited for; none on a thread that must not wait.
    runtime: Option<Handle>,
}

impl LinkedHost {
    fn wait<T>(&self, answer: impl Future<Output = Result<T, PluginError>>) -> Result<T, PluginError> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(self.call.unless_over(answer)),
            None => {
                Err(PluginError::Denied("the plugin's manifest does not say that it waits for the host".to_owned()))
            }
        }
    }
}

impl Host for LinkedHost {
    fn log(&self, level: u8, message: &str, fields: &[Attr]) {
        self.call.log(level, message, fields);
    }

    fn now_ms(&self) -> u64 {
        self.call.plugin().now_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        self.call.plugin().monotonic_ms()
    }

    fn random(&self, count: u32) -> Vec<u8> {
        // The trait has no error: the call ends here, and `caught` answers for it.
        self.call.plugin().random(count).unwrap_or_else(|error| resume_unwind(Box::new(error)))
    }

    fn config_json(&self) -> String {
        self.call.plugin().config_json().to_owned()
    }

    fn cancelled(&self) -> bool {
        self.call.is_closed()
    }

    fn kv_get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, PluginError> {
        self.wait(self.call.kv_get(key))
    }

    fn kv_put(&self, key: &str, value: &[u8], ttl_s: Option<u32>, if_version: Option<u64>) -> Result<u64, PluginError> {
        self.wait(self.call.kv_put(key, value.to_vec(), ttl_s, if_version))
    }

    fn kv_delete(&self, key: &str) -> Result<(), PluginError> {
        self.wait(self.call.kv_delete(key))
    }

    fn password_verify(&self, phc: &str, password: &[u8]) -> Result<bool, PluginError> {
        self.wait(self.call.password_verify(phc, password))
    }

    fn sign(&self, key_id: &str, alg: &str, input: &[u8]) -> Result<Vec<u8>, PluginError> {
        self.call.sign(key_id, alg, input)
    }

    fn verify(&self, key_id: &str, alg: &str, input: &[u8], signature: &[u8]) -> Result<bool, PluginError> {
        self.call.verify(key_id, alg, input, signature)
    }

    fn account_lookup(&self, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        self.wait(self.call.account_lookup(by, value))
    }

    fn account_verify(&self, username: &str, password: &[u8]) -> Result<AccountVerdict, PluginError> {
        self.wait(self.call.account_verify(username, password))
    }

    fn secret(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, PluginError> {
        self.call.secret(name)
    }

    fn http_send(&self, request: &HttpRequest) -> Result<HttpResponse, PluginError> {
        self.wait(self.call.http_send(request.clone()))
    }
}

#[cfg(test)]
mod tests;
