//! Which plugin is whose shadow, and the live ones with their shadows beside them.

use super::fault::Faults;
use crate::config::model::Config;
use crate::plugin::registry::{LoadedPlugin, Registry};
use crate::plugin::shadow::{Beside, Ledger, Pair, Subject};
use crate::plugin::supervision::Supervision;
use crate::plugin::{ClaimsSource, Directory, HostServices, ScopePolicy, UserVerifier};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A loaded shadow.
struct Shadow<'a> {
    live: &'a str,
    plugin: &'a LoadedPlugin,
    ledger: Arc<Ledger>,
    pair: Arc<Pair>,
    /// It stands beside something.
    is_used: AtomicBool,
}

/// Every `shadow` of the configuration.
pub struct Shadows<'a>(Vec<Shadow<'a>>);

impl<'a> Shadows<'a> {
    /// Those that could be loaded; why others could not is said elsewhere.
    pub fn new(
        config: &'a Config,
        registry: &'a Registry,
        supervision: &Supervision,
        services: &Arc<dyn HostServices>,
    ) -> Self {
        let shadow = |(name, entry): (&String, &'a crate::config::model::PluginEntry)| {
            let live = entry.shadow.as_deref()?;
            let plugin = registry.plugin(name).filter(|plugin| plugin.failure().is_none())?;
            let sha256 = |name: &str| registry.plugin(name)?.code?.sha256();
            let subject = Subject {
                shadow: name.clone(),
                live: live.to_owned(),
                entry: entry.clone(),
                sha256: sha256(name),
                beside: config.plugins.get(live).map(|entry| (entry.clone(), sha256(live))),
            };
            let ledger = supervision.ledgers.of(subject);
            let pair = Pair::new(ledger.clone(), services.clone(), supervision.compared.clone());
            Some(Shadow { live, plugin, ledger, pair: Arc::new(pair), is_used: AtomicBool::new(false) })
        };
        Self(config.plugins.iter().filter_map(shadow).collect())
    }

    pub fn verifier(&self, live: &str, plugin: Arc<dyn UserVerifier>) -> Arc<dyn UserVerifier> {
        self.beside(live, plugin, LoadedPlugin::as_user_verifier, |live, shadow, pair| {
            Arc::new(Beside::new(live, shadow, pair))
        })
    }

    pub fn directory(&self, live: &str, plugin: Arc<dyn Directory>) -> Arc<dyn Directory> {
        self.beside(live, plugin, LoadedPlugin::as_directory, |live, shadow, pair| {
            Arc::new(Beside::new(live, shadow, pair))
        })
    }

    pub fn policy(&self, live: &str, plugin: Arc<dyn ScopePolicy>) -> Arc<dyn ScopePolicy> {
        self.beside(live, plugin, LoadedPlugin::as_scope_policy, |live, shadow, pair| {
            Arc::new(Beside::new(live, shadow, pair))
        })
    }

    pub fn claims(&self, live: &str, plugin: Arc<dyn ClaimsSource>) -> Arc<dyn ClaimsSource> {
        self.beside(live, plugin, LoadedPlugin::as_claims, |live, shadow, pair| {
            Arc::new(Beside::new(live, shadow, pair))
        })
    }

    fn beside<T: ?Sized>(
        &self,
        live: &str,
        plugin: Arc<T>,
        as_kind: impl Fn(&LoadedPlugin) -> Option<Arc<T>>,
        pair: impl Fn(Arc<T>, Arc<T>, Arc<Pair>) -> Arc<T>,
    ) -> Arc<T> {
        let shadows = self.0.iter().filter(|shadow| shadow.live == live);
        shadows.fold(plugin, |plugin, shadow| match as_kind(shadow.plugin) {
            Some(other) => {
                shadow.is_used.store(true, Ordering::Relaxed);
                pair(plugin, other, shadow.pair.clone())
            }
            None => plugin,
        })
    }

    /// What the answers are written into; a shadow that nothing can be compared with is a fault.
    pub fn ledgers(&self, faults: &mut Faults<'_>) -> Vec<Arc<Ledger>> {
        for Shadow { live, plugin, is_used, .. } in &self.0 {
            if !is_used.load(Ordering::Relaxed) {
                let kinds: Vec<_> = plugin.kinds.iter().map(|kind| kind.name()).collect();
                let why = format!(
                    "`{live}` is not used as {}: only user verifiers, directories, scope policies and claims sources \
                     that are in use can be compared",
                    kinds.join(" or ")
                );
                faults.add(&format!("plugins.{}.shadow", plugin.name), why);
            }
        }
        self.0.iter().map(|shadow| shadow.ledger.clone()).collect()
    }
}
