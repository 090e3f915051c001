//! `lockout list` and `lockout release`.

use super::capacity::Indexed;
use super::entry::{Kind, LockoutEntry, Row, Subject};
use super::live::Doubt;
use super::{Lockout, lock};
use crate::clock::UnixTime;
use crate::store::record::{self, Record};
use crate::store::{Batch, CommitError, Key, StoreError, Versioned};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One entry for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockoutListing {
    /// Names the entry, also where there is no label: `a-` (account), `i-` (address), `c-` (client at an address) or `o-`
    /// (address of clients) and 32 hexadecimal digits.
    pub id: String,
    /// What it counts by.
    pub kind: Kind,
    /// The address or network; the name of an account that exists, in lower case, at most 64 characters; the id of a
    /// client that exists, as long, and its address.
    pub label: Option<String>,
    /// Failed tries.
    pub failures: u32,
    /// When the last one was.
    pub last_failure: UnixTime,
    /// Until when no try is admitted, if that is to come.
    pub locked_until: Option<UnixTime>,
    /// When it is forgotten.
    pub expires_at: UnixTime,
}

/// What to release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// An account name, spelt in any way that counts as the same.
    Account(String),
    /// An address; for IPv6 its whole /64. Of users and of clients, and the clients' there.
    Address(IpAddr),
    /// A client's id, at every address.
    Client(String),
    /// An entry by the id that `list` shows.
    Entry(String),
    /// Everything.
    All,
}

const PAGE: usize = 256;

impl Lockout {
    /// At most `limit` entries, from after the id `after` on, by kind.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<LockoutListing>, StoreError> {
        let after = after.and_then(Row::from_id).map(|row| row.key());
        let found = self.store.scan(&LockoutEntry::key(&[]), after.as_ref(), limit).await?;
        let rows = found.iter().filter_map(|(key, found)| Some((Row::from_key(key)?, found)));
        rows.map(|(row, found)| Ok(self.listing(row, record::decode(&found.value)?))).collect()
    }

    fn listing(&self, row: Row, entry: LockoutEntry) -> LockoutListing {
        let ready_ms = entry.ready_ms(&self.options);
        LockoutListing {
            id: row.id(),
            kind: row.kind,
            failures: entry.failures,
            last_failure: UnixTime(entry.last_ms / 1000),
            locked_until: (ready_ms > self.clock.now_ms()).then(|| UnixTime(ready_ms.div_ceil(1000))),
            expires_at: entry.expires_at(&self.options),
            label: entry.label,
        }
    }

    /// Forgets failures; returns how many entries there were.
    ///
    /// # Errors
    /// When the store fails; some may be forgotten then.
    pub async fn release(&self, what: &Release) -> Result<usize, StoreError> {
        let rows = match what {
            Release::Account(name) => vec![Subject::account(&self.hash, name).row],
            Release::Address(ip) => {
                let address = Row::client_address(&self.hash, *ip);
                let clients = self.rows(Kind::Client, |row| row.is_at_client_address(&address)).await?;
                [vec![Subject::address(&self.hash, *ip).row, address], clients].concat()
            }
            Release::Client(id) => {
                let client = Row::client(&self.hash, id, None);
                self.rows(Kind::Client, |row| row.is_of_client(&client)).await?
            }
            Release::Entry(id) => Row::from_id(id).into_iter().collect(),
            Release::All => return self.release_all().await,
        };
        self.release_rows(&rows).await
    }

    /// Forgets what is under `rows`, and takes clients' failures back from their addresses.
    async fn release_rows(&self, rows: &[Row]) -> Result<usize, StoreError> {
        let is_theirs = |address: &Row| rows.iter().any(|row| row.is_at_client_address(address));
        let addresses = self.rows(Kind::ClientAddress, is_theirs).await?;
        let mut released = 0;
        for row in rows {
            let address = addresses.iter().find(|address| row.is_at_client_address(address));
            let enter = |row: &Row| self.live.enter(Subject { row: *row, label: String::new() }, Doubt::None);
            let places: Vec<_> = [row].into_iter().chain(address).map(enter).collect();
            released += usize::from(self.forget(&places).await?);
        }
        Ok(released)
    }

    /// The stored rows of a kind that are `wanted`.
    async fn rows(&self, kind: Kind, wanted: impl Fn(&Row) -> bool) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.scan(&Row::prefix(kind), after.as_ref(), PAGE).await?;
            rows.extend(page.iter().filter_map(|(key, _)| Row::from_key(key)).filter(&wanted));
            match page.into_iter().nth(PAGE - 1) {
                Some((last, _)) => after = Some(last),
                None => return Ok(rows),
            }
        }
    }

    async fn release_all(&self) -> Result<usize, StoreError> {
        let mut released = 0;
        loop {
            let page = self.store.scan(&LockoutEntry::key(&[]), None, PAGE).await?;
            if page.is_empty() {
                return Ok(released);
            }
            let batch = page.iter().fold(Batch::new(), |batch, (key, _)| batch.delete(key.clone()));
            match self.store.commit(batch).await {
                Ok(_) => {
                    released += page.len();
                    self.forget_indexed(&page)?;
                }
                Err(CommitError::Unavailable(error)) => return Err(error),
                Err(error) => return Err(StoreError::new(error)),
            }
        }
    }

    fn forget_indexed(&self, page: &[(Key, Versioned)]) -> Result<(), StoreError> {
        let Some(index) = self.index.get() else { return Ok(()) };
        for (key, found) in page {
            if let Some(row) = Row::from_key(key) {
                lock(index).remove_all(&[Indexed::new(row, &record::decode(&found.value)?, &self.options)]);
            }
        }
        Ok(())
    }
}
