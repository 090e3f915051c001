//! What a token is to the core: a few bytes that name a token family, authenticated by a MAC.
//!
//! An access token's handle is 48 bytes, 64 characters in base64url: kind (1), family (14), generation (4), expiry (5),
//! scope mask (8), MAC (16). A refresh token is 35 bytes, 47 characters: kind (1), family (14), generation (4), MAC (16).
//! The MAC is the caller's to make and check, over the bytes before it.

use crate::clock::UnixTime;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of the truncated HMAC-SHA256 at the end of every handle: 128 bits.
pub const MAC_BYTES: usize = 16;
const ID_BYTES: usize = 14;
const ACCESS_BYTES: usize = 1 + ID_BYTES + 4 + 5 + 8 + MAC_BYTES;
const REFRESH_BYTES: usize = 1 + ID_BYTES + 4 + MAC_BYTES;

/// Names a token family: 6 bytes of milliseconds, so that new families sort last, and 8 random ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilyId(pub [u8; ID_BYTES]);

impl FamilyId {
    /// The id of a family that begins at `now_ms`.
    #[must_use]
    pub fn new(now_ms: u64, random: [u8; 8]) -> Self {
        let mut id = [0; ID_BYTES];
        id[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
        id[6..].copy_from_slice(&random);
        Self(id)
    }
}

impl std::fmt::Display for FamilyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl Serialize for FamilyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FamilyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes.try_into().map_err(|_| serde::de::Error::custom("a family id has 14 bytes"))?))
    }
}

/// What an access token's handle stands for. A handle taken out of a token of one sort is worth nothing as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// The token is looked up: it says nothing itself.
    Opaque = 1,
    /// The token carries its claims and belongs to a family.
    SelfContained = 2,
    /// The token carries its claims and belongs to none; `generation` is the client's epoch.
    Stateless = 3,
}

/// The handle of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessHandle {
    /// What it stands for.
    pub kind: AccessKind,
    /// The family; for a stateless token a unique id.
    pub family: FamilyId,
    /// The family's generation at issue.
    pub generation: u32,
    /// Exclusive end of life.
    pub expires_at: UnixTime,
    /// Which of the family's scopes it has.
    pub scope_mask: u64,
}

impl AccessHandle {
    /// The bytes that the MAC is over.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(ACCESS_BYTES);
        body.push(self.kind as u8);
        body.extend(self.family.0);
        body.extend(self.generation.to_be_bytes());
        body.extend(&self.expires_at.0.to_be_bytes()[3..]);
        body.extend(self.scope_mask.to_be_bytes());
        body
    }

    /// Reads a handle, and the MAC that is still to be checked over [`Self::body`].
    #[must_use]
    pub fn parse(text: &str) -> Option<(Self, [u8; MAC_BYTES])> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        if bytes.len() != ACCESS_BYTES {
            return None;
        }
        let mut rest = bytes.as_slice();
        let kind = match take::<1>(&mut rest)? {
            [1] => AccessKind::Opaque,
            [2] => AccessKind::SelfContained,
            [3] => AccessKind::Stateless,
            _ => return None,
        };
        let family = FamilyId(take(&mut rest)?);
        let generation = u32::from_be_bytes(take(&mut rest)?);
        let [a, b, c, d, e] = take::<5>(&mut rest)?;
        let expires_at = UnixTime(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]));
        let scope_mask = u64::from_be_bytes(take(&mut rest)?);
        Some((Self { kind, family, generation, expires_at, scope_mask }, take(&mut rest)?))
    }
}

/// The handle that a refresh token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshHandle {
    /// The family.
    pub family: FamilyId,
    /// The generation that it may end.
    pub generation: u32,
}

impl RefreshHandle {
    const KIND: u8 = 16;

    /// The bytes that the MAC is over.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(REFRESH_BYTES);
        body.push(Self::KIND);
        body.extend(self.family.0);
        body.extend(self.generation.to_be_bytes());
        body
    }

    /// Reads a handle, and the MAC that is still to be checked over [`Self::body`].
    #[must_use]
    pub fn parse(text: &str) -> Option<(Self, [u8; MAC_BYTES])> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        if bytes.len() != REFRESH_BYTES || bytes[0] != Self::KIND {
            return None;
        }
        let mut rest = &bytes[1..];
        let family = FamilyId(take(&mut rest)?);
        let generation = u32::from_be_bytes(take(&mut rest)?);
        Some((Self { family, generation }, take(&mut rest)?))
    }
}

/// `body` with its MAC behind, in base64url.
#[must_use]
pub fn seal(mut body: Vec<u8>, mac: &[u8; 32]) -> String {
    body.extend(&mac[..MAC_BYTES]);
    URL_SAFE_NO_PAD.encode(body)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_handle_comes_back_and_has_64_characters() {
        let handle = AccessHandle {
            kind: AccessKind::Opaque,
            family: FamilyId::new(1_700_000_000_000, [7; 8]),
            generation: 3,
            expires_at: UnixTime(1_800_000_000),
            scope_mask: u64::MAX,
        };
        let text = seal(handle.body(), &[9; 32]);
        assert_eq!(text.len(), 64);
        assert_eq!(AccessHandle::parse(&text), Some((handle, [9; 16])));
        assert_eq!(AccessHandle::parse(&text[..63]), None);
        assert_eq!(RefreshHandle::parse(&text), None);
    }

    #[test]
    fn a_refresh_handle_comes_back() {
        let handle = RefreshHandle { family: FamilyId::new(5, [1; 8]), generation: 70_000 };
        let text = seal(handle.body(), &[2; 32]);
        assert_eq!(RefreshHandle::parse(&text), Some((handle, [2; 16])));
        assert_eq!(AccessHandle::parse(&text), None);
    }
}
