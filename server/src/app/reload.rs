//! A reload: configuration and plugins are read anew beside those that serve, and take their place at once or not at all.
//!
//! Requests that run keep what they began with; the former plugins go when the last of them has its answer.

use super::fault::{Fault, Faults};
use super::generation::{Before, Generation, key_options};
use super::plugins::{self, CacheDir, Plugins, Tools};
use super::{App, StartError, fetch, restart};
use crate::audit::{AuditEvent, AuditKind};
use crate::config::ConfigErrors;
use crate::config::model::Config;
use crate::flow::sync;
use crate::keys::KeyError;
use crate::plugin::breaker::BreakerState;
use crate::plugin::last_run::{self, LastRun};
use crate::plugin::own_code;
use crate::plugin::private_dir::hex;
use crate::plugin::registry::{LoadedPlugin, Registry};
use futures_util::future::join_all;
use pintle_plugin_api::CallContext;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where the configuration is read anew.
pub(super) type Source = Box<dyn Fn() -> Result<Config, ConfigErrors> + Send + Sync>;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The embedding program gave no [`super::Builder::reloads_from`].
    #[error("this server was not told where to read its configuration anew")]
    NoSource,
    /// The configuration has errors.
    #[error("{0}")]
    Config(ConfigErrors),
    /// The plugin that was to be reloaded is not in it.
    #[error("the configuration has no plugin `{0}`")]
    NoSuchPlugin(String),
    /// What it points at cannot be used, or a plugin is not well.
    #[error(transparent)]
    Unusable(#[from] StartError),
    /// The keys that it needs cannot be made.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

fn has_changed(changes: &[PluginChange], name: &str) -> bool {
    changes.iter().any(|change| change.name == name && change.change != "unchanged")
}

/// What a reload has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Plugins that were added, removed, or have another file or entry; and the one that was named.
    pub plugins: Vec<PluginChange>,
    /// Clients of the configuration that came.
    pub clients_added: Vec<String>,
    /// Those that went.
    pub clients_removed: Vec<String>,
    /// Keys of the configuration that changed and keep their former values until a restart.
    pub needs_restart: Vec<&'static str>,
    /// What is no reason to fail: plugins that are no worse than before.
    pub warnings: Vec<String>,
}

/// A plugin before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginChange {
    /// The entry's name.
    pub name: String,
    /// `added`, `removed`, `changed`, `unchanged`.
    pub change: &'static str,
    /// Before.
    pub old: Option<Code>,
    /// After.
    pub new: Option<Code>,
    /// Of the code after.
    #[serde(skip)]
    pub(super) sha256: Option<[u8; 32]>,
}

/// Which code a plugin is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Code {
    /// Its manifest's; empty where it could not be loaded.
    pub version: String,
    /// In hex.
    pub sha256: Option<String>,
}

impl App {
    /// Reads configuration and plugins anew. One reload at a time: another one waits. It is in the audit log, whether it
    /// succeeds or not.
    ///
    /// - `plugin`: one that has to be there and be well, even where it is as it was
    ///
    /// # Errors
    /// Everything that is wrong; nothing has changed then.
    pub async fn reload(&self, plugin: Option<&str>) -> Result<Reloaded, ReloadError> {
        let _turn = self.reloading.lock().await;
        let outcome = self.renew(plugin).await;
        self.note(&outcome).await;
        outcome
    }

