//! The packaging without a border: a plugin that is compiled into the server.

use crate::kinds::{
    AccountSource, Call, ClaimsSource, Directory, EventSink, ExtensionGrant, Plugin, ScopePolicy, TokenFormat,
    UserVerifier,
};
use crate::types::{Manifest, PluginError};

/// The kinds that a plugin exports; [`export_plugin!`](crate::export_plugin) writes it.
pub trait Exports: Send + Sync {
    /// Kind `user-verifier`.
    fn user_verifier(&self) -> Option<&dyn UserVerifier> {
        None
    }
    /// Kind `scope-policy`.
    fn scope_policy(&self) -> Option<&dyn ScopePolicy> {
        None
    }
    /// Kind `token-format`.
    fn token_format(&self) -> Option<&dyn TokenFormat> {
        None
    }
    /// Kind `directory`.
    fn directory(&self) -> Option<&dyn Directory> {
        None
    }
    /// Kind `claims`.
    fn claims(&self) -> Option<&dyn ClaimsSource> {
        None
    }
    /// Kind `account-source`.
    fn account_source(&self) -> Option<&dyn AccountSource> {
        None
    }
    /// Kind `event-sink`.
    fn event_sink(&self) -> Option<&dyn EventSink> {
        None
    }
    /// Kind `extension-grant`.
    fn extension_grant(&self) -> Option<&dyn ExtensionGrant> {
        None
    }
}

/// The names of those kinds; [`export_plugin!`](crate::export_plugin) writes it.
pub trait Kinds {
    /// By WIT name.
    const KINDS: &'static [&'static str];
}

impl dyn LinkedInstance {
    /// The exported kinds by WIT name.
    #[must_use]
    pub fn kinds(&self) -> Vec<&'static str> {
        let kinds = [
            ("user-verifier", self.user_verifier().is_some()),
            ("scope-policy", self.scope_policy().is_some()),
            ("token-format", self.token_format().is_some()),
            ("directory", self.directory().is_some()),
            ("claims", self.claims().is_some()),
            ("account-source", self.account_source().is_some()),
            ("event-sink", self.event_sink().is_some()),
            ("extension-grant", self.extension_grant().is_some()),
        ];
        kinds.into_iter().filter(|(_, exported)| *exported).map(|(kind, _)| kind).collect()
    }
}

/// An instance without its type.
pub trait LinkedInstance: Exports + 'static {
    /// [`Plugin::health`].
    ///
    /// # Errors
    /// Why it could not answer now.
    fn health(&self, call: &Call<'_>) -> Result<(), PluginError>;
}

impl<P: Plugin + Exports> LinkedInstance for P {
    fn health(&self, call: &Call<'_>) -> Result<(), PluginError> {
        Plugin::health(self, call)
    }
}

/// A plugin without its type: what the function `linked` of a plugin crate returns.
#[derive(Clone, Copy, Debug)]
pub struct LinkedPlugin {
    /// [`Plugin::manifest`].
    pub manifest: fn() -> Manifest,
    /// [`Plugin::create`].
    pub create: Create,
}

/// [`Plugin::create`]: from the `config` table as JSON to an instance, or every fault of the config.
pub type Create = fn(&str) -> Result<Box<dyn LinkedInstance>, Vec<String>>;

impl LinkedPlugin {
    /// `P` without its type.
    #[must_use]
    pub const fn new<P: Plugin + Exports>() -> Self {
        Self { manifest: P::manifest, create: |config_json| Ok(Box::new(P::create(config_json)?)) }
    }
}
