//! Clients: those of the configuration first, then those added by command.

use super::records::StoredClient;
use super::{Call, Core};
use crate::keys::KeyRing;
use crate::oauth::client::{Client, ClientSecret};
use crate::oauth::client_auth::PresentedClient;
use crate::oauth::error::OAuthError;
use crate::oauth::scope::Scope;
use crate::password::HashError;
use crate::store::{Store, StoreError, record, record::Record};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

const SECRET_DOMAIN: &str = "client-secret";

/// The configured clients.
#[derive(Default)]
pub struct ClientDirectory {
    configured: HashMap<String, Arc<Client>>,
}

impl ClientDirectory {
    /// A directory of these clients.
    pub fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        Self { configured: clients.into_iter().map(|client| (client.id.clone(), Arc::new(client))).collect() }
    }

    /// Whether the configuration has this client: then no command may change it.
    #[must_use]
    pub fn is_configured(&self, id: &str) -> bool {
        self.configured.contains_key(id)
    }

    /// The configured client with this id.
    #[must_use]
    pub fn find_configured(&self, id: &str) -> Option<&Arc<Client>> {
        self.configured.get(id)
    }

    /// The configured clients, by id.
    #[must_use]
    pub fn configured(&self) -> Vec<Arc<Client>> {
        let mut clients: Vec<_> = self.configured.values().cloned().collect();
        clients.sort_by(|a, b| a.id.cmp(&b.id));
        clients
    }

    /// The client with this id.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn find(&self, store: &dyn Store, id: &str) -> Result<Option<Arc<Client>>, StoreError> {
        if let Some(client) = self.configured.get(id) {
            return Ok(Some(client.clone()));
        }
        let key = StoredClient::key(&[id.as_bytes()]);
        let stored = record::load::<StoredClient>(store, &key).await?;
        Ok(stored.map(|stored| Arc::new(from_stored(id, stored.value))))
    }
}

/// The client that a record stands for.
#[must_use]
pub fn from_stored(id: &str, stored: StoredClient) -> Client {
    let keyed = |text: &String| Some(ClientSecret::Keyed(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?));
    Client {
        id: id.to_owned(),
        name: stored.name,
        client_type: stored.client_type,
        secrets: stored.secrets.iter().filter_map(keyed).collect(),
        trusted: stored.trusted,
        introspect: stored.introspect,
        grants: stored.grants,
        scopes: Scope::new(stored.scopes),
        redirect_uris: stored.redirect_uris,
        cors: stored.cors,
        access_lifetime: None,
    }
}

/// How a client's secret is kept: it is long and random, so a keyed hash is enough and costs microseconds.
#[must_use]
pub fn keyed_secret(keys: &KeyRing, client_id: &str, secret: &[u8]) -> [u8; 32] {
    keys.mac(SECRET_DOMAIN, &[client_id.as_bytes(), secret])
}

/// Authenticates the client of a request (RFC 6749 §2.3), and notes who it is, or who it said it was.
///
/// # Errors
/// `invalid_client`, the same for an unknown client and a wrong secret; 503 when the hashing threads are busy.
pub async fn authenticate(core: &Core, call: &Call, presented: PresentedClient) -> Result<Arc<Client>, OAuthError> {
    let PresentedClient { id, secret, .. } = presented;
    let outcome = check(core, &id, secret).await;
    call.trail.note(|facts| match &outcome {
        Ok(client) => facts.client = Some(client.id.clone()),
        Err(_) => facts.claimed_client = Some(id),
    });
    outcome
}

async fn check(core: &Core, id: &str, secret: Option<Zeroizing<String>>) -> Result<Arc<Client>, OAuthError> {
    let refused = || OAuthError::invalid_client("client authentication failed");
    let client = core.clients.find(core.store.as_ref(), id).await?;
    let Some(secret) = secret else {
        return match client {
            Some(client) if !client.is_confidential() => Ok(client),
            _ => Err(refused()),
        };
    };
    // Hashed for an unknown client as well, so that it takes the same time.
    let keyed = keyed_secret(&core.keys, id, secret.as_bytes());
    let Some(client) = client else { return Err(refused()) };
    if matches_keyed(&client, &keyed) || matches_phc(core, &client, &secret).await? {
        return Ok(client);
    }
    Err(refused())
}

fn matches_keyed(client: &Client, presented: &[u8; 32]) -> bool {
    let mut any = Choice::from(0);
    for secret in &client.secrets {
        if let ClientSecret::Keyed(kept) = secret {
            any |= kept.ct_eq(presented);
        }
    }
    any.into()
}

async fn matches_phc(core: &Core, client: &Client, secret: &Zeroizing<String>) -> Result<bool, OAuthError> {
    for kept in &client.secrets {
        let ClientSecret::Phc(phc) = kept else { continue };
        let verdict = core.hasher.verify(phc, Zeroizing::new(secret.as_bytes().to_vec())).await;
        if verdict.map_err(hashing_failed)?.matches {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The answer when a password could not be checked.
#[must_use]
pub fn hashing_failed(error: HashError) -> OAuthError {
    OAuthError::unavailable(error).retry_after(Duration::from_secs(2))
}
