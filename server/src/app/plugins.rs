//! The configured plugins in their places: the chain, the policies, the formats.

use super::fault::Faults;
use super::shadows::Shadows;
use crate::config::model::{ClaimsEntry, Config, PluginEntry, PluginSource, PolicyEntry, SinkEntry, SyncEntry};
use crate::entropy::{self, Entropy};
use crate::events::NamedSink;
use crate::flow::directory::NamedDirectory;
use crate::flow::sync::NamedSource;
use crate::flow::{NamedClaims, NamedExtension, NamedFormat, NamedPolicy};
use crate::plugin::HostServices;
use crate::plugin::chain::Backend;
use crate::plugin::kept::Kept;
use crate::plugin::last_run::LastRun;
use crate::plugin::outbound::Resolver;
use crate::plugin::own_code::Code;
use crate::plugin::registry::{Environment, LoadError, LookupError, Registry, builtins};
use crate::plugin::shadow::Ledger;
use crate::plugin::supervision::Supervision;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The formats that every server knows: a token of either stays valid when the configured format changes.
pub const FORMATS: [&str; 2] = ["jwt", "opaque"];

/// A folder for compiled components and copies of libraries.
pub struct CacheDir {
    path: PathBuf,
    /// One that is there and stays as it is.
    known: Option<PathBuf>,
    /// Removed with this.
    passing: bool,
}

impl CacheDir {
    /// The one in the data folder; where nothing is to be made, that is only read, and what is new goes elsewhere for the
    /// time being.
    pub fn new(config: &Config, may_make: bool, entropy: &dyn Entropy) -> Self {
        let path = config.data_dir.join("plugins");
        if may_make {
            return Self { path, known: None, passing: false };
        }
        let name = format!("pintle-{:016x}", u64::from_ne_bytes(entropy::array(entropy)));
        Self { known: path.exists().then_some(path), path: std::env::temp_dir().join(name), passing: true }
    }
}

