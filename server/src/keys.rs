//! The keys of the server: signing keys with their rotation, their JWK set, and the MAC key.
//!
//! Private keys never leave this module, and rest in the store sealed under the [`MasterKey`]. Every algorithm that is
//! configured has a current key, which signs; the next one is published some time before it signs, so that whoever
//! caches the JWK set knows it; a retired one is published until the last token it signed has expired.

mod error;
mod held;
mod info;
mod jwk;
mod lifecycle;
mod mac;
mod master;
mod seal;
mod signing;
#[cfg(test)]
mod tests;

pub use error::KeyError;
pub use info::{KeyInfo, KeyOptions, KeyState, Rotation};
pub use mac::MIN_TAG_BYTES;
pub use master::{MASTER_KEY_FILE, MasterKey, MasterKeyOrigin};

use crate::clock::{Clock, UnixTime};
use crate::config::model::Algorithm;
use crate::entropy::Entropy;
use crate::store::record::{self, Record as _};
use crate::store::{Batch, CommitError, Store};
use held::{Rings, Snapshot};
use lifecycle::{Ring, Wanted};
use mac::MacKey;
use seal::Sealer;
use signing::PrivateKey;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How often a change is tried again when others change the keys at the same time.
const ATTEMPTS: usize = 16;

/// The longest time that the JWK set may be cached.
const MAX_JWKS_AGE: Duration = Duration::from_secs(60 * 60);

/// Keys rotate no faster than this.
const MIN_ROTATE_EVERY: Duration = Duration::from_secs(60);

/// What is asked of the rings beside what is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Nothing,
    Rotate(Option<Algorithm>),
    Withdraw(Option<Algorithm>),
}

impl Order {
    fn concerns(self, algorithm: Algorithm) -> bool {
        matches!(self, Self::Rotate(only) | Self::Withdraw(only) if only.is_none_or(|only| only == algorithm))
    }
}

