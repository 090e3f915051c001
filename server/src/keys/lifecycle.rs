//! The life of signing keys, pure: next → current → retired → removed.
//!
//! All keys of an algorithm are one record, so that every step is one write at one version and two servers on one store
//! cannot take two different ones.

use super::seal::Sealed;
use super::{KeyOptions, KeyState};
use crate::clock::UnixTime;
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
    const VERSION: u8 = 1;
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
    pub(super) fn advance(&mut self, now: UnixTime, options: &KeyOptions) -> Option<Wanted> {
        self.remove_outlived(now);
        let is_due = self.find(KeyState::Next).is_some_and(|next| next.signs_from <= now);
        if is_due || self.find(KeyState::Current).is_none() {
            self.retire_current(now, options);
            self.promote_next(now);
        }
        let Some(current) = self.find(KeyState::Current) else {
            return Some(Wanted { state: KeyState::Current, signs_from: now });
        };
        let due = current.signs_from.plus(options.rotate_every);
        let published = now.plus(options.publish_before);
        let wants_next = self.find(KeyState::Next).is_none() && due <= published;
        wants_next.then_some(Wanted { state: KeyState::Next, signs_from: due.max(published) })
    }

    /// The steps for an algorithm that is no longer configured: it signs no more, and is published while tokens live.
    pub(super) fn wind_down(&mut self, now: UnixTime, options: &KeyOptions) {
        self.remove_outlived(now);
        self.retire_current(now, options);
        self.keys.retain(|key| key.state == KeyState::Retired);
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

    fn retire_current(&mut self, now: UnixTime, options: &KeyOptions) {
        for key in self.keys.iter_mut().filter(|key| key.state == KeyState::Current) {
            key.state = KeyState::Retired;
            key.retired_at = Some(now);
            key.remove_at = Some(now.plus(options.retain).plus(SIGNING_OVERLAP));
        }
    }

    fn promote_next(&mut self, now: UnixTime) {
        if let Some(next) = self.keys.iter_mut().find(|key| key.state == KeyState::Next) {
            next.state = KeyState::Current;
            next.signs_from = now;
        }
    }
}
