//! The configured plugins in their places: the chain, the policies, the formats.

use crate::config::model::{ChainEntry, Config, PluginSource};
use crate::flow::{NamedFormat, NamedPolicy};
use crate::plugin::HostServices;
use crate::plugin::builtin::Linked;
use crate::plugin::chain::Backend;
use crate::plugin::host::{Interface, PluginHost};
use crate::plugin::hosted::Hosted;
use crate::plugin::limits::Limits;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RegistryError(String);

pub struct PluginTable(BTreeMap<String, (Arc<Hosted>, bool)>);

impl PluginTable {
    pub async fn load(config: &Config, services: Arc<dyn HostServices>) -> Result<Self, RegistryError> {
        let mut table = BTreeMap::new();
        let mut add = |name: &str, builtin: &str, config_json: &str| {
            let linked = match builtin {
                "accounts" => pintle_plugin_accounts::linked(),
                "scope-rules" => pintle_plugin_scope_rules::linked(),
                "jwt" => pintle_plugin_jwt::linked(),
                "opaque" => pintle_plugin_opaque::linked(),
                other => return Err(RegistryError(other.to_owned())),
            };
            let packaging = Linked::new(&linked, config_json).map_err(|e| RegistryError(e.join("; ")))?;
            let wants = (linked.manifest)().wants;
            let allowed = wants.iter().filter_map(|w| Interface::from_name(w));
            let host = PluginHost::new(name, services.clone(), allowed, config_json);
            let hosted = Hosted::new(Box::new(packaging), Arc::new(host), Limits::new(Default::default()));
            table.insert(name.to_owned(), (Arc::new(hosted), builtin == "accounts"));
            Ok(())
        };
        add("jwt", "jwt", "{}")?;
        add("opaque", "opaque", "{}")?;
        for (name, entry) in &config.plugins {
            if let PluginSource::Builtin(builtin) = &entry.source {
                add(name, builtin, &entry.config_json)?;
            }
        }
        Ok(Self(table))
    }
    pub fn chain(&self, chain: &[ChainEntry]) -> Vec<Backend> {
        chain
            .iter()
            .filter_map(|e| {
                Some(Backend {
                    name: e.plugin.clone(),
                    verifier: self.0.get(&e.plugin)?.0.clone(),
                    next_on_error: e.next_on_error,
                })
            })
            .collect()
    }
    pub fn hashes(&self) -> std::collections::HashMap<String, [u8; 32]> {
        Default::default()
    }
    pub fn own_backends(&self) -> Vec<String> {
        self.0.iter().filter(|(_, p)| p.1).map(|(n, _)| n.clone()).collect()
    }
    pub fn policies(&self, names: &[String]) -> Vec<NamedPolicy> {
        names.iter().filter_map(|n| Some(NamedPolicy { name: n.clone(), policy: self.0.get(n)?.0.clone() })).collect()
    }
    pub fn formats(&self, first: &str) -> Vec<NamedFormat> {
        let mut names = vec![first];
        names.extend(["jwt", "opaque"].into_iter().filter(|n| *n != first));
        names
            .into_iter()
            .filter_map(|n| {
                Some(NamedFormat { name: n.to_owned(), self_contained: n == "jwt", format: self.0.get(n)?.0.clone() })
            })
            .collect()
    }
}
