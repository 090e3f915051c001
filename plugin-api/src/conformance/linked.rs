//! A plugin that is linked in, as a subject.

use super::Subject;
use crate::kinds::{Call, Host};
use crate::linked::{LinkedInstance, LinkedPlugin};
use crate::types::{
    Account, Attr, CallContext, Event, ExtensionOutcome, IssuedToken, Manifest, PluginError, ScopeDecision, ScopeQuery,
    SourcePage, TokenVerdict, VerifyOutcome, VerifyRequest,
};

/// An instance of a linked-in plugin over a host.
pub struct LinkedSubject<'a> {
    plugin: LinkedPlugin,
    instance: Box<dyn LinkedInstance>,
    host: &'a dyn Host,
}

impl<'a> LinkedSubject<'a> {
    /// Makes the instance.
    ///
    /// # Errors
    /// The faults of the config.
    pub fn new(plugin: LinkedPlugin, config_json: &str, host: &'a dyn Host) -> Result<Self, Vec<String>> {
        Ok(Self { plugin, instance: (plugin.create)(config_json)?, host })
    }

    fn call<'b>(&'b self, context: &'b CallContext) -> Call<'b> {
        Call { context, host: self.host }
    }
}

fn kind<T>(kind: Option<T>) -> Result<T, PluginError> {
    kind.ok_or_else(|| PluginError::Internal("the plugin does not export the kind".to_owned()))
}

impl Subject for LinkedSubject<'_> {
    fn manifest(&self) -> Result<Manifest, PluginError> {
        Ok((self.plugin.manifest)())
    }

    fn validate_config(&self, config_json: &str) -> Result<Vec<String>, PluginError> {
        Ok((self.plugin.create)(config_json).err().unwrap_or_default())
    }

    fn health(&self, ctx: &CallContext) -> Result<(), PluginError> {
        self.instance.health(&self.call(ctx))
    }

    fn verify(&self, ctx: &CallContext, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        kind(self.instance.user_verifier())?.verify(&self.call(ctx), request)
    }

    fn evaluate(&self, ctx: &CallContext, query: &ScopeQuery) -> Result<ScopeDecision, PluginError> {
        kind(self.instance.scope_policy())?.evaluate(&self.call(ctx), query)
    }

    fn issue(&self, ctx: &CallContext, claims_json: &str, key_id: &str) -> Result<IssuedToken, PluginError> {
        kind(self.instance.token_format())?.issue(&self.call(ctx), claims_json, key_id)
    }

    fn validate(&self, ctx: &CallContext, token: &str) -> Result<TokenVerdict, PluginError> {
        kind(self.instance.token_format())?.validate(&self.call(ctx), token)
    }

    fn lookup(&self, ctx: &CallContext, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        kind(self.instance.directory())?.lookup(&self.call(ctx), by, value)
    }

    fn enrich(
        &self,
        ctx: &CallContext,
        account: &Account,
        scopes: &[String],
        target: &str,
    ) -> Result<Vec<Attr>, PluginError> {
        kind(self.instance.claims())?.enrich(&self.call(ctx), account, scopes, target)
    }

    fn pull(&self, ctx: &CallContext, cursor: Option<&str>, limit: u32) -> Result<SourcePage, PluginError> {
        kind(self.instance.account_source())?.pull(&self.call(ctx), cursor, limit)
    }

    fn deliver(&self, ctx: &CallContext, batch: &[Event]) -> Result<Vec<String>, PluginError> {
        kind(self.instance.event_sink())?.deliver(&self.call(ctx), batch)
    }

    fn grant_types(&self) -> Result<Vec<String>, PluginError> {
        Ok(kind(self.instance.extension_grant())?.grant_types())
    }

    fn exchange(&self, ctx: &CallContext, grant_type: &str, params: &[Attr]) -> Result<ExtensionOutcome, PluginError> {
        kind(self.instance.extension_grant())?.exchange(&self.call(ctx), grant_type, params)
    }
}
