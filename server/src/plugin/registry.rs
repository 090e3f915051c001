//! From the configuration to a table of loaded plugins.

mod load;
#[cfg(test)]
mod tests;

use super::hosted::Hosted;
use super::kept::Kept;
use super::last_run::LastRun;
use super::limits::Kind;
use super::outbound::Resolver;
use super::own_code::Code;
use super::supervision::{Guard, Supervision};
use super::{
    AccountSource, CallError, ClaimsSource, Directory, EventSink, ExtensionGrant, HostServices, ScopePolicy,
    TokenFormat, UserVerifier,
};
use crate::config::model::{PluginEntry, Trust};
use async_trait::async_trait;
use pintle_plugin_api::linked::LinkedPlugin;
use pintle_plugin_api::{
    Account, Attr, CallContext, Event, ExtensionOutcome, IssuedToken, PluginError, ScopeDecision, ScopeQuery,
    SourcePage, TokenVerdict, VerifyOutcome, VerifyRequest,
};
use semver::Version;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What plugins are loaded with.
#[derive(Clone)]
pub struct Environment {
    /// What the host interfaces stand on.
    pub services: Arc<dyn HostServices>,
    /// What `builtin:<name>` means; see [`builtins`].
    pub builtins: BTreeMap<String, LinkedPlugin>,
    /// A folder for compiled components and copies of libraries; made with mode 0700 where it is missing.
    pub cache_dir: PathBuf,
    /// Where secrets given as `{ env }` are looked up.
    pub variables: Vec<(String, String)>,
    /// A folder where compiled components are looked for as well, and that stays as it is.
    pub known_dir: Option<PathBuf>,
    /// Finds the addresses of what plugins connect to.
    pub resolver: Arc<dyn Resolver>,
    /// Which bundled plugins ran last: a lower version is refused.
    pub last_run: LastRun,
    /// What need not be done again: the same at every loading, for reloads to be quick.
    pub kept: Arc<Kept>,
}

/// The plugins of the server's own binary.
#[must_use]
pub fn builtins() -> BTreeMap<String, LinkedPlugin> {
    BTreeMap::from([
        ("accounts".to_owned(), pintle_plugin_accounts::linked()),
        ("jwt".to_owned(), pintle_plugin_jwt::linked()),
        ("opaque".to_owned(), pintle_plugin_opaque::linked()),
        ("scope-rules".to_owned(), pintle_plugin_scope_rules::linked()),
    ])
}

/// How a plugin is packaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackagingKind {
    /// Linked into the server.
    Builtin,
    /// A shared library.
    Native,
    /// A component.
    Wasm,
    /// A bundle that could not be loaded: what is in it is not known.
    Bundle,
}

impl PackagingKind {
    /// For `check` and the audit log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Native => "native",
            Self::Wasm => "wasm",
            Self::Bundle => "bundle",
        }
    }
}

/// What the `plugin.toml` of a loaded bundle says, which its signature or hash covers.
#[derive(Clone, Debug)]
pub struct Release {
    /// The plugin's own name.
    pub plugin: String,
    /// Its version.
    pub version: Version,
    /// What of the bundle was loaded.
    pub packaging: PackagingKind,
}

/// A plugin of the configuration, whether it could be loaded or not.
pub struct LoadedPlugin {
    /// The entry's name.
    pub name: String,
    /// Its manifest's name; empty where it could not be loaded.
    pub own_name: String,
    /// How it is packaged.
    pub packaging: PackagingKind,
    /// Its manifest's version; empty where it could not be loaded.
    pub version: String,
    /// Which code it is; none where its file could not be read.
    pub code: Option<Code>,
    /// What it exports; empty where it could not be loaded.
    pub kinds: Vec<Kind>,
    /// A token format whose tokens carry their claims.
    pub self_contained: bool,
    /// The values of `grant_type` that an extension grant answers.
    pub grant_types: Vec<String>,
    /// What the plugin wants of the host, as its manifest says; empty where it could not be loaded.
    pub wants: Vec<String>,
    /// What the plugin wants of the host and its entry does not grant: such calls answer `denied`.
    pub ungranted: Vec<String>,
    /// Of one that came as a bundle.
    pub release: Option<Release>,
    /// The plugin that it is in shadow of.
    pub shadow: Option<String>,
    state: State,
}