    async fn renew(&self, named: Option<&str>) -> Result<Reloaded, ReloadError> {
        let source = self.source.as_ref().ok_or(ReloadError::NoSource)?;
        let before = self.generation();
        let (config, needs_restart) = restart::keep(&before.config, source().map_err(ReloadError::Config)?);
        if let Some(name) = named.filter(|name| !config.plugins.contains_key(*name) && !plugins::FORMATS.contains(name))
        {
            return Err(ReloadError::NoSuchPlugin(name.to_owned()));
        }
        let places = config.places.clone();
        let mut faults = Faults::new(&places);
        let secrets = fetch::secrets(&config, &self.foundation.environment, &mut faults);
        let last_run = LastRun::read(self.foundation.store.as_ref()).await.map_err(StartError::from)?;
        let loaded = self.load(&config, last_run, &mut faults).await;
        let Some(mut loaded) = loaded.filter(|_| faults.is_empty()) else { return Err(unusable(faults.into_found())) };
        let changes = changes(&before, &config, &loaded.registry, named);
        let mut warnings =
            examine(&before.registry, &loaded.registry, &changes, |plugin| self.is_off(plugin), &mut faults).await;
        if !faults.is_empty() {
            return Err(unusable(faults.into_found()));
        }
        let (sinks, ledgers) = (std::mem::take(&mut loaded.sinks), std::mem::take(&mut loaded.ledgers));
        let before_it = Before { core: &before.served.core, has_changed: &|name: &str| has_changed(&changes, name) };
        let generation = self.foundation.raise(config, loaded, secrets, Some(before_it)).await?;
        warnings.extend(sync::warnings(&generation.served.core).await.map_err(StartError::from)?);
        let sinks = self.foundation.events.prepare(sinks).await.map_err(StartError::from)?;
        self.foundation.keys.reconfigure(key_options(&generation.config)).await?;
        let (clients_added, clients_removed) = clients(&before.config, &generation.config);
        self.hand_over(&before.registry, &generation.registry, &changes);
        self.live.store(Arc::new(generation));
        self.foundation.events.install(sinks);
        self.foundation.supervision.ledgers.install(ledgers);
        self.renewed.notify_one();
        // A client may have been added by command to what served until now.
        let core = self.core();
        if let Err(error) = core.clients.read_stored(core.store.as_ref()).await {
            tracing::warn!(%error, "the clients could not be read again");
        }
        // They run already: a failure here is no reason to say that nothing has changed.
        if let Err(error) = last_run::remember(core.store.as_ref(), &core.registry).await {
            tracing::warn!(%error, "the versions of bundled plugins could not be noted");
        }
        Ok(Reloaded { plugins: changes, clients_added, clients_removed, needs_restart, warnings })
    }

    async fn load(&self, config: &Config, last_run: LastRun, faults: &mut Faults<'_>) -> Option<Plugins> {
        let foundation = &self.foundation;
        let cache = CacheDir::new(config, faults.is_empty(), &*foundation.entropy);
        let tools = Tools {
            services: &foundation.services,
            supervision: &foundation.supervision,
            embedded: &foundation.embedded,
            variables: &foundation.environment,
            resolver: &foundation.resolver,
            last_run,
            kept: &foundation.kept,
        };
        plugins::load(config, tools, &cache, faults).await
    }

    /// Plugins that are as they were go on with their circuit breakers and figures.
    fn hand_over(&self, before: &Registry, after: &Registry, changes: &[PluginChange]) {
        let has_changed = |name: &str| has_changed(changes, name);
        for plugin in after.plugins() {
            let Some(guard) = plugin.guard() else { continue };
            match before.plugin(&plugin.name).and_then(|before| before.guard()) {
                Some(before) if !has_changed(&plugin.name) => guard.succeed(before),
                _ => {}
            }
            guard.announce();
        }
        let is_gone =
            |plugin: &&Arc<LoadedPlugin>| after.plugin(&plugin.name).is_none_or(|after| after.guard().is_none());
        for plugin in before.plugins().filter(is_gone) {
            (self.foundation.supervision.observer)(&plugin.name, BreakerState::Closed);
        }
    }

    fn is_off(&self, plugin: &str) -> bool {
        self.foundation.supervision.switches.is_off(plugin)
    }

    async fn note(&self, outcome: &Result<Reloaded, ReloadError>) {
        let event = AuditEvent::new(AuditKind::Reload);
        self.foundation.metrics.reloaded(outcome.is_ok());
        match outcome {
            Ok(reloaded) => {
                tracing::info!(plugins = ?names(&reloaded.plugins), "configuration and plugins were reloaded");
                for key in &reloaded.needs_restart {
                    tracing::warn!(key, "a changed key of the configuration needs a restart");
                }
                reloaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                let event = reloaded.plugins.iter().fold(event, |event, plugin| event.plugin(verdict(plugin)));
                self.foundation.audit.record(&event);
                if let Err(error) = self.foundation.events.emit_durably(&event).await {
                    tracing::error!(%error, "a strict sink is not told of the reload");
                }
            }
            Err(error) => {
                tracing::error!(%error, "the reload failed and has changed nothing");
                self.foundation.audit.record(&event.error("refused"));
            }
        }
    }
}

