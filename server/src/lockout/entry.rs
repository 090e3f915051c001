//! What is stored of failures, and under which key.

use super::policy::{self, Failures};
use crate::accounts::username::fold_typed;
use crate::clock::{UnixTime, millis};
use crate::config::model::Lockout as Options;
use crate::store::Key;
use crate::store::record::{self, Record};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// A hash with a secret key: (domain, parts) to 32 bytes, different for different parts. `keys` has the real one.
pub type KeyedHash = Arc<dyn Fn(&str, &[&[u8]]) -> [u8; 32] + Send + Sync>;

/// The longest label, in characters.
const MAX_LABEL: usize = 64;

/// What failures are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A typed account name, whether or not there is such an account.
    Account,
    /// An IPv4 address or an IPv6 /64, of users.
    Address,
    /// A `client_id` at one address, whether or not there is such a client: so that somebody who guesses elsewhere locks
    /// no client out.
    Client,
    /// An IPv4 address or an IPv6 /64, of clients: how many different ones have failed there, and not succeeded since.
    /// One client's stale secret does not hold back its neighbours.
    ClientAddress,
}

impl Kind {
    /// Whether the label may be shown in any case: it is nothing that somebody typed.
    pub(super) const fn is_address(self) -> bool {
        matches!(self, Self::Address | Self::ClientAddress)
    }

    const fn letter(self) -> u8 {
        match self {
            Self::Account => b'a',
            Self::Address => b'i',
            Self::Client => b'c',
            Self::ClientAddress => b'o',
        }
    }

    fn from_letter(letter: u8) -> Option<Self> {
        [Self::Account, Self::Address, Self::Client, Self::ClientAddress]
            .into_iter()
            .find(|kind| kind.letter() == letter)
    }
}

/// The row of a name or address: its kind and half of its keyed hash; of a client at an address, a quarter of each's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Row {
    pub kind: Kind,
    pub hash: [u8; 16],
}

impl Row {
    fn new(kind: Kind, hash: [u8; 32]) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&hash[..16]);
        Self { kind, hash: half }
    }

    /// Of the clients at an address.
    pub fn client_address(hash: &KeyedHash, ip: IpAddr) -> Self {
        Self::new(Kind::ClientAddress, hash("lockout client address", &[network(ip).as_bytes()]))
    }

    /// `address`: of [`Row::client_address`]; none on a unix socket.
    pub fn client(hash: &KeyedHash, id: &str, address: Option<&Self>) -> Self {
        let mut row = Self::new(Kind::Client, hash("lockout client", &[id.as_bytes()]));
        row.hash[8..].copy_from_slice(&address.map_or([0; 16], |address| address.hash)[..8]);
        row
    }

    /// Whether it is that of the same client at another address.
    pub fn is_of_client(&self, other: &Self) -> bool {
        (self.kind, other.kind) == (Kind::Client, Kind::Client) && self.hash[..8] == other.hash[..8]
    }

    /// Whether it is that of a client at this address.
    pub fn is_at_client_address(&self, address: &Self) -> bool {
        (self.kind, address.kind) == (Kind::Client, Kind::ClientAddress) && self.hash[8..] == address.hash[..8]
    }

    pub fn key(&self) -> Key {
        LockoutEntry::key(&[&[self.kind.letter()], &self.hash])
    }

    /// Of all rows of a kind.
    pub fn prefix(kind: Kind) -> Key {
        LockoutEntry::key(&[&[kind.letter()]])
    }

    pub fn from_key(key: &Key) -> Option<Self> {
        let parts = record::parts(key)?;
        let [_, kind, hash] = parts.as_slice() else { return None };
        Some(Self { kind: Kind::from_letter(*kind.first()?)?, hash: hash.as_slice().try_into().ok()? })
    }

    /// As `lockout list` shows it: a letter for the kind, `-`, and 32 hexadecimal digits.
    pub fn id(&self) -> String {
        format!("{}-{:032x}", char::from(self.kind.letter()), u128::from_be_bytes(self.hash))
    }

    pub fn from_id(id: &str) -> Option<Self> {
        let (kind, hash) = id.split_once('-')?;
        let kind = Kind::from_letter(*kind.as_bytes().first().filter(|_| kind.len() == 1)?)?;
        let hash = u128::from_str_radix(hash, 16).ok().filter(|_| hash.len() == 32)?;
        Some(Self { kind, hash: hash.to_be_bytes() })
    }
}

