//! Plugins: who may load, and whether names lead to one of the right kind.

use super::Check;
use crate::config::model::PluginSource;
use crate::config::nearest::{one_of, suggestion};
use crate::config::path::KeyPath;
use crate::config::plugins::BUILTINS;

impl Check<'_> {
    pub(super) fn plugins(&self) {
        self.native_plugins();
        self.shadows();
        self.chain();
        self.sync();
        self.policies();
        if self.sound(&["claims"]) {
            for (index, entry) in self.config.claims.iter().enumerate() {
                self.names_plugin(&KeyPath::parse("claims.sources").index(index), &entry.plugin, "claims", &[]);
            }
        }
        self.sinks();
        if self.sound(&["grants.extensions"]) {
            for (index, name) in self.config.grants.extensions.iter().enumerate() {
                self.names_plugin(&KeyPath::parse("grants.extensions").index(index), name, "extension-grant", &[]);
            }
        }
        if self.sound(&["tokens.access.format"]) {
            let path = KeyPath::parse("tokens.access.format");
            self.names_plugin(&path, &self.config.tokens.access.format, "token-format", &["jwt", "opaque"]);
        }
    }

    fn native_plugins(&self) {
        for (name, plugin) in &self.config.plugins {
            let path = KeyPath::parse("plugins").key(name);
            if !matches!(plugin.source, PluginSource::Native(_)) {
                continue;
            }
            if !self.config.trust.native && self.sound(&["trust"]) {
                let expected = "trust.native = true beside it: such a plugin runs with the server's rights";
                self.error(&path.key("source"), "a native plugin", expected);
            }
            if plugin.sha256.is_none() && self.report.is_sound(&path.key("sha256")) {
                self.error(&path.key("sha256"), "no such key", "the SHA-256 of the native plugin's file");
            }
        }
    }

    fn shadows(&self) {
        let plugins = &self.config.plugins;
        for (name, plugin) in plugins {
            let path = KeyPath::parse("plugins").key(name).key("shadow");
            let Some(live) = plugin.shadow.as_ref().filter(|_| self.report.is_sound(&path)) else { continue };
            if live == name {
                self.error(&path, format!("{live:?} itself"), "the name of another plugin");
            } else if plugins.get(live).is_some_and(|live| live.shadow.is_some()) {
                self.error(&path, format!("{live:?}, which is in shadow as well"), "the name of a plugin that is used");
            } else if !plugins.contains_key(live) && !self.config.embedded.contains(live) {
                let others = || plugins.keys().filter(|other| *other != name).map(String::as_str);
                let expected = "the name of the plugin whose questions it is asked as well";
                self.report.error(&path, format!("{live:?}"), expected, suggestion(live, others()));
            }
        }
    }

    fn chain(&self) {
        let chain = &self.config.chain;
        for (index, entry) in chain.iter().enumerate() {
            let path = KeyPath::parse("users.chain").index(index);
            if !self.report.is_sound(&path.key("plugin")) {
                continue;
            }
            if chain[..index].iter().any(|other| other.plugin == entry.plugin) {
                self.error(&path, format!("{:?} a second time", entry.plugin), "each plugin once");
            } else {
                let embedded: Vec<&str> = self.config.embedded.iter().map(String::as_str).collect();
                self.names_plugin(&path, &entry.plugin, "user-verifier", &embedded);
            }
        }
    }

    fn sync(&self) {
        let sync = &self.config.sync;
        for (index, entry) in sync.iter().enumerate() {
            let path = KeyPath::parse("users.sync").index(index);
            if !self.report.is_sound(&path.key("plugin")) {
                continue;
            }
            if sync[..index].iter().any(|other| other.plugin == entry.plugin) {
                self.error(&path, format!("{:?} a second time", entry.plugin), "each plugin once");
            } else {
                self.names_plugin(&path, &entry.plugin, "account-source", &[]);
            }
        }
    }

    fn policies(&self) {
        let policies = &self.config.scope_policies;
        for (index, entry) in policies.iter().enumerate() {
            let path = KeyPath::parse("scopes.policies").index(index);
            if !self.report.is_sound(&path.key("plugin")) {
                continue;
            }
            if policies[..index].iter().any(|other| other.plugin == entry.plugin) {
                self.error(&path, format!("{:?} a second time", entry.plugin), "each plugin once");
            } else {
                self.names_plugin(&path, &entry.plugin, "scope-policy", &[]);
            }
        }
    }

    fn sinks(&self) {
        let sinks = &self.config.events.sinks;
        for (index, entry) in sinks.iter().enumerate() {
            let path = KeyPath::parse("events.sinks").index(index);
            if !self.report.is_sound(&path.key("plugin")) {
                continue;
            }
            if sinks[..index].iter().any(|other| other.plugin == entry.plugin) {
                self.error(&path, format!("{:?} a second time", entry.plugin), "each plugin once");
            } else {
                self.names_plugin(&path, &entry.plugin, "event-sink", &[]);
            }
        }
    }

    /// `own`: names that need no entry.
    fn names_plugin(&self, path: &KeyPath, name: &str, kind: &str, own: &[&str]) {
        let entries = &self.config.plugins;
        if entries.get(name).is_some_and(|plugin| plugin.shadow.is_some()) {
            self.error(
                path,
                format!("{name:?}, which is in shadow"),
                "a plugin without `shadow`, as its answers are used",
            );
        }
        match entries.get(name).map(|plugin| &plugin.source) {
            None if own.contains(&name) => {}
            // Its entry is there, but broken.
            None if !self.report.is_sound(&KeyPath::parse("plugins").key(name)) => {}
            None => {
                let known = || own.iter().copied().chain(entries.keys().map(String::as_str));
                let expected = match known().next() {
                    None => "the name of a plugin; there is none in [plugins]".to_owned(),
                    Some(_) => format!("the name of a plugin: {}", one_of(known())),
                };
                self.report.error(path, format!("{name:?}"), expected, suggestion(name, known()));
            }
            Some(PluginSource::Builtin(builtin)) => {
                let is = BUILTINS.iter().find(|(known, _)| known == builtin).map_or("", |(_, kind)| *kind);
                if is != kind {
                    self.error(path, format!("{name:?}, of the kind {is}"), format!("a plugin of the kind {kind}"));
                }
            }
            Some(PluginSource::Wasm(_) | PluginSource::Native(_) | PluginSource::Bundle(_)) => {}
        }
    }
}
