//! `kv`: a plugin's own table, with a bound on its keys.
//!
//! A record counts each table's keys; what adds or removes a key changes it in the same commit. A key that expires leaves
//! the count too high, so that a full table is counted anew before a key is refused.

use super::unavailable;
use crate::clock::{Clock, UnixTime};
use crate::store::{Batch, CommitError, Key, MAX_KEY_BYTES, Store, StoreError, Version, Versioned};
use crate::store::{record, record::Loaded, record::Record};
use pintle_plugin_api::PluginError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[cfg(test)]
mod tests;

/// A full table is counted anew once in so many seconds.
const RECOUNT_S: u64 = 60;
/// Or once it got so many keys, as a share of the most: then counting costs each of them little.
const RECOUNT_SHARE: u64 = 4;
/// Records that are read at once while counting: their values are read too, and may have 43 KiB each.
const PAGE: usize = 64;

/// A value of a plugin's own table.
#[derive(Serialize, Deserialize)]
struct PluginValue(#[serde(with = "pintle_plugin_api::base64url")] Vec<u8>);

impl Record for PluginValue {
    const TABLE: &'static str = "plugin-kv";
    const VERSION: u8 = 1;
}

/// How many keys a plugin's table has.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct KeyCount {
    /// At least the keys that live: some may have expired.
    keys: u64,
    /// What the last count found, when, and under which limit: it looks no further than that.
    counted: u64,
    counted_at: UnixTime,
    most: u64,
}

impl Record for KeyCount {
    const TABLE: &'static str = "plugin-kv-keys";
    const VERSION: u8 = 1;
}

impl KeyCount {
    /// Whether counting may find another number, and was not done a moment ago. A plugin that is refused can ask again at
    /// once, which must be cheap.
    fn is_to_be_renewed(&self, most: u64, now: UnixTime) -> bool {
        let added = self.keys.saturating_sub(self.counted);
        let age = now.0.checked_sub(self.counted_at.0);
        let is_due = added >= (most / RECOUNT_SHARE).max(1) || age.is_none_or(|age| age >= RECOUNT_S);
        self.most != most || (self.keys >= most && is_due)
    }
}

/// Where a plugin's keys are.
struct Places {
    /// Of keys that the store takes as they are, readable.
    readable: Key,
    /// Of longer ones, by their hashes. No plugin's name is empty, so the two do not meet.
    hashed: Key,
    /// Of the [`KeyCount`].
    count: Key,
}

/// One plugin's table.
pub(super) struct PluginTable<'a> {
    store: &'a dyn Store,
    clock: &'a dyn Clock,
    plugin: &'a str,
    places: Places,
}

impl<'a> PluginTable<'a> {
    pub(super) fn new(store: &'a dyn Store, clock: &'a dyn Clock, plugin: &'a str) -> Self {
        let owner = Sha256::digest(plugin);
        let places = Places {
            readable: PluginValue::key(&[plugin.as_bytes()]),
            hashed: PluginValue::key(&[b"", &owner]),
            count: KeyCount::key(&[&owner]),
        };
        Self { store, clock, plugin, places }
    }

    /// See `kv.get`.
    pub(super) async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, PluginError> {
        let (_, Some(found)) = self.find(key).await? else { return Ok(None) };
        let value: PluginValue = record::decode(&found.value).map_err(unavailable)?;
        Ok(Some((value.0, found.version.0)))
    }

    /// See `kv.put`. `Denied` for a new key where there are `most`.
    pub(super) async fn put(
        &self,
        key: &str,
        value: Vec<u8>,
        expires_at: Option<UnixTime>,
        if_version: Option<u64>,
        most: u64,
    ) -> Result<u64, PluginError> {
        let value = record::encode(&PluginValue(value)).map_err(unavailable)?;
        loop {
            let (place, found) = self.find(key).await?;
            let version = found.map(|found| found.version);
            if if_version.is_some_and(|expected| expected != version.map_or(0, |version| version.0)) {
                return Err(PluginError::Invalid("conflict".to_owned()));
            }
            let batch = match (version, if_version) {
                (Some(version), Some(_)) => Batch::new().expect_at(place.clone(), version),
                (Some(_), None) => Batch::new().expect_present(place.clone()),
                (None, _) => self.one_more(most).await?.expect_absent(place.clone()),
            };
            if let Some(version) = self.commit(batch.put(place, value.clone(), expires_at)).await? {
                return Ok(version.0);
            }
        }
    }

