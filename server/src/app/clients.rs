//! Clients of the configuration: their secrets hashed.

use super::fetch::FetchedSecret;
use crate::config::model::{ClientEntry, ClientType as EntryType};
use crate::flow::clients::keyed_secret;
use crate::keys::KeyRing;
use crate::oauth::client::{Client, ClientSecret, ClientType, GrantType};
use crate::oauth::scope::Scope;

/// The client of an entry, with its secrets.
pub fn client(entry: &ClientEntry, secrets: Vec<FetchedSecret>, keys: &KeyRing) -> Client {
    let kept = |secret| match secret {
        FetchedSecret::Phc(phc) => ClientSecret::Phc(phc),
        FetchedSecret::Plain(bytes) => ClientSecret::Keyed(keyed_secret(keys, &entry.id, &bytes)),
    };
    Client {
        id: entry.id.clone(),
        name: entry.name.clone(),
        client_type: match entry.client_type {
            EntryType::Confidential => ClientType::Confidential,
            EntryType::Public => ClientType::Public,
        },
        secrets: secrets.into_iter().map(kept).collect(),
        trusted: entry.trusted,
        introspect: entry.introspect,
        grants: entry.grants.iter().filter_map(|name| GrantType::from_name(name)).collect(),
        extension_grants: entry.grants.iter().filter(|name| GrantType::from_name(name).is_none()).cloned().collect(),
        scopes: Scope::new(entry.scopes.iter().cloned()),
        redirect_uris: entry.redirect_uris.clone(),
        cors: entry.cors.clone(),
        access_lifetime: entry.access_lifetime,
    }
}
