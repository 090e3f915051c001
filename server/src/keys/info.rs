//! What operators set and see of the signing keys.

use crate::clock::UnixTime;
use crate::config::model::Algorithm;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which keys are kept, and how they rotate.
#[derive(Clone, Debug)]
pub struct KeyOptions {
    /// The algorithms that tokens are signed with; none where all tokens are opaque.
    pub algorithms: Vec<Algorithm>,
    /// How long a key signs; at least a minute.
    pub rotate_every: Duration,
    /// How long a key is published before it signs.
    pub publish_before: Duration,
    /// The longest lifetime of what is signed: how long a key stays published after it retires, or longer if it was
    /// current under a longer one.
    pub retain: Duration,
}

/// Where a key is in its life. A removed key is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Published, signs later.
    Next,
    /// Published, signs.
    Current,
    /// Published, signs no more.
    Retired,
}

/// What may be shown of a signing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// `kid`: the RFC 7638 thumbprint.
    pub id: String,
    /// `alg`.
    #[serde(serialize_with = "serialize_name")]
    pub algorithm: Algorithm,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made.
    pub created_at: UnixTime,
    /// When it became or will become the current key.
    pub signs_from: UnixTime,
    /// When it stopped or, as planned now, will stop signing; `None` for the next key.
    pub retire_at: Option<UnixTime>,
    /// When it will be removed, once it is retired.
    pub remove_at: Option<UnixTime>,
}

/// What a rotation by command did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// `alg`.
    #[serde(serialize_with = "serialize_name")]
    pub algorithm: Algorithm,
    /// The key that signs from then on.
    pub key_id: String,
    /// When it starts to sign.
    pub signs_from: UnixTime,
    /// Keys that were withdrawn at once: tokens signed with them are no longer valid anywhere that looks.
    pub withdrawn: Vec<String>,
}

fn serialize_name<S: serde::Serializer>(algorithm: &Algorithm, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(algorithm.name())
}