    /// See `kv.delete`.
    pub(super) async fn delete(&self, key: &str) -> Result<(), PluginError> {
        loop {
            let (place, Some(_)) = self.find(key).await? else { return Ok(()) };
            let batch = if self.counts(&place) { self.one_less().await? } else { Batch::new() };
            let batch = batch.expect_present(place.clone()).delete(place);
            if self.commit(batch).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Where a key is kept, and what is there.
    async fn find(&self, key: &str) -> Result<(Key, Option<Versioned>), PluginError> {
        let readable = PluginValue::key(&[self.plugin.as_bytes(), key.as_bytes()]);
        if readable.as_bytes().len() <= MAX_KEY_BYTES {
            let found = self.store.get(&readable).await.map_err(unavailable)?;
            return Ok((readable, found));
        }
        // Where long keys were before they were counted: no scan finds whose they are, so they are not counted now.
        let former = PluginValue::key(&[b"", &Sha256::digest(readable.as_bytes())]);
        if let Some(found) = self.store.get(&former).await.map_err(unavailable)? {
            return Ok((former, Some(found)));
        }
        let place = PluginValue::key(&[b"", &Sha256::digest(self.plugin), &Sha256::digest(key)]);
        let found = self.store.get(&place).await.map_err(unavailable)?;
        Ok((place, found))
    }

    /// Whether a key that is kept here is one of those that are counted.
    fn counts(&self, place: &Key) -> bool {
        let Places { readable, hashed, .. } = &self.places;
        [readable, hashed].iter().any(|prefix| place.as_bytes().starts_with(prefix.as_bytes()))
    }

    /// A batch that counts another key, if there may be one.
    async fn one_more(&self, most: u64) -> Result<Batch, PluginError> {
        let now = self.clock.now();
        let loaded = self.load_count().await?;
        let (count, renewed) = match &loaded {
            Some(loaded) if !loaded.value.is_to_be_renewed(most, now) => (loaded.value, false),
            _ => (self.recount(most, now).await?, true),
        };
        let version = loaded.map(|loaded| loaded.version);
        if count.keys < most {
            return self.counted(version, KeyCount { keys: count.keys + 1, ..count });
        }
        if renewed {
            // Where another commit is first, the count is that one's.
            self.commit(self.counted(version, count)?).await?;
        }
        Err(PluginError::Denied(format!(
            "the plugin's table has {most} keys, the most that `limits.kv_keys` allows: delete some, let some expire, or \
             have the operator allow more"
        )))
    }

    /// A batch that counts a key less. A table that was never counted is counted when it gets its next key.
    async fn one_less(&self) -> Result<Batch, PluginError> {
        match self.load_count().await? {
            Some(Loaded { value, version }) => {
                self.counted(Some(version), KeyCount { keys: value.keys.saturating_sub(1), ..value })
            }
            None => Ok(Batch::new().expect_absent(self.places.count.clone())),
        }
    }

    async fn load_count(&self) -> Result<Option<Loaded<KeyCount>>, PluginError> {
        record::load(self.store, &self.places.count).await.map_err(unavailable)
    }

    fn counted(&self, loaded: Option<Version>, count: KeyCount) -> Result<Batch, PluginError> {
        let place = &self.places.count;
        let batch = Batch::new().expect_as_loaded(place.clone(), loaded);
        batch.put_record(place.clone(), &count, None).map_err(unavailable)
    }

    async fn recount(&self, most: u64, now: UnixTime) -> Result<KeyCount, PluginError> {
        let mut keys = 0;
        for prefix in [&self.places.readable, &self.places.hashed] {
            keys += self.living(prefix, most).await.map_err(unavailable)?;
        }
        Ok(KeyCount { keys, counted: keys, counted_at: now, most })
    }

    /// How many keys start with `prefix`; not many more than `most` are looked at.
    async fn living(&self, prefix: &Key, most: u64) -> Result<u64, StoreError> {
        let (mut keys, mut after) = (0, None);
        while keys < most {
            let page = self.store.scan(prefix, after.as_ref(), PAGE).await?;
            keys += page.len() as u64;
            let Some((last, _)) = page.into_iter().next_back() else { break };
            after = Some(last);
            tokio::task::yield_now().await;
        }
        Ok(keys)
    }

    /// The version of what is written now; none where another commit was first.
    async fn commit(&self, batch: Batch) -> Result<Option<Version>, PluginError> {
        match self.store.commit(batch).await {
            Ok(version) => Ok(Some(version)),
            Err(CommitError::Conflict) => Ok(None),
            Err(error) => Err(PluginError::Unavailable(error.to_string())),
        }
    }
}
