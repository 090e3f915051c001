//! Which version of a bundled plugin ran last, so that an older one with a known hole does not come back unnoticed.

use super::registry::Registry;
use crate::store::{Batch, CommitError, Store, StoreError, record, record::Record};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Versions in one step of a scan.
const STEP: usize = 64;

/// Key: the entry's name, the plugin's own.
#[derive(Serialize, Deserialize)]
struct PluginVersion {
    version: String,
}

impl Record for PluginVersion {
    const TABLE: &'static str = "plugin-version";
    const VERSION: u8 = 1;
}

/// The versions last run, by the entry's name and the plugin's own.
#[derive(Clone, Debug, Default)]
pub struct LastRun(BTreeMap<(String, String), Version>);

impl LastRun {
    /// Reads them from the store.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let (prefix, mut after, mut versions) = (PluginVersion::key(&[]), None, BTreeMap::new());
        loop {
            let found = store.scan(&prefix, after.as_ref(), STEP).await?;
            for (key, value) in &found {
                let mut names = record::parts(key).unwrap_or_default().into_iter().skip(1).map(String::from_utf8);
                let (Some(Ok(entry)), Some(Ok(plugin))) = (names.next(), names.next()) else { continue };
                let stored: PluginVersion = record::decode(&value.value)?;
                versions.insert((entry, plugin), Version::parse(&stored.version).map_err(StoreError::new)?);
            }
            match found.into_iter().nth(STEP - 1) {
                Some((last, _)) => after = Some(last),
                None => return Ok(Self(versions)),
            }
        }
    }

    /// Whether `version` may run.
    ///
    /// # Errors
    /// Where it is lower (semver §11) than the one last run.
    pub(super) fn admit(&self, entry: &str, plugin: &str, version: &Version) -> Result<(), String> {
        match self.0.get(&(entry.to_owned(), plugin.to_owned())) {
            Some(last) if version.cmp_precedence(last).is_lt() => Err(format!(
                "version {version} is lower than {last}, which ran last; where that is meant, say allow_downgrade = true"
            )),
            _ => Ok(()),
        }
    }
}

/// Notes what runs now.
///
/// # Errors
/// When the store cannot answer.
pub async fn remember(store: &dyn Store, registry: &Registry) -> Result<(), StoreError> {
    for plugin in registry.plugins() {
        let Some(release) = &plugin.release else { continue };
        let key = PluginVersion::key(&[plugin.name.as_bytes(), release.plugin.as_bytes()]);
        let version = release.version.to_string();
        let known = record::load::<PluginVersion>(store, &key).await?;
        if known.is_some_and(|known| known.value.version == version) {
            continue;
        }
        match store.commit(Batch::new().put_record(key, &PluginVersion { version }, None)?).await {
            Ok(_) | Err(CommitError::Conflict) => {}
            Err(CommitError::Unavailable(error)) => return Err(error),
            Err(error @ CommitError::TooLarge(_)) => return Err(StoreError::new(error)),
        }
    }
    Ok(())
}
