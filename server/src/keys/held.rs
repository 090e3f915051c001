//! Keys in memory, made from the records of the store.

use super::jwk::{self, Jwk, Parameters};
use super::lifecycle::{Material, Ring, StoredKey, Wanted};
use super::seal::Sealer;
use super::signing::{PrivateKey, PublicKey};
use super::{KeyError, KeyInfo, KeyOptions, KeyState};
use crate::clock::UnixTime;
use crate::config::model::Algorithm;
use crate::entropy::Entropy;
use crate::store::Version;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The rings of a store, each at the version it was read at.
pub(super) type Rings = BTreeMap<Algorithm, (Ring, Option<Version>)>;

/// One key, parsed and ready.
pub(super) struct HeldKey {
    pub(super) algorithm: Algorithm,
    pub(super) public: PublicKey,
    pub(super) private: Option<PrivateKey>,
    jwk: Jwk,
}

/// What AES-GCM binds the sealed bytes to.
fn seal_name(algorithm: Algorithm, id: &str, material: Material) -> String {
    format!("{}/{id}/{material:?}", algorithm.name())
}

/// A new key, sealed.
pub(super) fn seal_new(
    algorithm: Algorithm,
    private: &PrivateKey,
    wanted: Wanted,
    now: UnixTime,
    sealer: &Sealer,
    entropy: &dyn Entropy,
) -> Result<StoredKey, KeyError> {
    let parameters = Parameters::from_public(algorithm, &private.public_bytes());
    let id = parameters.ok_or(KeyError::Crypto("write out a public key"))?.thumbprint();
    let material = Material::Private;
    let sealed = sealer.seal(&seal_name(algorithm, &id, material), &private.to_bytes()?, entropy)?;
    let Wanted { state, signs_from } = wanted;
    let (retired_at, remove_at) = (None, None);
    Ok(StoredKey { id, state, created_at: now, signs_from, retired_at, remove_at, retain_s: 0, material, sealed })
}

/// Forgets the private half of `key`.
pub(super) fn shed_private(
    algorithm: Algorithm,
    key: &mut StoredKey,
    sealer: &Sealer,
    entropy: &dyn Entropy,
) -> Result<(), KeyError> {
    let (public, _) = open_bytes(algorithm, key, sealer)?;
    key.material = Material::Public;
    key.sealed = sealer.seal(&seal_name(algorithm, &key.id, Material::Public), &public, entropy)?;
    Ok(())
}

fn open_bytes(
    algorithm: Algorithm,
    key: &StoredKey,
    sealer: &Sealer,
) -> Result<(Vec<u8>, Option<PrivateKey>), KeyError> {
    let what = format!("the {} key `{}`", algorithm.name(), key.id);
    let bytes = sealer.open(&seal_name(algorithm, &key.id, key.material), &key.sealed, &what)?;
    match key.material {
        Material::Public => Ok((bytes.to_vec(), None)),
        Material::Private => {
            let private = PrivateKey::from_bytes(algorithm, &bytes).ok_or(KeyError::Damaged { what })?;
            Ok((private.public_bytes(), Some(private)))
        }
    }
}

impl HeldKey {
    fn open(algorithm: Algorithm, key: &StoredKey, sealer: &Sealer) -> Result<Self, KeyError> {
        let damaged = || KeyError::Damaged { what: format!("the {} key `{}`", algorithm.name(), key.id) };
        let (bytes, private) = open_bytes(algorithm, key, sealer)?;
        let parameters = Parameters::from_public(algorithm, &bytes).ok_or_else(damaged)?;
        let public = PublicKey::new(algorithm, &bytes).ok_or_else(damaged)?;
        Ok(Self { algorithm, public, private, jwk: Jwk::signing(algorithm, parameters) })
    }
}

/// All keys at one moment; replaced as a whole.
#[derive(Default)]
pub(super) struct Snapshot {
    keys: HashMap<String, (Arc<HeldKey>, KeyState)>,
    current: HashMap<Algorithm, String>,
    versions: Vec<Option<Version>>,
    pub(super) jwks: Arc<str>,
    pub(super) infos: Vec<KeyInfo>,
}

impl Snapshot {
    /// Whether this was made of the same versions.
    pub(super) fn is_of(&self, rings: &Rings) -> bool {
        self.versions == versions(rings)
    }

    /// Opens what `before` does not hold open already.
    pub(super) fn of(rings: &Rings, before: &Self, sealer: &Sealer, options: &KeyOptions) -> Result<Self, KeyError> {
        let mut snapshot = Self { versions: versions(rings), ..Self::default() };
        let mut jwks = Vec::new();
        let handover = handover(rings, options);
        for (&algorithm, (ring, _)) in rings {
            for key in &ring.keys {
                let held =
                    before.reusable(key).map_or_else(|| HeldKey::open(algorithm, key, sealer).map(Arc::new), Ok)?;
                jwks.push((key.state, held.clone()));
                snapshot.infos.push(info(algorithm, ring, key, options, handover));
                snapshot.keys.insert(key.id.clone(), (held, key.state));
                if key.state == KeyState::Current {
                    snapshot.current.insert(algorithm, key.id.clone());
                }
            }
        }
        // The current keys first: some consumers try them in order.
        jwks.sort_by_key(|(state, _)| *state != KeyState::Current);
        snapshot.jwks = jwk::set_json(jwks.iter().map(|(_, held)| &held.jwk)).into();
        Ok(snapshot)
    }

    fn reusable(&self, key: &StoredKey) -> Option<Arc<HeldKey>> {
        let (held, _) = self.keys.get(&key.id)?;
        (held.private.is_some() == (key.material == Material::Private)).then(|| held.clone())
    }

    pub(super) fn current(&self, algorithm: Algorithm) -> Option<&str> {
        self.current.get(&algorithm).map(String::as_str)
    }

    pub(super) fn find(&self, id: &str, algorithm: Algorithm) -> Result<(&Arc<HeldKey>, KeyState), KeyError> {
        let (held, state) = self.keys.get(id).ok_or_else(|| KeyError::UnknownKey(id.to_owned()))?;
        if held.algorithm != algorithm {
            return Err(KeyError::WrongAlgorithm { id: id.to_owned(), algorithm: algorithm.name() });
        }
        Ok((held, *state))
    }
}

fn versions(rings: &Rings) -> Vec<Option<Version>> {
    rings.values().map(|(_, version)| *version).collect()
}

/// When the configured algorithms take over from one that is not configured any more, if that is to come.
fn handover(rings: &Rings, options: &KeyOptions) -> Option<UnixTime> {
    let configured = rings.iter().filter(|(algorithm, _)| options.algorithms.contains(algorithm));
    let waiting = configured.filter(|(_, (ring, _))| ring.find(KeyState::Current).is_none());
    waiting.filter_map(|(_, (ring, _))| Some(ring.find(KeyState::Next)?.signs_from)).max()
}

fn info(
    algorithm: Algorithm,
    ring: &Ring,
    key: &StoredKey,
    options: &KeyOptions,
    handover: Option<UnixTime>,
) -> KeyInfo {
    let successor = match options.algorithms.contains(&algorithm) {
        true => ring.find(KeyState::Next).map(|next| next.signs_from),
        false => handover,
    };
    let planned = || successor.unwrap_or_else(|| key.signs_from.plus(options.rotate_every));
    KeyInfo {
        id: key.id.clone(),
        algorithm,
        state: key.state,
        created_at: key.created_at,
        signs_from: key.signs_from,
        retire_at: if key.state == KeyState::Current { Some(planned()) } else { key.retired_at },
        remove_at: key.remove_at,
    }
}
