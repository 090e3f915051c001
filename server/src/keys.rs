//! The keys of the server: signing keys with their rotation, their JWK set, and the MAC key.
//!
//! Private keys never leave this module, and rest in the store sealed under the [`MasterKey`]. Every algorithm that is
//! configured has a current key, which signs; the next one is published some time before it signs, so that whoever
//! caches the JWK set knows it; a retired one is published until the last token it signed has expired, whatever the
//! configuration says by then. When another algorithm is configured, the former one's key signs until the new one's has
//! been published for long enough.

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
mod token_box;
pub mod vendor;

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
use lifecycle::{Ring, StoredKey, Wanted};
use mac::MacKey;
use seal::Sealer;
use signing::PrivateKey;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use zeroize::Zeroizing;

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
    options: RwLock<Arc<KeyOptions>>,
    /// The snapshot is of former options.
    reconfigured: AtomicBool,
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
        options: KeyOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, KeyError> {
        let ring = Self::unread(store, master, options, clock, entropy).await?;
        ring.settle(Order::Nothing).await?;
        Ok(ring)
    }

    /// Opens the signing keys of `store` as they are: none is made, retired or removed before the next [`Self::tick`].
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_as_stored(
        store: Arc<dyn Store>,
        master: &MasterKey,
        options: KeyOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, KeyError> {
        let ring = Self::unread(store, master, options, clock, entropy).await?;
        ring.install(&ring.load().await?)?;
        Ok(ring)
    }

    /// The fingerprint of the master key that the keys of `store` are sealed under; `None` while it has no keys.
    ///
    /// # Errors
    /// `Damaged`, or what the store says.
    pub async fn sealed_under(store: &dyn Store) -> Result<Option<String>, KeyError> {
        MacKey::sealed_under(store).await
    }

    async fn unread(
        store: Arc<dyn Store>,
        master: &MasterKey,
        options: KeyOptions,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, KeyError> {
        let mac = MacKey::load_or_make(&*store, master, &*entropy).await?;
        let sealer = Sealer::new(master, "signing keys")?;
        let (snapshot, turn) = Default::default();
        let options = RwLock::new(Arc::new(bounded(options)));
        Ok(Self { store, clock, entropy, options, reconfigured: AtomicBool::new(false), sealer, mac, snapshot, turn })
    }

    /// The id of the key that signs with `algorithm` now; `None` where none does.
    #[must_use]
    pub fn current(&self, algorithm: Algorithm) -> Option<String> {
        self.snapshot().current(algorithm).map(str::to_owned)
    }

    /// What to sign with where `algorithm` is configured: its current key, or that of the algorithm it takes over from,
    /// until its own has been published for long enough. `None` where there are no keys.
    #[must_use]
    pub fn signing(&self, algorithm: Algorithm) -> Option<(Algorithm, String)> {
        let snapshot = self.snapshot();
        let own = snapshot.current(algorithm).map(|id| (algorithm, id.to_owned()));
        own.or_else(|| {
            let signs = snapshot.infos.iter().find(|key| key.state == KeyState::Current)?;
            Some((signs.algorithm, signs.id.clone()))
        })
    }

    /// When `algorithm` takes over from another one that signs till then; `None` where it need not wait.
    #[must_use]
    pub fn takes_over_at(&self, algorithm: Algorithm) -> Option<UnixTime> {
        let snapshot = self.snapshot();
        if snapshot.current(algorithm).is_some() {
            return None;
        }
        let mut own = snapshot.infos.iter().filter(|key| key.algorithm == algorithm);
        own.find(|key| key.state == KeyState::Next).map(|key| key.signs_from)
    }

    /// Whether the JWK set has any key.
    #[must_use]
    pub fn publishes_any(&self) -> bool {
        !self.snapshot().infos.is_empty()
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

    fn options(&self) -> Arc<KeyOptions> {
        self.options.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_options(&self, options: Arc<KeyOptions>) {
        *self.options.write().unwrap_or_else(PoisonError::into_inner) = options;
        self.reconfigured.store(true, Ordering::SeqCst);
    }

    /// Goes on with other options, and makes the keys that they need.
    ///
    /// # Errors
    /// As [`Self::open`]; the former options stay then.
    pub async fn reconfigure(&self, options: KeyOptions) -> Result<(), KeyError> {
        let before = self.options();
        self.set_options(Arc::new(bounded(options)));
        let settled = self.tick().await;
        if settled.is_err() {
            self.set_options(before);
        }
        settled
    }

    /// How long the JWK set may be cached: so that a key is known everywhere before it signs. Not at all while nothing
    /// signs, as the first key then signs at once.
    #[must_use]
    pub fn jwks_max_age(&self) -> Duration {
        let signs = self.snapshot().infos.iter().any(|key| key.state == KeyState::Current);
        if signs { (self.options().publish_before / 2).min(MAX_JWKS_AGE) } else { Duration::ZERO }
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

    /// Seals `text` so that it opens with `token` alone, which the caller keeps nowhere. One text for one token.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn seal_under(&self, token: &[u8], text: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.token_box(token)?.seal(text)
    }

    /// What was sealed under `token`; none where it was another one.
    pub fn open_under(&self, token: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.token_box(token).ok()?.open(sealed)
    }

    fn token_box(&self, token: &[u8]) -> Result<token_box::TokenBox, KeyError> {
        token_box::TokenBox::new(&Zeroizing::new(self.mac("token-box", &[token])))
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
    /// tokens it signed, and a new one signs at once, unless another algorithm's key still signs for it. An algorithm
    /// that is no longer configured and still signs can be withdrawn as well: the configured one then takes over.
    ///
    /// # Errors
    /// `NotConfigured`, or what the store says.
    pub async fn rotate(&self, algorithm: Option<Algorithm>, immediately: bool) -> Result<Vec<Rotation>, KeyError> {
        let known = |algorithm| self.keeps(algorithm) || immediately && self.current(algorithm).is_some();
        if let Some(algorithm) = algorithm.filter(|algorithm| !known(*algorithm)) {
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
        let mut changed = rings.iter().map(|(algorithm, (ring, _))| (*algorithm, ring.clone())).collect();
        let rotations = self.change(&mut changed, order).await?;
        let mut batch = Batch::new();
        for ((&algorithm, (before, version)), ring) in rings.iter().zip(changed.values()) {
            if ring == before {
                continue;
            }
            let key = ring_key(algorithm);
            batch = batch.expect_as_loaded(key.clone(), *version);
            batch = if ring.keys.is_empty() { batch.delete(key) } else { batch.put_record(key, ring, None)? };
        }
        Ok((batch, rotations))
    }

    async fn change(&self, rings: &mut BTreeMap<Algorithm, Ring>, order: Order) -> Result<Vec<Rotation>, KeyError> {
        let now = self.clock.now();
        let mut withdrawn_elsewhere = self.withdraw_former(rings, order);
        let signs = |ring: &Ring| ring.find(KeyState::Current).is_some();
        let covered = rings.iter().any(|(algorithm, ring)| !self.keeps(*algorithm) && signs(ring));
        let mut rotations = Vec::new();
        for (&algorithm, ring) in rings.iter_mut().filter(|(algorithm, _)| self.keeps(**algorithm)) {
            let Some(mut rotation) = self.further(algorithm, ring, order, covered).await? else { continue };
            rotation.withdrawn.append(&mut withdrawn_elsewhere);
            if order.concerns(algorithm) || !rotation.withdrawn.is_empty() {
                rotations.push(rotation);
            }
        }
        let succeeded = rings.iter().all(|(algorithm, ring)| !self.keeps(*algorithm) || signs(ring));
        for (&algorithm, ring) in rings {
            if !self.keeps(algorithm) {
                ring.wind_down(now, succeeded);
            }
            ring.sign_for(self.options().retain);
            ring.spent(now).try_for_each(|key| held::shed_private(algorithm, key, &self.sealer, &*self.entropy))?;
        }
        Ok(rotations)
    }

    fn keeps(&self, algorithm: Algorithm) -> bool {
        self.options().algorithms.contains(&algorithm)
    }

    /// Withdraws what an order says of algorithms that are no longer configured and still sign.
    fn withdraw_former(&self, rings: &mut BTreeMap<Algorithm, Ring>, order: Order) -> Vec<String> {
        let former = rings.iter_mut().filter(|(algorithm, ring)| {
            let ordered = matches!(order, Order::Withdraw(_)) && order.concerns(**algorithm);
            ordered && !self.keeps(**algorithm) && ring.find(KeyState::Current).is_some()
        });
        former.flat_map(|(_, ring)| ring.withdraw()).collect()
    }

    /// Takes the steps of a configured algorithm; says which key signs, or will, when the order has been followed.
    async fn further(
        &self,
        algorithm: Algorithm,
        ring: &mut Ring,
        order: Order,
        covered: bool,
    ) -> Result<Option<Rotation>, KeyError> {
        let now = self.clock.now();
        let concerned = order.concerns(algorithm);
        let withdrawn = match order {
            Order::Withdraw(_) if concerned => ring.withdraw(),
            _ => Vec::new(),
        };
        self.complete(algorithm, ring, covered).await?;
        let mut successor = ring.find(KeyState::Current).or_else(|| ring.find(KeyState::Next)).map(named);
        if concerned && matches!(order, Order::Rotate(_)) {
            if let Some(wanted) = ring.rotate(now, &self.options()) {
                self.add(algorithm, ring, wanted, now).await?;
            }
            successor = ring.find(KeyState::Next).map(named);
            self.complete(algorithm, ring, covered).await?;
        }
        Ok(successor.map(|(key_id, signs_from)| Rotation { algorithm, key_id, signs_from, withdrawn }))
    }

    /// Takes the steps that are due. There are at most two keys to add: a current one and the next.
    async fn complete(&self, algorithm: Algorithm, ring: &mut Ring, covered: bool) -> Result<(), KeyError> {
        let now = self.clock.now();
        while let Some(wanted) = ring.advance(now, &self.options(), covered) {
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

    fn install(&self, rings: &Rings) -> Result<(), KeyError> {
        let before = self.snapshot();
        if self.reconfigured.swap(false, Ordering::SeqCst) || !before.is_of(rings) {
            let snapshot = Snapshot::of(rings, &before, &self.sealer, &self.options())?;
            *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        }
        Ok(())
    }
}

fn bounded(options: KeyOptions) -> KeyOptions {
    KeyOptions { rotate_every: options.rotate_every.max(MIN_ROTATE_EVERY), ..options }
}

fn named(key: &StoredKey) -> (String, UnixTime) {
    (key.id.clone(), key.signs_from)
}

fn ring_key(algorithm: Algorithm) -> crate::store::Key {
    Ring::key(&[algorithm.name().as_bytes()])
}
