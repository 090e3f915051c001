//! Plugins as their operator sees them: how each is, and which are switched off. What is off stays off after a restart.

use super::Core;
use super::records::DisabledPlugin;
use crate::plugin::breaker::BreakerState;
use crate::plugin::own_code::Code;
use crate::plugin::private_dir::hex;
use crate::plugin::registry::LoadedPlugin;
use crate::plugin::shadow::{Difference, Ledger, Sum};
use crate::plugin::supervision::{Switches, Tally};
use crate::store::{Batch, CommitError, Store, StoreError, record, record::Record};
use serde::Serialize;
use std::sync::Arc;

/// How a plugin is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginInfo {
    /// The entry's name.
    pub name: String,
    /// `builtin`, `native`, `wasm`.
    pub packaging: &'static str,
    /// Its manifest's; empty where it could not be loaded.
    pub version: String,
    /// Of its code, in hex.
    pub sha256: Option<String>,
    /// What it exports.
    pub kinds: Vec<&'static str>,
    /// `ready`, `disabled`, `unavailable`, `breaker open`, `breaker half-open`.
    pub state: &'static str,
    /// The plugin that it is in shadow of.
    pub shadow_of: Option<String>,
    /// Why it could not be loaded.
    pub why: Option<String>,
    /// Calls since it was loaded.
    pub calls: u64,
    /// Those of them without an answer.
    pub failures: u64,
}

/// All plugins, by name.
#[must_use]
pub fn list(core: &Core) -> Vec<PluginInfo> {
    core.registry.plugins().map(|plugin| info(core, plugin)).collect()
}

fn info(core: &Core, plugin: &LoadedPlugin) -> PluginInfo {
    let Tally { calls, failures } = plugin.guard().map(|guard| guard.tally()).unwrap_or_default();
    PluginInfo {
        name: plugin.name.clone(),
        packaging: plugin.packaging.name(),
        version: plugin.version.clone(),
        sha256: plugin.code.and_then(Code::sha256).map(|hash| hex(&hash)),
        kinds: plugin.kinds.iter().map(|kind| kind.name()).collect(),
        state: state(core, plugin),
        shadow_of: plugin.shadow.clone(),
        why: plugin.failure().map(str::to_owned),
        calls,
        failures,
    }
}

pub(super) fn state(core: &Core, plugin: &LoadedPlugin) -> &'static str {
    if core.switches.is_off(&plugin.name) {
        return "disabled";
    }
    match plugin.guard().map(|guard| guard.breaker()) {
        None => "unavailable",
        Some(Some(BreakerState::Open)) => "breaker open",
        Some(Some(BreakerState::HalfOpen)) => "breaker half-open",
        Some(Some(BreakerState::Closed) | None) => "ready",
    }
}

/// What plugins in shadow said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// How often each said the same as the live one.
    pub shadows: Vec<Sum>,
    /// Where they did not, the oldest first.
    pub differences: Vec<Difference>,
}

/// What one plugin in shadow said, or all of them.
#[must_use]
pub fn compare(core: &Core, shadow: Option<&str>) -> Compared {
    let chosen = |ledger: &Arc<Ledger>| shadow.is_none_or(|name| ledger.shadow() == name);
    let ledgers = core.shadows.all().into_iter().filter(chosen);
    let (shadows, differences): (Vec<_>, Vec<_>) = ledgers.map(|ledger| ledger.read()).unzip();
    let mut differences = differences.concat();
    differences.sort_by_key(|difference| difference.compared_at);
    Compared { shadows, differences }
}

/// Switches calls of a plugin off, or on again; of any name, as a configuration to come may have it.
///
/// # Errors
/// When the store cannot keep it; then nothing has changed.
pub async fn set_disabled(core: &Core, name: &str, disabled: bool) -> Result<(), StoreError> {
    let key = DisabledPlugin::key(&[name.as_bytes()]);
    let batch =
        if disabled { Batch::new().put_record(key, &DisabledPlugin {}, None)? } else { Batch::new().delete(key) };
    match core.store.commit(batch).await {
        Ok(_) => {}
        Err(CommitError::Unavailable(error)) => return Err(error),
        Err(error) => return Err(StoreError::new(error)),
    }
    core.switches.set_off(name, disabled);
    Ok(())
}

/// Sets the switches as the store has them.
///
/// # Errors
/// When the store cannot answer.
pub async fn read(store: &dyn Store, switches: &Switches) -> Result<(), StoreError> {
    for name in record::names::<DisabledPlugin>(store).await? {
        switches.set_off(&name, true);
    }
    Ok(())
}