/// A name or address that tries are counted by.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub row: Row,
    /// The folded name, the address, or the client's id and its address.
    pub label: String,
}

impl Subject {
    pub fn account(hash: &KeyedHash, typed: &str) -> Self {
        let name = fold_typed(typed);
        let row = Row::new(Kind::Account, hash("lockout account", &[name.as_bytes()]));
        Self { row, label: name.chars().take(MAX_LABEL).collect() }
    }

    pub fn address(hash: &KeyedHash, ip: IpAddr) -> Self {
        let label = network(ip);
        Self { row: Row::new(Kind::Address, hash("lockout address", &[label.as_bytes()])), label }
    }
}

/// How a client at an address is shown.
pub(super) fn client_label(id: &str, ip: Option<IpAddr>) -> String {
    let id = id.chars().take(MAX_LABEL).collect::<String>();
    ip.map_or_else(|| id.clone(), |ip| format!("{id} from {}", network(ip)))
}

/// One customer of a provider has a whole /64, so it counts as one address.
pub(super) fn network(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("{}/64", Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}

/// The failures under one name or address, in table `lockout` under its row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LockoutEntry {
    /// The address, or the name of an account or client that exists. Any other typed name stays unreadable: people type
    /// passwords into the wrong field.
    pub label: Option<String>,
    pub failures: u32,
    /// Milliseconds since the Unix epoch.
    pub last_ms: u64,
}

impl LockoutEntry {
    pub const fn failures(&self) -> Failures {
        Failures { count: self.failures, last_ms: self.last_ms }
    }

    /// The entry after one more failure at `now_ms`.
    pub fn after_failure(before: Option<&Self>, label: Option<String>, now_ms: u64) -> Self {
        let failures = before.map_or(0, |entry| entry.failures).saturating_add(1);
        Self { label: label.or_else(|| before.and_then(|entry| entry.label.clone())), failures, last_ms: now_ms }
    }

    /// The entry without one of its failures; `None` where that was the only one.
    pub fn with_one_less(self) -> Option<Self> {
        let failures = self.failures.saturating_sub(1);
        (failures > 0).then_some(Self { failures, ..self })
    }

    /// Rounded up to a whole second, so that no delay ends early.
    pub fn expires_at(&self, options: &Options) -> UnixTime {
        let end_ms = self.last_ms.saturating_add(millis(policy::memory(options, self.failures)));
        UnixTime(end_ms.div_ceil(1000))
    }

    /// When the next try may be made, in milliseconds since the Unix epoch.
    pub fn ready_ms(&self, options: &Options) -> u64 {
        self.last_ms.saturating_add(millis(policy::delay(options, self.failures)))
    }
}

impl Record for LockoutEntry {
    const TABLE: &'static str = "lockout";
    const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_address_and_a_mapped_ipv4_address_is_itself() {
        let hash: KeyedHash = Arc::new(|_, _| [0; 32]);
        let label = |ip: &str| Subject::address(&hash, ip.parse().unwrap()).label;
        assert_eq!(label("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(label("2001:db8:1:2:ffff::"), "2001:db8:1:2::/64");
        assert_eq!(label("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(label("192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn a_row_comes_back_from_its_key_and_its_id() {
        let row = Row { kind: Kind::Address, hash: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xFF] };
        assert_eq!(Row::from_key(&row.key()), Some(row));
        assert_eq!(row.id(), "i-000102030405060708090a0b0c0d0eff");
        for kind in [Kind::Account, Kind::Address, Kind::Client, Kind::ClientAddress] {
            let row = Row { kind, ..row };
            assert_eq!((Row::from_id(&row.id()), Row::from_key(&row.key())), (Some(row), Some(row)));
        }
        for bad in ["", "a", "a-", "x-000102030405060708090a0b0c0d0eff", "a-00", "ai-000102030405060708090a0b0c0d0eff"]
        {
            assert_eq!(Row::from_id(bad), None, "{bad}");
        }
    }
}
