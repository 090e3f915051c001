//! Listeners, paths, and the demo entries that only loopback may see.

use super::Check;
use crate::config::model::{Address, ClientType, PluginSource};
use crate::config::path::KeyPath;

/// Endpoints whose paths cannot be changed.
const FIXED: [&str; 3] = ["/health/live", "/health/ready", "/metrics"];

/// Metadata, before and after an issuer's path (RFC 8414 §3.1, OpenID Connect Discovery §4).
const METADATA: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

impl Check<'_> {
    pub(super) fn listeners(&self) {
        let listen = &self.config.listen;
        if self.sound(&["listen.address", "listen.tls", "listen.behind_proxy"]) {
            for (index, address) in listen.addresses.iter().enumerate() {
                self.address(index, address);
            }
        }
        let proxied = listen.behind_proxy && self.sound(&["listen.trusted_proxies"]);
        if proxied && listen.trusted_proxies.is_empty() {
            let expected = "the proxies' addresses, as listen.behind_proxy is true";
            self.error(&KeyPath::parse("listen.trusted_proxies"), "no address", expected);
        }
        self.monitoring();
    }

    fn monitoring(&self) {
        let path = KeyPath::parse("monitoring.address");
        let Some(address) = &self.config.monitoring.address else { return };
        if self.config.listen.addresses.contains(address) {
            let found = format!("\"{address}\", which listen.address has too");
            self.error(&path, found, "an address of its own");
        }
        if let Address::Tcp(tcp) = address
            && !tcp.ip().is_loopback()
            && !self.config.monitoring.plain_http
            && self.sound(&["monitoring.plain_http"])
        {
            let expected = "a loopback address, or monitoring.plain_http = true";
            self.error(&path, format!("plain HTTP on {tcp}, beyond loopback"), expected);
        }
    }

    fn address(&self, index: usize, address: &Address) {
        let listen = &self.config.listen;
        let path = self.address_path(index);
        if listen.addresses[..index].contains(address) {
            self.error(&path, format!("\"{address}\" a second time"), "each address once");
        }
        match address {
            Address::Unix(_) if listen.tls.is_some() => {
                self.error(&path, "a unix socket beside listen.tls", "TLS with TCP addresses only");
            }
            Address::Tcp(tcp) if !tcp.ip().is_loopback() && listen.tls.is_none() && !listen.behind_proxy => {
                let expected = "a loopback address, or listen.tls, or listen.behind_proxy = true with \
                                listen.trusted_proxies";
                self.error(&path, format!("plain HTTP on {tcp}, beyond loopback"), expected);
            }
            _ => {}
        }
    }

    fn address_path(&self, index: usize) -> KeyPath {
        let path = KeyPath::parse("listen.address");
        if self.config.listen.addresses.len() == 1 { path } else { path.index(index) }
    }

    pub(super) fn paths(&self) {
        if !self.sound(&["paths"]) {
            return;
        }
        let paths = &self.config.paths;
        let endpoints = [
            ("paths.token", &paths.token),
            ("paths.authorize", &paths.authorize),
            ("paths.introspect", &paths.introspect),
            ("paths.revoke", &paths.revoke),
            ("paths.jwks", &paths.jwks),
        ];
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for (key, path) in endpoints.iter().flat_map(|(key, paths)| paths.iter().map(move |path| (*key, path))) {
            let own = FIXED.contains(&path.as_str()) || METADATA.iter().any(|metadata| path.contains(metadata));
            if own {
                let expected = "a path that the server does not use itself";
                self.error(&KeyPath::parse(key), format!("{path:?}"), expected);
            }
            match seen.iter().find(|(_, other)| other == path) {
                Some((other, _)) => {
                    let found = format!("{path:?}, which {other} has too");
                    self.error(&KeyPath::parse(key), found, "a path of its own");
                }
                None => seen.push((key, path)),
            }
        }
    }

    pub(super) fn development(&self) {
        let Some(development) = &self.config.development else { return };
        let exposed = |address: &Address| matches!(address, Address::Tcp(tcp) if !tcp.ip().is_loopback());
        if self.sound(&["listen.address"]) && self.config.listen.addresses.iter().any(exposed) {
            let expected = "loopback addresses only, or no [development]";
            self.error(&KeyPath::parse("development"), "a listener beyond loopback", expected);
        }
        if development.demo_user.is_some() && self.sound(&["plugins", "users"]) && !self.chain_has_accounts() {
            let expected = "a plugin with source \"builtin:accounts\" in users.chain, where the demo user lives";
            self.error(&KeyPath::parse("development.demo_user"), "no such plugin", expected);
        }
        if let Some(id) = &development.demo_client {
            self.demo_client(id);
        }
    }

    fn chain_has_accounts(&self) -> bool {
        let accounts = PluginSource::Builtin("accounts".to_owned());
        let source = |name: &str| self.config.plugins.get(name).map(|plugin| &plugin.source);
        self.config.chain.iter().any(|entry| source(&entry.plugin) == Some(&accounts))
    }

    fn demo_client(&self, id: &str) {
        let path = KeyPath::parse("development.demo_client");
        let Some(client) = self.named_client(&path, id) else { return };
        if client.client_type != ClientType::Confidential || !client.secrets.is_empty() {
            let expected = "a confidential client without a secret: it gets a random one at each start";
            self.error(&path, format!("{id:?}, which is another"), expected);
        }
    }
}