enum State {
    Ready(Arc<Hosted>),
    Unavailable(String),
}

impl LoadedPlugin {
    /// Why it could not be loaded.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match &self.state {
            State::Ready(_) => None,
            State::Unavailable(why) => Some(why),
        }
    }

    /// What stands before its calls; nothing where it could not be loaded.
    #[must_use]
    pub fn guard(&self) -> Option<&Guard> {
        match &self.state {
            State::Ready(hosted) => hosted.guard(),
            State::Unavailable(_) => None,
        }
    }

    /// `lifecycle.health`.
    ///
    /// # Errors
    /// Why the plugin could not answer now.
    pub async fn health(&self, call: &CallContext) -> Result<(), PluginError> {
        match &self.state {
            State::Ready(hosted) => hosted.health(call).await,
            State::Unavailable(why) => Err(PluginError::Unavailable(why.clone())),
        }
    }

    fn has(&self, kind: Kind) -> bool {
        self.failure().is_some() || self.kinds.contains(&kind)
    }
}

/// `as_<kind>` of a plugin, and `<kind>` by name in the registry.
macro_rules! views {
    ($($view:ident, $by_name:ident: $kind:ident, $trait:ident;)+) => {
        impl LoadedPlugin {$(
            /// The plugin as this kind. One that could not be loaded may be any kind; its calls answer `Unavailable`.
            #[must_use]
            pub fn $view(&self) -> Option<Arc<dyn $trait>> {
                self.has(Kind::$kind).then(|| match &self.state {
                    State::Ready(hosted) => Arc::clone(hosted) as Arc<dyn $trait>,
                    State::Unavailable(why) => Arc::new(Unavailable(why.clone())),
                })
            }
        )+}

        impl Registry {$(
            /// The plugin of this name as this kind.
            ///
            /// # Errors
            /// When there is no such plugin, or it is something else.
            pub fn $by_name(&self, name: &str) -> Result<Arc<dyn $trait>, LookupError> {
                self.find(name, Kind::$kind, LoadedPlugin::$view)
            }
        )+}
    };
}

views! {
    as_user_verifier, user_verifier: UserVerifier, UserVerifier;
    as_scope_policy, scope_policy: ScopePolicy, ScopePolicy;
    as_token_format, token_format: TokenFormat, TokenFormat;
    as_directory, directory: Directory, Directory;
    as_claims, claims: Claims, ClaimsSource;
    as_account_source, account_source: AccountSource, AccountSource;
    as_event_sink, event_sink: EventSink, EventSink;
    as_extension_grant, extension_grant: ExtensionGrant, ExtensionGrant;
}

/// Stands for a plugin that could not be loaded.
struct Unavailable(String);

impl Unavailable {
    fn answer<T>(&self) -> Result<T, CallError> {
        Err(PluginError::Unavailable(format!("not loaded: {}", self.0)).into())
    }
}

#[async_trait]
impl UserVerifier for Unavailable {
    async fn verify(&self, _call: &CallContext, _request: VerifyRequest) -> Result<VerifyOutcome, CallError> {
        self.answer()
    }
}

#[async_trait]
impl ScopePolicy for Unavailable {
    async fn evaluate(&self, _call: &CallContext, _query: ScopeQuery) -> Result<ScopeDecision, CallError> {
        self.answer()
    }
}

#[async_trait]
impl TokenFormat for Unavailable {
    async fn issue(&self, _call: &CallContext, _claims: &str, _key_id: &str) -> Result<IssuedToken, CallError> {
        self.answer()
    }

    async fn validate(&self, _call: &CallContext, _token: &str) -> Result<TokenVerdict, CallError> {
        self.answer()
    }
}

#[async_trait]
impl Directory for Unavailable {
    async fn lookup(&self, _call: &CallContext, _by: &str, _value: &str) -> Result<Option<Account>, CallError> {
        self.answer()
    }
}

#[async_trait]
impl ClaimsSource for Unavailable {
    async fn enrich(
        &self,
        _call: &CallContext,
        _account: &Account,
        _scopes: &[String],
        _target: &str,
    ) -> Result<Vec<Attr>, CallError> {
        self.answer()
    }
}

