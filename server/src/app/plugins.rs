//! The configured plugins in their places: the chain, the policies, the formats.

use super::StartError;
use crate::config::model::{Config, PluginEntry, PluginLimits, PluginSource, PolicyEntry};
use crate::flow::{NamedFormat, NamedPolicy};
use crate::plugin::HostServices;
use crate::plugin::chain::Backend;
use crate::plugin::registry::{Environment, Registry, builtins};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The formats that every server knows: a token of either stays valid when the configured format changes.
const FORMATS: [&str; 2] = ["jwt", "opaque"];

/// Loads the plugins of the configuration, and the two formats that need no entry.
///
/// # Errors
/// What is for the operator to put right.
pub async fn load(config: &Config, services: Arc<dyn HostServices>) -> Result<Registry, StartError> {
    let mut entries: BTreeMap<String, PluginEntry> = config.plugins.clone();
    for name in FORMATS {
        entries.entry(name.to_owned()).or_insert_with(|| builtin(name));
    }
    let cache_dir = config.data_dir.join("plugins");
    let environment = Environment { services, builtins: builtins(), cache_dir };
    Registry::load(&entries, &config.trust, &environment).await.map_err(StartError::Plugins)
}

fn builtin(name: &str) -> PluginEntry {
    PluginEntry {
        source: PluginSource::Builtin(name.to_owned()),
        sha256: None,
        config_json: "{}".to_owned(),
        allow: None,
        limits: PluginLimits::default(),
        required: true,
        reuse: 1,
    }
}

/// The configured chain; what of `embedded` it does not name comes before it.
///
/// # Errors
/// When an entry of it is no user verifier.
pub fn chain(config: &Config, registry: &Registry, embedded: Vec<Backend>) -> Result<Vec<Backend>, StartError> {
    let named = |backend: &Backend| config.chain.iter().any(|entry| entry.plugin == backend.name);
    let (named, mut chain): (Vec<_>, Vec<_>) = embedded.into_iter().partition(named);
    for entry in &config.chain {
        let verifier = match named.iter().find(|backend| backend.name == entry.plugin) {
            Some(backend) => backend.verifier.clone(),
            None => registry.user_verifier(&entry.plugin)?,
        };
        chain.push(Backend { name: entry.plugin.clone(), verifier, next_on_error: entry.next_on_error });
    }
    Ok(chain)
}

/// Backends whose accounts are the core's own: they may use its account table.
#[must_use]
pub fn own_backends(config: &Config) -> Vec<String> {
    let own = |entry: &PluginEntry| {
        entry.source == PluginSource::Builtin("accounts".to_owned())
            || entry.allow.as_ref().is_some_and(|allowed| allowed.iter().any(|interface| interface == "accounts"))
    };
    config.plugins.iter().filter(|(_, entry)| own(entry)).map(|(name, _)| name.clone()).collect()
}

/// The configured policies.
///
/// # Errors
/// When one of them is no scope policy.
pub fn policies(config: &Config, registry: &Registry) -> Result<Vec<NamedPolicy>, StartError> {
    let policy = |entry: &PolicyEntry| {
        let policy = registry.scope_policy(&entry.plugin)?;
        Ok(NamedPolicy { name: entry.plugin.clone(), policy, static_on_error: entry.static_on_error })
    };
    config.scope_policies.iter().map(policy).collect()
}

/// The configured format first, then the others that tokens may be of.
///
/// # Errors
/// When the configured one is no token format.
pub fn formats(config: &Config, registry: &Registry) -> Result<Vec<NamedFormat>, StartError> {
    let first = config.tokens.access.format.as_str();
    let known = |name: &&str| registry.plugin(name).is_some_and(|plugin| plugin.as_token_format().is_some());
    let others = FORMATS.into_iter().filter(|name| *name != first).filter(known);
    let format = |name: &str| {
        let self_contained = registry.plugin(name).is_some_and(|plugin| plugin.self_contained);
        Ok(NamedFormat { name: name.to_owned(), self_contained, format: registry.token_format(name)? })
    };
    std::iter::once(first).chain(others).map(format).collect()
}

/// Which code each plugin is.
#[must_use]
pub fn hashes(registry: &Registry) -> HashMap<String, [u8; 32]> {
    let hash = |text: &str| -> Option<[u8; 32]> {
        let digits = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
        digits.collect::<Option<Vec<u8>>>()?.try_into().ok()
    };
    registry.plugins().filter_map(|plugin| Some((plugin.name.clone(), hash(plugin.sha256.as_deref()?)?))).collect()
}
