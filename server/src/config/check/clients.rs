//! Clients, each by itself and against the rest.

use super::Check;
use crate::config::model::{ClientEntry, ClientType};
use crate::config::nearest::suggestion;
use crate::config::path::KeyPath;

impl Check<'_> {
    pub(super) fn clients(&self) {
        for (index, client) in self.config.clients.iter().enumerate() {
            let path = KeyPath::parse("clients").index(index);
            let sound = |keys: &[&str]| keys.iter().all(|key| self.report.is_sound(&path.key(key)));
            if sound(&["id"]) && self.config.clients[..index].iter().any(|other| other.id == client.id) {
                self.error(&path.key("id"), format!("{:?} a second time", client.id), "an id of its own");
            }
            if sound(&["type", "secret"]) {
                self.secret(client, &path);
            }
            if sound(&["type", "grants"]) {
                self.client_credentials(client, &path);
            }
            if sound(&["trusted", "grants"]) {
                self.password_grant(client, &path);
            }
            if sound(&["type", "introspect"]) && client.introspect && client.client_type == ClientType::Public {
                let expected = "a confidential client, as introspection is authenticated (RFC 7662 §2.1)";
                self.error(&path.key("introspect"), "true for a public client", expected);
            }
        }
    }

    fn secret(&self, client: &ClientEntry, path: &KeyPath) {
        let demo = self.config.development.as_ref().and_then(|development| development.demo_client.as_ref());
        match client.client_type {
            ClientType::Public if !client.secrets.is_empty() => {
                let expected = "no secret, or type = \"confidential\" (RFC 6749 §2.1)";
                self.error(&path.key("secret"), "a secret of a public client", expected);
            }
            ClientType::Confidential if client.secrets.is_empty() && demo != Some(&client.id) => {
                let expected = "a confidential client's secret, such as { file = \"…\" }";
                self.error(&path.key("secret"), "no such key", expected);
            }
            _ => {}
        }
    }

    fn client_credentials(&self, client: &ClientEntry, path: &KeyPath) {
        if client.client_type == ClientType::Public && has(client, "client_credentials") {
            let expected = "a confidential client (RFC 6749 §4.4)";
            self.error(
                &grant_path(client, path, "client_credentials"),
                "\"client_credentials\" for a public client",
                expected,
            );
        }
    }

    fn password_grant(&self, client: &ClientEntry, path: &KeyPath) {
        if !has(client, "password") {
            return;
        }
        let grant = grant_path(client, path, "password");
        if !client.trusted {
            let expected = "trusted = true beside it: such a client handles users' passwords";
            self.error(&grant, "\"password\" for a client that is not trusted", expected);
        }
        if self.sound(&["users"]) && self.config.chain.is_empty() {
            self.error(&grant, "\"password\" without anybody to verify users", "at least one plugin in users.chain");
        }
    }

    pub(super) fn default_client(&self) {
        let Some(id) = &self.config.grants.default_client else { return };
        let path = KeyPath::parse("grants.default_client");
        if let Some(client) = self.named_client(&path, id)
            && client.client_type == ClientType::Confidential
        {
            self.error(&path, format!("{id:?}, a confidential client"), "a public client, as nothing is checked");
        }
    }

    /// The client that the key at `path` names; notes an error if there is none. `None` too where a broken entry might
    /// be the one.
    pub(super) fn named_client(&self, path: &KeyPath, id: &str) -> Option<&ClientEntry> {
        let clients = &self.config.clients;
        let sound = |index: usize, key: &str| self.report.is_sound(&KeyPath::parse("clients").index(index).key(key));
        if let Some(index) = clients.iter().position(|client| client.id == id) {
            return clients.get(index).filter(|_| sound(index, "type"));
        }
        if self.report.is_sound(path) && (0..clients.len()).all(|index| sound(index, "id")) {
            let help = suggestion(id, clients.iter().map(|client| client.id.as_str()));
            self.report.error(path, format!("{id:?}"), "the id of one of the clients", help);
        }
        None
    }
}

fn has(client: &ClientEntry, grant: &str) -> bool {
    client.grants.iter().any(|own| own == grant)
}

fn grant_path(client: &ClientEntry, path: &KeyPath, grant: &str) -> KeyPath {
    let index = client.grants.iter().position(|own| own == grant).unwrap_or_default();
    path.key("grants").index(index)
}