impl Drop for CacheDir {
    fn drop(&mut self) {
        if self.passing {
            // Most likely no plugin needed it.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// What plugins are loaded with beside the configuration.
pub struct Tools<'a> {
    pub services: &'a Arc<dyn HostServices>,
    pub supervision: &'a Supervision,
    /// Backends of the embedding program.
    pub embedded: &'a [Backend],
    /// Where secrets given as `{ env }` are looked up.
    pub variables: &'a [(String, String)],
    /// Finds the addresses of what plugins connect to.
    pub resolver: &'a Arc<dyn Resolver>,
    /// Which bundled plugins ran last.
    pub last_run: LastRun,
    /// What earlier loadings have done.
    pub kept: &'a Arc<Kept>,
}

/// The plugins, and where each is used.
pub struct Plugins {
    pub registry: Registry,
    /// Who is asked for users, in order.
    pub chain: Vec<Backend>,
    pub policies: Vec<NamedPolicy>,
    pub claims: Vec<NamedClaims>,
    pub extensions: Vec<NamedExtension>,
    pub sinks: Vec<NamedSink>,
    /// Backends of the chain, and extension grants, that can be asked about their accounts.
    pub directories: Vec<NamedDirectory>,
    /// Whose accounts are copied.
    pub syncs: Vec<NamedSource>,
    /// The configured one first.
    pub formats: Vec<NamedFormat>,
    /// Of the plugins in shadow.
    pub ledgers: Vec<Arc<Ledger>>,
}

/// Loads the plugins of the configuration, and the two formats that need no entry. `None` once there are faults.
pub async fn load(config: &Config, tools: Tools<'_>, cache: &CacheDir, faults: &mut Faults<'_>) -> Option<Plugins> {
    let Tools { services, supervision, embedded, variables, resolver, last_run, kept } = tools;
    let services = services.clone();
    let mut entries: BTreeMap<String, PluginEntry> = config.plugins.clone();
    for name in FORMATS {
        entries.entry(name.to_owned()).or_insert_with(|| builtin(name));
    }
    let environment = Environment {
        services: services.clone(),
        builtins: builtins(),
        cache_dir: cache.path.clone(),
        known_dir: cache.known.clone(),
        variables: variables.to_vec(),
        resolver: resolver.clone(),
        last_run,
        // What is loaded for the time being must not take the place of what serves.
        kept: if cache.passing { Arc::default() } else { kept.clone() },
    };
    let registry = match Registry::load_supervised(&entries, &config.trust, &environment, supervision).await {
        Ok(registry) => registry,
        Err(errors) => {
            errors.iter().for_each(|error| note(error, faults));
            return None;
        }
    };
    if !faults.is_empty() {
        // The server would start without these; whoever mends the rest wants to know of them all the same.
        registry.unavailable().iter().for_each(|error| note(error, faults));
    }
    let shadows = Shadows::new(config, &registry, supervision, &services);
    let chain = chain(config, &registry, embedded.to_vec(), &shadows, faults);
    let policies = policies(config, &registry, &shadows, faults);
    let claims = claims(config, &registry, &shadows, faults);
    let extensions = extensions(config, &registry, faults);
    let sinks = sinks(config, &registry, faults);
    let directories = directories(config, &registry, &shadows);
    let syncs = syncs(config, &registry, faults);
    let formats = formats(config, &registry);
    let formats = faults.take("tokens.access.format", formats)?;
    let ledgers = shadows.ledgers(faults);
    let plugins =
        Plugins { registry, chain, policies, claims, extensions, sinks, directories, syncs, formats, ledgers };
    faults.is_empty().then_some(plugins)
}

/// A plugin's fault, at the key of its entry that it is about: what is wrong with the file is its `source`'s.
fn note(error: &LoadError, faults: &mut Faults<'_>) {
    let known = ["source", "sha256", "config", "allow", "network", "secrets"];
    let is_known = |key: &str| known.contains(&key.split(['.', '[']).next().unwrap_or_default());
    let (key, why) = error.why.split_once(": ").filter(|(key, _)| is_known(key)).unwrap_or(("source", &error.why));
    // A plugin names the option of its config that is wrong.
    let is_path = |path: &str| path.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.[]".contains(&b));
    match why.split_once(": ").filter(|(path, _)| key == "config" && is_path(path)) {
        Some((path, why)) => faults.add(&format!("plugins.{}.config.{path}", error.plugin), why),
        None => faults.add(&format!("plugins.{}.{key}", error.plugin), why),
    }
}

fn builtin(name: &str) -> PluginEntry {
    PluginEntry { required: true, ..PluginEntry::new(PluginSource::Builtin(name.to_owned())) }
}

/// The configured chain; what of `embedded` it does not name comes before it.
fn chain(
    config: &Config,
    registry: &Registry,
    embedded: Vec<Backend>,
    shadows: &Shadows<'_>,
    faults: &mut Faults<'_>,
) -> Vec<Backend> {
    let named = |backend: &Backend| config.chain.iter().any(|entry| entry.plugin == backend.name);
    let (named, mut chain): (Vec<_>, Vec<_>) = embedded.into_iter().partition(named);
    for (index, entry) in config.chain.iter().enumerate() {
        let verifier = match named.iter().find(|backend| backend.name == entry.plugin) {
            Some(backend) => Ok(backend.verifier.clone()),
            None => registry.user_verifier(&entry.plugin),
        };
        let verifier = faults.take(&format!("users.chain[{index}]"), verifier);
        let backend = |verifier| Backend { name: entry.plugin.clone(), verifier, next_on_error: entry.next_on_error };
        chain.extend(verifier.map(backend));
    }
    for backend in &mut chain {
        backend.verifier = shadows.verifier(&backend.name, backend.verifier.clone());
    }
    chain
}

/// Backends whose accounts are the core's own: they may use its account table.
#[must_use]
pub fn own_backends(config: &Config) -> Vec<String> {
    let own = |entry: &PluginEntry| {
        entry.source == PluginSource::Builtin("accounts".to_owned())
            || entry.allow.as_ref().is_some_and(|allowed| allowed.iter().any(|interface| interface == "accounts"))
    };
    let is_used = |entry: &PluginEntry| entry.shadow.is_none();
    config.plugins.iter().filter(|(_, entry)| is_used(entry) && own(entry)).map(|(name, _)| name.clone()).collect()
}

fn policies(config: &Config, registry: &Registry, shadows: &Shadows<'_>, faults: &mut Faults<'_>) -> Vec<NamedPolicy> {
    let policy = |(index, entry): (usize, &PolicyEntry)| {
        let policy = faults.take(&format!("scopes.policies[{index}]"), registry.scope_policy(&entry.plugin))?;
        let policy = shadows.policy(&entry.plugin, policy);
        Some(NamedPolicy { name: entry.plugin.clone(), policy, static_on_error: entry.static_on_error })
    };
    config.scope_policies.iter().enumerate().filter_map(policy).collect()
}

fn claims(config: &Config, registry: &Registry, shadows: &Shadows<'_>, faults: &mut Faults<'_>) -> Vec<NamedClaims> {
    let source = |(index, entry): (usize, &ClaimsEntry)| {
        let source = faults.take(&format!("claims.sources[{index}]"), registry.claims(&entry.plugin))?;
        let source = shadows.claims(&entry.plugin, source);
        Some(NamedClaims { name: entry.plugin.clone(), optional: entry.optional, source })
    };
    config.claims.iter().enumerate().filter_map(source).collect()
}

fn sinks(config: &Config, registry: &Registry, faults: &mut Faults<'_>) -> Vec<NamedSink> {
    let sink = |(index, entry): (usize, &SinkEntry)| {
        let plugin = faults.take(&format!("events.sinks[{index}]"), registry.event_sink(&entry.plugin))?;
        Some(NamedSink { entry: entry.clone(), plugin })
    };
    config.events.sinks.iter().enumerate().filter_map(sink).collect()
}

/// Every `grant_type` is one plugin's, and none of the core's own.
fn extensions(config: &Config, registry: &Registry, faults: &mut Faults<'_>) -> Vec<NamedExtension> {
    let mut extensions: Vec<NamedExtension> = Vec::new();
    for (index, name) in config.grants.extensions.iter().enumerate() {
        let key = format!("grants.extensions[{index}]");
        let Some(grant) = faults.take(&key, registry.extension_grant(name)) else { continue };
        let grant_types = registry.plugin(name).map(|plugin| plugin.grant_types.clone()).unwrap_or_default();
        for grant_type in &grant_types {
            if url::Url::parse(grant_type).is_err() {
                faults.add(&key, format!("the plugin names the grant type `{grant_type}`, which is no absolute URI"));
            }
            if extensions.iter().any(|other| other.grant_types.contains(grant_type)) {
                faults.add(&key, format!("another plugin before it answers the grant type `{grant_type}`, too"));
            }
        }
        extensions.push(NamedExtension { name: name.clone(), grant_types, grant });
    }
    extensions
}

/// The plugins that name users and are directories as well. One that could not be loaded may be one: its users are not
/// refreshed meanwhile.
fn directories(config: &Config, registry: &Registry, shadows: &Shadows<'_>) -> Vec<NamedDirectory> {
    let directory = |name: &str, stale: Duration| {
        let directory = shadows.directory(name, registry.plugin(name)?.as_directory()?);
        Some(NamedDirectory { name: name.to_owned(), directory, stale })
    };
    let chain = config.chain.iter().filter_map(|entry| directory(&entry.plugin, entry.stale));
    let extensions = config.grants.extensions.iter().filter_map(|name| directory(name, Duration::ZERO));
    chain.chain(extensions).collect()
}

fn syncs(config: &Config, registry: &Registry, faults: &mut Faults<'_>) -> Vec<NamedSource> {
    let source = |(index, entry): (usize, &SyncEntry)| {
        let source = faults.take(&format!("users.sync[{index}]"), registry.account_source(&entry.plugin))?;
        Some(NamedSource::new(entry.clone(), source))
    };
    config.sync.iter().enumerate().filter_map(source).collect()
}

/// The configured format first, then the others that tokens may be of.
fn formats(config: &Config, registry: &Registry) -> Result<Vec<NamedFormat>, LookupError> {
    let first = config.tokens.access.format.as_str();
    let known = |name: &&str| registry.plugin(name).is_some_and(|plugin| plugin.as_token_format().is_some());
    let others = FORMATS.into_iter().filter(|name| *name != first).filter(known);
    let format = |name: &str| {
        let self_contained = registry.plugin(name).is_some_and(|plugin| plugin.self_contained);
        Ok(NamedFormat { name: name.to_owned(), self_contained, format: registry.token_format(name)? })
    };
    std::iter::once(first).chain(others).map(format).collect()
}

/// The plugins without which logins fail: those of the chain that are not passed over when broken, every policy and source
/// of claims that is not done without, the format of new tokens, and strict sinks of events: what piles up for one of
/// those fills its outbox, and then nothing more is decided.
pub fn needed(config: &Config) -> BTreeSet<&str> {
    let chain = config.chain.iter().filter(|entry| !entry.next_on_error).map(|entry| entry.plugin.as_str());
    let policies =
        config.scope_policies.iter().filter(|entry| !entry.static_on_error).map(|entry| entry.plugin.as_str());
    let claims = config.claims.iter().filter(|entry| !entry.optional).map(|entry| entry.plugin.as_str());
    let sinks = config.events.sinks.iter().filter(|entry| entry.strict).map(|entry| entry.plugin.as_str());
    chain.chain(policies).chain(claims).chain(sinks).chain([config.tokens.access.format.as_str()]).collect()
}

/// Which code each plugin is; that of `embedded` ones is the program's own.
#[must_use]
pub fn code(registry: &Registry, embedded: impl Iterator<Item = String>) -> HashMap<String, Code> {
    let loaded = registry.plugins().filter_map(|plugin| Some((plugin.name.clone(), plugin.code?)));
    loaded.chain(embedded.map(|name| (name, Code::Own))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, LoadOptions};
    use crate::entropy::SystemEntropy;

    #[test]
    fn where_nothing_is_to_be_made_the_folder_is_only_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config::load(&LoadOptions::default()).unwrap().config;
        config.data_dir = folder.path().to_owned();
        let kept = folder.path().join("plugins");
        let dir = |may_make| CacheDir::new(&config, may_make, &SystemEntropy);
        assert_eq!(dir(false).known, None);
        std::fs::create_dir(&kept).unwrap();
        let (real, rehearsed) = (dir(true), dir(false));
        assert_eq!((&real.path, &real.known), (&kept, &None));
        assert_eq!(rehearsed.known.as_ref(), Some(&kept));
        let passing = rehearsed.path.clone();
        assert!(!passing.starts_with(folder.path()));
        std::fs::create_dir(&passing).unwrap();
        drop((real, rehearsed));
        assert!(kept.exists() && !passing.exists());
    }
}
