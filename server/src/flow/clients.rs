//! Clients: those of the configuration first, then those added by command.

use super::records::StoredClient;
use super::{Call, Core};
use crate::keys::KeyRing;
use crate::lockout::{Admission, AdmitError, TypedName};
use crate::oauth::client::{Client, ClientSecret, GrantType};
use crate::oauth::client_auth::PresentedClient;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::scope::Scope;
use crate::password::{HashError, PasswordHasher};
use crate::store::{Store, StoreError, record, record::Record};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::Mutex;
use tracing::Instrument;
use zeroize::Zeroizing;

const SECRET_DOMAIN: &str = "client-secret";
/// Clients in one step of a scan.
const STEP: usize = 256;

/// The configured clients, and what all clients have together.
#[derive(Default)]
pub struct ClientDirectory {
    configured: HashMap<String, Arc<Client>>,
    configured_union: ClientUnion,
    union: RwLock<Arc<ClientUnion>>,
    /// Held while the store is read, so that an older reading never replaces a newer one.
    reading: Mutex<()>,
}

impl ClientDirectory {
    /// A directory of these clients.
    pub fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        let clients: Vec<_> = clients.into_iter().map(Arc::new).collect();
        let mut configured_union = ClientUnion::default();
        clients.iter().for_each(|client| configured_union.add(client));
        Self {
            configured: clients.into_iter().map(|client| (client.id.clone(), client)).collect(),
            union: RwLock::new(Arc::new(configured_union.clone())),
            configured_union,
            reading: Mutex::default(),
        }
    }

    /// What the clients have together, those added by command as of the last [`Self::read_stored`].
    #[must_use]
    pub fn union(&self) -> Arc<ClientUnion> {
        self.union.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the clients that were added by command: at the start, and after each command that changes one.
    ///
    /// # Errors
    /// When the store cannot answer; the union stays as it was.
    pub async fn read_stored(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _reading = self.reading.lock().await;
        let mut union = self.configured_union.clone();
        let (prefix, mut after) = (StoredClient::key(&[]), None);
        loop {
            let found = store.scan(&prefix, after.as_ref(), STEP).await?;
            for (_, found) in &found {
                // What is read of a client here does not depend on its id.
                union.add(&from_stored("", record::decode(&found.value)?));
            }
            match found.into_iter().nth(STEP - 1) {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
        *self.union.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(union);
        Ok(())
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

/// What clients have together: for what is answered before the client is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientUnion {
    /// Origins of browser applications.
    pub origins: BTreeSet<String>,
    /// Scopes.
    pub scopes: Scope,
    grants: HashSet<GrantType>,
    /// Values of `grant_type` of plugins.
    pub extension_grants: BTreeSet<String>,
}

impl ClientUnion {
    /// Whether any client may use `grant`.
    #[must_use]
    pub fn may(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }

    fn add(&mut self, client: &Client) {
        self.origins.extend(client.cors.iter().cloned());
        self.grants.extend(&client.grants);
        self.extension_grants.extend(client.extension_grants.iter().cloned());
        self.scopes = Scope::new(self.scopes.tokens().iter().chain(client.scopes.tokens()).cloned());
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
        extension_grants: stored.extension_grants,
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

/// Authenticates the client of a request (RFC 6749 §2.3), and notes who it is, or who it said it was where there is such a
/// client: any other name may be a secret in the wrong place.
///
/// # Errors
/// `invalid_client`, the same for an unknown client and a wrong secret, and counted alike; 429 with `Retry-After` while the
/// client at its address, or the address, is held back; 503 when the hashing threads are busy.
pub async fn authenticate(core: &Core, call: &Call, presented: PresentedClient) -> Result<Arc<Client>, OAuthError> {
    let PresentedClient { id, secret, .. } = presented;
    let found = core.clients.find(core.store.as_ref(), &id).await?;
    let outcome = match secret {
        Some(secret) => by_secret(core, call, &id, found.clone(), secret).await,
        // Nothing was guessed, so nothing is counted.
        None => found.clone().filter(|client| !client.is_confidential()).ok_or_else(refused),
    };
    call.trail.note(|facts| match &outcome {
        Ok(client) => facts.client = Some(client.id.clone()),
        Err(_) => facts.claimed_client = found.map(|client| client.id.clone()),
    });
    outcome
}

async fn by_secret(
    core: &Core,
    call: &Call,
    id: &str,
    client: Option<Arc<Client>>,
    secret: Zeroizing<String>,
) -> Result<Arc<Client>, OAuthError> {
    let attempt = core.lockout.client(id, call.ip).await.map_err(held_back)?;
    // Hashed for an unknown client as well, so that it takes the same time.
    let keyed = keyed_secret(&core.keys, id, secret.as_bytes());
    if let Some(client) = client.as_ref().filter(|client| matches_keyed(client, &keyed)) {
        attempt.pass().await.map_err(held_back)?;
        return Ok(client.clone());
    }
    let admission = attempt.admit().await.map_err(held_back)?;
    let Some(client) = client else {
        admission.failed(TypedName::Unknown).await?;
        return Err(refused());
    };
    // In a task of its own: where the client hangs up meanwhile, what counts is still whether its secret was right.
    let check = by_phc(core.hasher.clone(), client, secret, admission).in_current_span();
    tokio::spawn(check).await.map_err(OAuthError::unavailable)?
}

/// Checks a secret against the client's PHC strings, and ends the try.
async fn by_phc(
    hasher: Arc<PasswordHasher>,
    client: Arc<Client>,
    secret: Zeroizing<String>,
    admission: Admission,
) -> Result<Arc<Client>, OAuthError> {
    match matches_phc(&hasher, &client, &secret).await {
        Ok(true) => {
            // Where the failures cannot be forgotten the secret is still right.
            if let Err(error) = admission.succeeded().await {
                tracing::warn!(%error, "a client's failed authentications could not be forgotten");
            }
            Ok(client)
        }
        Ok(false) => {
            admission.failed(TypedName::Known).await?;
            Err(refused())
        }
        Err(error) => {
            admission.abandoned();
            Err(error)
        }
    }
}

fn refused() -> OAuthError {
    OAuthError::invalid_client("client authentication failed")
}

fn held_back(error: AdmitError) -> OAuthError {
    match error {
        AdmitError::Refused(refusal) => {
            let text = "too many failed client authentications; wait before the next";
            OAuthError::new(ErrorCode::TooManyRequests, text).retry_after(refusal.retry_after)
        }
        AdmitError::Unavailable(error) => error.into(),
    }
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

async fn matches_phc(hasher: &PasswordHasher, client: &Client, secret: &str) -> Result<bool, OAuthError> {
    for kept in &client.secrets {
        let ClientSecret::Phc(phc) = kept else { continue };
        let verdict = hasher.verify(phc, Zeroizing::new(secret.as_bytes().to_vec())).await;
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