/// All keys, ready for use. Signing, verifying and MACs are synchronous and wait for nothing.
pub struct KeyRing {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    options: KeyOptions,
    sealer: Sealer,
    mac: MacKey,
    snapshot: RwLock<Arc<Snapshot>>,
    /// Held from load to install, so that an older snapshot never replaces a newer one.
    turn: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("keys", &self.snapshot().infos).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// Opens the keys of `store`, and makes those that are missing. Servers that do so at the same time end with the
    /// same keys.
    ///
    /// # Errors
    /// `MasterDiffers`, `Damaged`, or what the store says.
    pub async fn open(
        store: Arc<dyn Store>,
        master: &MasterKey,
        mut options: KeyOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, KeyError> {
        options.rotate_every = options.rotate_every.max(MIN_ROTATE_EVERY);
        let mac = MacKey::load_or_make(&*store, master, &*entropy).await?;
        let sealer = Sealer::new(master, "signing keys")?;
        let (snapshot, turn) = Default::default();
        let ring = Self { store, clock, entropy, options, sealer, mac, snapshot, turn };
        ring.settle(Order::Nothing).await?;
        Ok(ring)
    }

    /// The id of the key that signs with `algorithm` now; `None` where the algorithm is not configured.
    #[must_use]
    pub fn current(&self, algorithm: Algorithm) -> Option<String> {
        self.snapshot().current(algorithm).map(str::to_owned)
    }

    /// The JWS signature of `input`.
    ///
    /// # Errors
    /// `UnknownKey`, `WrongAlgorithm`, `NotSigning` for a key that is not the current one (or was, minutes ago).
    pub fn sign(&self, key_id: &str, algorithm: Algorithm, input: &[u8]) -> Result<Vec<u8>, KeyError> {
        let snapshot = self.snapshot();
        let (key, state) = snapshot.find(key_id, algorithm)?;
        match &key.private {
            Some(private) if state != KeyState::Next => private.sign(input),
            _ => Err(KeyError::NotSigning(key_id.to_owned())),
        }
    }

    /// Whether `signature` is that of `input` by this key; false for an unknown key or another algorithm.
    #[must_use]
    pub fn verify(&self, key_id: &str, algorithm: Algorithm, input: &[u8], signature: &[u8]) -> bool {
        self.snapshot().find(key_id, algorithm).is_ok_and(|(key, _)| key.public.verify(input, signature))
    }

    /// The JWK set (RFC 7517 §5) of all published keys, as JSON.
    #[must_use]
    pub fn jwks(&self) -> Arc<str> {
        self.snapshot().jwks.clone()
    }

    /// How long the JWK set may be cached: so that a key is known everywhere before it signs.
    #[must_use]
    pub fn jwks_max_age(&self) -> Duration {
        (self.options.publish_before / 2).min(MAX_JWKS_AGE)
    }

    /// The signing keys, by algorithm and age.
    #[must_use]
    pub fn list(&self) -> Vec<KeyInfo> {
        self.snapshot().infos.clone()
    }

    /// HMAC-SHA-256 of the parts of `message` in `domain`, which keeps uses apart.
    #[must_use]
    pub fn mac(&self, domain: &str, message: &[&[u8]]) -> [u8; 32] {
        self.mac.tag(domain, message)
    }

    /// Whether `tag`, whole or cut to at least [`MIN_TAG_BYTES`], is the message's; in constant time.
    #[must_use]
    pub fn mac_matches(&self, domain: &str, message: &[&[u8]], tag: &[u8]) -> bool {
        self.mac.matches(domain, message, tag)
    }

    /// Takes the steps that are due: makes, promotes, removes keys, and sees what other servers on the store did. To
    /// be called every minute.
    ///
    /// # Errors
    /// What the store says; the keys stay as they were.
    pub async fn tick(&self) -> Result<(), KeyError> {
        self.settle(Order::Nothing).await.map(drop)
    }

    /// Rotates the keys of `algorithm`, or all. The next key is published now, and signs once it has been published for
    /// `publish_before`. `immediately` is for a compromised key: every key that could still sign is withdrawn with the
    /// tokens it signed, and a new one signs at once.
    ///
    /// # Errors
    /// `NotConfigured`, or what the store says.
    pub async fn rotate(&self, algorithm: Option<Algorithm>, immediately: bool) -> Result<Vec<Rotation>, KeyError> {
        if let Some(algorithm) = algorithm.filter(|algorithm| !self.options.algorithms.contains(algorithm)) {
            return Err(KeyError::NotConfigured(algorithm.name()));
        }
        let order = if immediately { Order::Withdraw(algorithm) } else { Order::Rotate(algorithm) };
        let rotations = self.settle(order).await?;
        for rotation in &rotations {
            let (algorithm, signs_from) = (rotation.algorithm.name(), rotation.signs_from.0);
            tracing::warn!(algorithm, key = rotation.key_id, signs_from, withdrawn = ?rotation.withdrawn, "keys rotated");
        }
        Ok(rotations)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads, decides, commits, until nothing is left to do; then installs what the store holds.
    async fn settle(&self, mut order: Order) -> Result<Vec<Rotation>, KeyError> {
        let _turn = self.turn.lock().await;
        let mut done = Vec::new();
        for _ in 0..ATTEMPTS {
            let rings = self.load().await?;
            let (batch, rotations) = self.plan(&rings, order).await?;
            if order != Order::Nothing {
                done = rotations;
            }
            if batch.changes.is_empty() {
                self.install(&rings)?;
                return Ok(done);
            }
            match self.store.commit(batch).await {
                Ok(_) => order = Order::Nothing,
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(KeyError::Contended)
    }

    async fn load(&self) -> Result<Rings, KeyError> {
        let mut rings = Rings::new();
        for algorithm in [Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Es256] {
            let Some(found) = self.store.get(&ring_key(algorithm)).await? else {
                rings.insert(algorithm, (Ring::default(), None));
                continue;
            };
            let ring = record::decode(&found.value).map_err(|error| KeyError::Damaged {
                what: format!("the record of the {} keys ({})", algorithm.name(), error.0),
            })?;
            rings.insert(algorithm, (ring, Some(found.version)));
        }
        Ok(rings)
    }

    /// What to write so that `rings` become what they should be now.
    async fn plan(&self, rings: &Rings, order: Order) -> Result<(Batch, Vec<Rotation>), KeyError> {
        let mut batch = Batch::new();
        let mut rotations = Vec::new();
        for (&algorithm, (before, version)) in rings {
            let mut ring = before.clone();
            rotations.extend(self.change(algorithm, &mut ring, order).await?);
            if ring == *before {
                continue;
            }
            let key = ring_key(algorithm);
            batch = batch.expect_as_loaded(key.clone(), *version);
            batch = if ring.keys.is_empty() { batch.delete(key) } else { batch.put_record(key, &ring, None)? };
        }
        Ok((batch, rotations))
    }

    async fn change(&self, algorithm: Algorithm, ring: &mut Ring, order: Order) -> Result<Option<Rotation>, KeyError> {
        let now = self.clock.now();
        if !self.options.algorithms.contains(&algorithm) {
            ring.wind_down(now, &self.options);
            self.shed(algorithm, ring, now)?;
            return Ok(None);
        }
        let mut withdrawn = Vec::new();
        let concerned = order.concerns(algorithm);
        if concerned && matches!(order, Order::Withdraw(_)) {
            withdrawn = ring.withdraw();
        }
        self.complete(algorithm, ring, now).await?;
        let mut successor = ring.find(KeyState::Current).map(|key| (key.id.clone(), key.signs_from));
        if concerned && matches!(order, Order::Rotate(_)) {
            if let Some(wanted) = ring.rotate(now, &self.options) {
                self.add(algorithm, ring, wanted, now).await?;
            }
            successor = ring.find(KeyState::Next).map(|key| (key.id.clone(), key.signs_from));
            self.complete(algorithm, ring, now).await?;
        }
        self.shed(algorithm, ring, now)?;
        let rotation = successor.map(|(key_id, signs_from)| Rotation { algorithm, key_id, signs_from, withdrawn });
        Ok(rotation.filter(|_| concerned))
    }

    /// Takes the steps that are due. There are at most two keys to add: a current one and the next.
    async fn complete(&self, algorithm: Algorithm, ring: &mut Ring, now: UnixTime) -> Result<(), KeyError> {
        while let Some(wanted) = ring.advance(now, &self.options) {
            self.add(algorithm, ring, wanted, now).await?;
            if wanted.state == KeyState::Next {
                break;
            }
        }
        Ok(())
    }

    async fn add(&self, algorithm: Algorithm, ring: &mut Ring, wanted: Wanted, now: UnixTime) -> Result<(), KeyError> {
        let entropy = self.entropy.clone();
        let make = tokio::task::spawn_blocking(move || PrivateKey::generate(algorithm, &*entropy));
        let private = make.await.map_err(|_| KeyError::Crypto("make a signing key"))??;
        ring.keys.push(held::seal_new(algorithm, &private, wanted, now, &self.sealer, &*self.entropy)?);
        Ok(())
    }

    fn shed(&self, algorithm: Algorithm, ring: &mut Ring, now: UnixTime) -> Result<(), KeyError> {
        ring.spent(now).try_for_each(|key| held::shed_private(algorithm, key, &self.sealer, &*self.entropy))
    }

    fn install(&self, rings: &Rings) -> Result<(), KeyError> {
        let before = self.snapshot();
        if !before.is_of(rings) {
            let snapshot = Snapshot::of(rings, &before, &self.sealer, &self.options)?;
            *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        }
        Ok(())
    }
}

fn ring_key(algorithm: Algorithm) -> crate::store::Key {
    Ring::key(&[algorithm.name().as_bytes()])
}
