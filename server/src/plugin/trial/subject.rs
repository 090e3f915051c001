//! A loaded plugin as the conformance kit calls it.

use super::bare::Bare;
use super::upstream::Upstream;
use crate::config::model::{PluginEntry, Trust};
use crate::plugin::registry::{Environment, LoadedPlugin, Registry};
use crate::plugin::{CallError, Fault};
use pintle_plugin_api::conformance::Subject;
use pintle_plugin_api::{
    Account, Attr, CallContext, Event, ExtensionOutcome, IssuedToken, Manifest, PluginError, ScopeDecision, ScopeQuery,
    SourcePage, TokenVerdict, VerifyOutcome, VerifyRequest,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The entry's name while a plugin is tried.
const NAME: &str = "trial";

/// Loads one plugin as a server does.
///
/// # Errors
/// Everything that is wrong with the file or its config.
pub async fn load(entry: PluginEntry, environment: &Environment) -> Result<Arc<LoadedPlugin>, Vec<String>> {
    let trust = Trust { native: true, ..Trust::default() };
    let entries = BTreeMap::from([(NAME.to_owned(), entry)]);
    let registry = Registry::load(&entries, &trust, environment)
        .await
        .map_err(|errors| errors.into_iter().map(|error| error.why).collect::<Vec<_>>())?;
    registry.plugin(NAME).cloned().ok_or_else(|| vec!["it was not loaded".to_owned()])
}

/// A plugin, and how to load it again.
pub struct LoadedSubject {
    entry: PluginEntry,
    plugin: Arc<LoadedPlugin>,
    environment: Environment,
    runtime: Handle,
    /// What is asked about a config; the entry's own file where there is none.
    bare: Option<Bare>,
    /// Held for as long as the plugin may talk to it.
    _upstream: Option<Upstream>,
}

impl LoadedSubject {
    /// - `plugin`: what [`load`] made of `entry` in `environment`
    /// - `runtime`: the calls block on it, so they must not come from its own threads
    #[must_use]
    pub const fn new(entry: PluginEntry, plugin: Arc<LoadedPlugin>, environment: Environment, runtime: Handle) -> Self {
        Self { entry, plugin, environment, runtime, bare: None, _upstream: None }
    }

    pub(super) fn with_upstream(self, upstream: Option<Upstream>) -> Self {
        Self { _upstream: upstream, ..self }
    }

    pub(super) fn with_bare(self, bare: Bare) -> Self {
        Self { bare: Some(bare), ..self }
    }

    /// The plugin itself.
    #[must_use]
    pub const fn plugin(&self) -> &Arc<LoadedPlugin> {
        &self.plugin
    }
}

fn kind<T>(kind: Option<T>) -> Result<T, PluginError> {
    kind.ok_or_else(|| PluginError::Internal("the plugin does not export the kind".to_owned()))
}

/// What a plugin said itself stands. A call that the host had to end is no answer, even though it may be `unavailable` to
/// who asked: a plugin that keeps the contract minds its deadline and its limits.
fn told(ended: CallError) -> PluginError {
    match ended.fault {
        Fault::TimedOut | Fault::Trapped => PluginError::Internal(format!("the host ended the call: {}", ended.error)),
        Fault::Failed | Fault::Overloaded | Fault::Open | Fault::Disabled => ended.error,
    }
}

impl Subject for LoadedSubject {
    fn manifest(&self) -> Result<Manifest, PluginError> {
        Ok(Manifest {
            name: self.plugin.own_name.clone(),
            version: self.plugin.version.clone(),
            kinds: self.plugin.kinds.iter().map(|kind| kind.name().to_owned()).collect(),
            wants: self.plugin.wants.clone(),
            self_contained: self.plugin.self_contained,
            ..Manifest::default()
        })
    }

    fn validate_config(&self, config_json: &str) -> Result<Vec<String>, PluginError> {
        // One that is not required is loaded without its code where that fails: only faults of the config are errors.
        let entry = PluginEntry { config_json: config_json.to_owned(), required: false, ..self.entry.clone() };
        let entry = match self.bare.clone() {
            Some(Bare { source, sha256 }) => PluginEntry { source, sha256: Some(sha256), ..entry },
            None => entry,
        };
        match self.runtime.block_on(load(entry, &self.environment)) {
            Err(faults) => Ok(faults),
            Ok(plugin) => plugin.failure().map_or(Ok(Vec::new()), |why| Err(PluginError::Internal(why.to_owned()))),
        }
    }

    fn health(&self, ctx: &CallContext) -> Result<(), PluginError> {
        self.runtime.block_on(self.plugin.health(ctx))
    }

    fn verify(&self, ctx: &CallContext, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        let verifier = kind(self.plugin.as_user_verifier())?;
        self.runtime.block_on(verifier.verify(ctx, request.clone())).map_err(told)
    }

    fn evaluate(&self, ctx: &CallContext, query: &ScopeQuery) -> Result<ScopeDecision, PluginError> {
        let policy = kind(self.plugin.as_scope_policy())?;
        self.runtime.block_on(policy.evaluate(ctx, query.clone())).map_err(told)
    }

    fn issue(&self, ctx: &CallContext, claims_json: &str, key_id: &str) -> Result<IssuedToken, PluginError> {
        let format = kind(self.plugin.as_token_format())?;
        self.runtime.block_on(format.issue(ctx, claims_json, key_id)).map_err(told)
    }

    fn validate(&self, ctx: &CallContext, token: &str) -> Result<TokenVerdict, PluginError> {
        let format = kind(self.plugin.as_token_format())?;
        self.runtime.block_on(format.validate(ctx, token)).map_err(told)
    }

    fn lookup(&self, ctx: &CallContext, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        let directory = kind(self.plugin.as_directory())?;
        self.runtime.block_on(directory.lookup(ctx, by, value)).map_err(told)
    }

    fn enrich(
        &self,
        ctx: &CallContext,
        account: &Account,
        scopes: &[String],
        target: &str,
    ) -> Result<Vec<Attr>, PluginError> {
        let claims = kind(self.plugin.as_claims())?;
        self.runtime.block_on(claims.enrich(ctx, account, scopes, target)).map_err(told)
    }

    fn pull(&self, ctx: &CallContext, cursor: Option<&str>, limit: u32) -> Result<SourcePage, PluginError> {
        let source = kind(self.plugin.as_account_source())?;
        self.runtime.block_on(source.pull(ctx, cursor.map(str::to_owned), limit)).map_err(told)
    }

    fn deliver(&self, ctx: &CallContext, batch: &[Event]) -> Result<Vec<String>, PluginError> {
        let sink = kind(self.plugin.as_event_sink())?;
        self.runtime.block_on(sink.deliver(ctx, batch.to_vec())).map_err(told)
    }

    fn grant_types(&self) -> Result<Vec<String>, PluginError> {
        Ok(self.plugin.grant_types.clone())
    }

    fn exchange(&self, ctx: &CallContext, grant_type: &str, params: &[Attr]) -> Result<ExtensionOutcome, PluginError> {
        let grant = kind(self.plugin.as_extension_grant())?;
        self.runtime.block_on(grant.exchange(ctx, grant_type, params.to_vec())).map_err(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_the_host_ended_is_no_answer() {
        let unavailable = || PluginError::Unavailable("no answer within 500 ms".to_owned());
        for fault in [Fault::TimedOut, Fault::Trapped] {
            assert!(matches!(told(CallError { error: unavailable(), fault }), PluginError::Internal(_)), "{fault:?}");
        }
        assert_eq!(told(CallError::from(unavailable())), unavailable());
    }
}
