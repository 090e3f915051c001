//! The life of signing keys, pure: next → current → retired → removed.
//!
//! All keys of an algorithm are one record, so that every step is one write at one version and two servers on one store
//! cannot take two different ones.

use super::seal::Sealed;
use super::{KeyOptions, KeyState};
use crate::clock::UnixTime;
use crate::config::model::MAX_ACCESS_LIFETIME;
use crate::store::record::Record;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a retired key's private half is kept: a request that chose the key just before it retired may still sign,
/// and so may a server that has not seen the change yet. The key is published for as much longer.
pub(super) const SIGNING_OVERLAP: Duration = Duration::from_secs(5 * 60);

/// What is sealed of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Material {
    /// The private key.
    Private,
    /// Only the public one is left; sealed too, so that nobody who can write the store slips in another.
    Public,
}

/// A signing key in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredKey {
    pub(super) id: String,
    pub(super) state: KeyState,
    pub(super) created_at: UnixTime,
    /// When it became, or becomes at the earliest, the current key.
    pub(super) signs_from: UnixTime,
    pub(super) retired_at: Option<UnixTime>,
    pub(super) remove_at: Option<UnixTime>,
    /// The longest lifetime, in seconds, of a token that it may have signed: raised while it is current, never lowered, so
    /// that a configuration that has become shorter takes no key from tokens that are still alive.
    pub(super) retain_s: u64,
    pub(super) material: Material,
    pub(super) sealed: Sealed,
}

/// All keys of one algorithm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ring {
    pub(super) keys: Vec<StoredKey>,
}

impl Record for Ring {
    const TABLE: &'static str = "signing-keys";
    const VERSION: u8 = 2;

    /// Version 1 had no `retain_s`: what its current key signed may live as long as any configuration allows.
    fn upgrade(version: u8, json: &[u8]) -> Option<Self> {
        let mut ring: serde_json::Value = (version == 1).then(|| serde_json::from_slice(json).ok())??;
        for key in ring.get_mut("keys")?.as_array_mut()? {
            let retain = if key["state"] == "current" { MAX_ACCESS_LIFETIME } else { Duration::ZERO };
            key.as_object_mut()?.insert("retain_s".to_owned(), retain.as_secs().into());
        }
        serde_json::from_value(ring).ok()
    }
}

/// A key that has to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) state: KeyState,
    pub(super) signs_from: UnixTime,
}

impl Ring {
    /// The key in this state; there is at most one `Next` and one `Current`.
    pub(super) fn find(&self, state: KeyState) -> Option<&StoredKey> {
        self.keys.iter().find(|key| key.state == state)
    }

    /// Takes every step that is due, and says which key has to be added for the ring to be complete.
    ///
    /// `covered`: another algorithm's key signs until one of this ring does. The first key is then published before it
    /// signs; where nothing else can sign, it signs at once.
    pub(super) fn advance(&mut self, now: UnixTime, options: &KeyOptions, covered: bool) -> Option<Wanted> {
        self.remove_outlived(now);
        let is_due = self.find(KeyState::Next).is_some_and(|next| next.signs_from <= now);
        let is_missing = self.find(KeyState::Current).is_none() && !covered;
        if is_due || is_missing {
            self.retire_current(now);
            self.promote_next(now);
        }
        let Some(current) = self.find(KeyState::Current) else {
            return self.first(now, options, covered);
        };
        let due = current.signs_from.plus(options.rotate_every);
        let published = now.plus(options.publish_before);
        let wants_next = self.find(KeyState::Next).is_none() && due <= published;
        wants_next.then_some(Wanted { state: KeyState::Next, signs_from: due.max(published) })
    }

    fn first(&self, now: UnixTime, options: &KeyOptions, covered: bool) -> Option<Wanted> {
        if !covered {
            return Some(Wanted { state: KeyState::Current, signs_from: now });
        }
        let signs_from = now.plus(options.publish_before);
        self.find(KeyState::Next).is_none().then_some(Wanted { state: KeyState::Next, signs_from })
    }

    /// The steps for an algorithm that is no longer configured: it signs until it is `succeeded` by the configured ones,
    /// and is published while tokens live.
    pub(super) fn wind_down(&mut self, now: UnixTime, succeeded: bool) {
        self.remove_outlived(now);
        if succeeded {
            self.retire_current(now);
        }
        self.keys.retain(|key| key.state != KeyState::Next);
    }

    /// Notes that the current key signs tokens that live for as long as this, from now on.
    pub(super) fn sign_for(&mut self, lifetime: Duration) {
        let seconds = lifetime.as_secs().saturating_add(u64::from(lifetime.subsec_nanos() > 0));
        for key in self.keys.iter_mut().filter(|key| key.state == KeyState::Current) {
            key.retain_s = key.retain_s.max(seconds);
        }
    }

    /// Rotation by command: the next key signs as soon as it has been published for long enough.
    pub(super) fn rotate(&mut self, now: UnixTime, options: &KeyOptions) -> Option<Wanted> {
        let Some(next) = self.keys.iter_mut().find(|key| key.state == KeyState::Next) else {
            return Some(Wanted { state: KeyState::Next, signs_from: now.plus(options.publish_before) });
        };
        next.signs_from = next.signs_from.min(next.created_at.plus(options.publish_before).max(now));
        None
    }

    /// A compromised key: every key whose private half exists goes at once, and with it every token it signed. Returns
    /// their ids.
    pub(super) fn withdraw(&mut self) -> Vec<String> {
        let withdrawn = self.keys.extract_if(.., |key| key.material == Material::Private);
        withdrawn.map(|key| key.id).collect()
    }

    /// The retired keys whose private half nobody needs any more.
    pub(super) fn spent(&mut self, now: UnixTime) -> impl Iterator<Item = &mut StoredKey> {
        self.keys.iter_mut().filter(move |key| {
            key.material == Material::Private && key.retired_at.is_some_and(|at| at.plus(SIGNING_OVERLAP) <= now)
        })
    }

    fn remove_outlived(&mut self, now: UnixTime) {
        self.keys.retain(|key| key.remove_at.is_none_or(|at| now < at));
    }

    fn retire_current(&mut self, now: UnixTime) {
        for key in self.keys.iter_mut().filter(|key| key.state == KeyState::Current) {
            key.state = KeyState::Retired;
            key.retired_at = Some(now);
            key.remove_at = Some(now.plus(Duration::from_secs(key.retain_s)).plus(SIGNING_OVERLAP));
        }
    }

    fn promote_next(&mut self, now: UnixTime) {
        if let Some(next) = self.keys.iter_mut().find(|key| key.state == KeyState::Next) {
            next.state = KeyState::Current;
            next.signs_from = now;
        }
    }
}