fn names(plugins: &[PluginChange]) -> Vec<&str> {
    plugins.iter().map(|plugin| plugin.name.as_str()).collect()
}

fn verdict(plugin: &PluginChange) -> crate::audit::PluginVerdict {
    crate::audit::PluginVerdict {
        name: plugin.name.as_str().into(),
        sha256: plugin.sha256,
        verdict: plugin.change.into(),
        ms: 0,
        reason: None,
    }
}

fn unusable(faults: Vec<Fault>) -> ReloadError {
    StartError::Faults(faults).into()
}

fn changes(before: &Generation, config: &Config, registry: &Registry, named: Option<&str>) -> Vec<PluginChange> {
    let known = before.registry.plugins().chain(registry.plugins()).map(|plugin| plugin.name.as_str());
    let known: BTreeSet<&str> = known.collect();
    let change = |name: &str| {
        let (old, new) = (before.registry.plugin(name).map(code), registry.plugin(name).map(code));
        let entries_differ = before.config.plugins.get(name) != config.plugins.get(name);
        let change = match (&old, &new) {
            (None, _) => "added",
            (_, None) => "removed",
            (old, new) if old != new || entries_differ => "changed",
            _ => "unchanged",
        };
        let sha256 = registry.plugin(name).and_then(|plugin| plugin.code?.sha256());
        PluginChange { name: name.to_owned(), change, old, new, sha256 }
    };
    let changes = known.into_iter().map(change);
    changes.filter(|plugin| plugin.change != "unchanged" || named == Some(&plugin.name)).collect()
}

fn code(plugin: &Arc<LoadedPlugin>) -> Code {
    Code {
        version: plugin.version.clone(),
        sha256: plugin.code.and_then(own_code::Code::sha256).map(|hash| hex(&hash)),
    }
}

/// Whether each plugin works. What has changed or was named has to; of the rest none may be worse than before, as one whose
/// secret is another now may be. That its backend is down is no reason to refuse a change elsewhere: it is returned as a
/// warning. One that is switched off only has to load.
async fn examine(
    before: &Registry,
    after: &Registry,
    changes: &[PluginChange],
    is_off: impl Fn(&str) -> bool,
    faults: &mut Faults<'_>,
) -> Vec<String> {
    let was_broken = |name: &str| before.plugin(name).is_some_and(|plugin| plugin.failure().is_some());
    let has_changed = |name: &str| changes.iter().any(|change| change.name == name);
    let mut warnings = Vec::new();
    let ask = async |plugin: &Arc<LoadedPlugin>| plugin.health(&CallContext::default()).await;
    let asked: Vec<_> = after.plugins().filter(|plugin| plugin.failure().is_some() || !is_off(&plugin.name)).collect();
    let answers = join_all(asked.iter().map(|plugin| ask(plugin))).await;
    for (plugin, answer) in asked.into_iter().zip(answers) {
        let (name, Err(error)) = (&plugin.name, answer) else { continue };
        match plugin.failure() {
            Some(why) if was_broken(name) => warnings.push(format!("plugin {name} is still not to be had: {why}")),
            Some(why) => faults.add(&format!("plugins.{name}.source"), why),
            None if has_changed(name) => faults.add(&format!("plugins.{name}"), format!("it is not well: {error}")),
            None if is_well(before, name).await => {
                faults.add(&format!("plugins.{name}"), format!("it was well and would not be any more: {error}"));
            }
            None => warnings.push(format!("plugin {name} is not well: {error}")),
        }
    }
    warnings
}

async fn is_well(registry: &Registry, name: &str) -> bool {
    match registry.plugin(name) {
        Some(plugin) => plugin.health(&CallContext::default()).await.is_ok(),
        None => false,
    }
}

/// Clients of the configuration that came, and those that went.
fn clients(before: &Config, after: &Config) -> (Vec<String>, Vec<String>) {
    let ids = |config: &Config| config.clients.iter().map(|client| client.id.clone()).collect::<BTreeSet<_>>();
    let (before, after) = (ids(before), ids(after));
    (after.difference(&before).cloned().collect(), before.difference(&after).cloned().collect())
}
