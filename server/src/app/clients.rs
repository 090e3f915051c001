//! Clients of the configuration: their secrets fetched and hashed.

use super::StartError;
use crate::config::model::{ClientEntry, ClientType as EntryType, SecretSource};
use crate::config::secret;
use crate::flow::clients::keyed_secret;
use crate::keys::KeyRing;
use crate::oauth::client::{Client, ClientSecret, ClientType, GrantType};
use crate::oauth::scope::Scope;

/// The client of an entry.
///
/// # Errors
/// When a secret cannot be fetched.
pub fn client(
    entry: &ClientEntry,
    index: usize,
    keys: &KeyRing,
    environment: &[(String, String)],
) -> Result<Client, StartError> {
    let mut secrets = Vec::new();
    for source in &entry.secrets {
        secrets.push(match source {
            SecretSource::Hash(phc) => ClientSecret::Phc(phc.clone()),
            source => {
                let fetched = secret::resolve(source, &format!("clients[{index}].secret"), environment)?;
                if let Some(warning) = &fetched.warning {
                    tracing::warn!("{warning}");
                }
                ClientSecret::Keyed(keyed_secret(keys, &entry.id, &fetched.bytes))
            }
        });
    }
    Ok(Client {
        id: entry.id.clone(),
        name: entry.name.clone(),
        client_type: match entry.client_type {
            EntryType::Confidential => ClientType::Confidential,
            EntryType::Public => ClientType::Public,
        },
        secrets,
        trusted: entry.trusted,
        introspect: entry.introspect,
        grants: entry.grants.iter().filter_map(|name| GrantType::from_name(name)).collect(),
        extension_grants: entry.grants.iter().filter(|name| GrantType::from_name(name).is_none()).cloned().collect(),
        scopes: Scope::new(entry.scopes.iter().cloned()),
        redirect_uris: entry.redirect_uris.clone(),
        cors: entry.cors.clone(),
        access_lifetime: entry.access_lifetime,
    })
}