#[async_trait]
impl AccountSource for Unavailable {
    async fn pull(&self, _call: &CallContext, _cursor: Option<String>, _limit: u32) -> Result<SourcePage, CallError> {
        self.answer()
    }
}

#[async_trait]
impl EventSink for Unavailable {
    async fn deliver(&self, _call: &CallContext, _batch: Vec<Event>) -> Result<Vec<String>, CallError> {
        self.answer()
    }
}

#[async_trait]
impl ExtensionGrant for Unavailable {
    async fn exchange(
        &self,
        _call: &CallContext,
        _grant_type: &str,
        _params: Vec<Attr>,
    ) -> Result<ExtensionOutcome, CallError> {
        self.answer()
    }
}

/// Why an entry of `[plugins]` keeps the server from starting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugins.{plugin}: {why}")]
pub struct LoadError {
    /// The entry's name.
    pub plugin: String,
    /// What is wrong.
    pub why: String,
}

/// Why a plugin cannot be used as something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The config has no such entry.
    #[error("there is no plugin `{0}`")]
    Missing(String),
    /// It is something else.
    #[error("the plugin `{plugin}` is no {wanted}: it exports {}", names(.found))]
    WrongKind {
        /// The entry's name.
        plugin: String,
        /// What was asked for.
        wanted: Kind,
        /// What it exports.
        found: Vec<Kind>,
    },
}

fn names(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

/// All plugins of a configuration.
#[derive(Default)]
pub struct Registry {
    plugins: BTreeMap<String, Arc<LoadedPlugin>>,
}

impl Registry {
    /// Loads every entry. One that cannot be loaded is unavailable, unless it is `required`.
    ///
    /// # Errors
    /// Everything that is for the operator to put right: a faulty `config` table, a native plugin without trust or hash,
    /// an unknown builtin or interface, a `required` plugin that cannot be loaded; then also why others cannot.
    pub async fn load(
        entries: &BTreeMap<String, PluginEntry>,
        trust: &Trust,
        environment: &Environment,
    ) -> Result<Self, Vec<LoadError>> {
        Self::load_supervised(entries, trust, environment, &Supervision::default()).await
    }

    /// As [`Self::load`], with the switches that plugins heed and who is told of their breakers.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn load_supervised(
        entries: &BTreeMap<String, PluginEntry>,
        trust: &Trust,
        environment: &Environment,
        supervision: &Supervision,
    ) -> Result<Self, Vec<LoadError>> {
        let loader = load::Loader::new(entries, trust, environment, supervision);
        let (mut plugins, mut errors) = (BTreeMap::new(), Vec::new());
        for (name, entry) in entries {
            match loader.load(name, entry).await {
                Ok(plugin) => {
                    plugins.insert(name.clone(), Arc::new(plugin));
                }
                Err(faults) => errors.extend(faults.into_iter().map(|why| LoadError { plugin: name.clone(), why })),
            }
        }
        let registry = Self { plugins };
        if errors.is_empty() {
            return Ok(registry);
        }
        errors.extend(registry.unavailable());
        Err(errors)
    }

    /// Why each plugin that is not ready could not be loaded.
    #[must_use]
    pub fn unavailable(&self) -> Vec<LoadError> {
        let failed = |plugin: &Arc<LoadedPlugin>| {
            Some(LoadError { plugin: plugin.name.clone(), why: plugin.failure()?.to_owned() })
        };
        self.plugins().filter_map(failed).collect()
    }

    /// All of them, by name.
    pub fn plugins(&self) -> impl Iterator<Item = &Arc<LoadedPlugin>> {
        self.plugins.values()
    }

    /// The plugin of this name.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<&Arc<LoadedPlugin>> {
        self.plugins.get(name)
    }

    fn find<T>(
        &self,
        name: &str,
        wanted: Kind,
        view: impl FnOnce(&LoadedPlugin) -> Option<T>,
    ) -> Result<T, LookupError> {
        let plugin = self.plugin(name).ok_or_else(|| LookupError::Missing(name.to_owned()))?;
        view(plugin).ok_or_else(|| LookupError::WrongKind {
            plugin: name.to_owned(),
            wanted,
            found: plugin.kinds.clone(),
        })
    }
}
