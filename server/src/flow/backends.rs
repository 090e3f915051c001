//! Names of the backends whose accounts are the core's own, kept beyond the configuration.
//!
//! An identity hangs on its backend's name. When a plugin is renamed, what was given under the old name must still end
//! with the account: another rename could bring it back.

use super::records::OwnBackend;
use crate::store::{Batch, CommitError, Store, StoreError, record, record::Record};

/// Names in one step of a scan.
const STEP: usize = 64;

/// Remembers the names in `own`, and returns every name that was ever remembered.
///
/// # Errors
/// When the store cannot answer.
pub async fn remember(store: &dyn Store, own: &[String]) -> Result<Vec<String>, StoreError> {
    for name in own {
        let key = OwnBackend::key(&[name.as_bytes()]);
        if store.get(&key).await?.is_some() {
            continue;
        }
        match store.commit(Batch::new().put_record(key, &OwnBackend {}, None)?).await {
            Ok(_) | Err(CommitError::Conflict) => {}
            Err(CommitError::Unavailable(error)) => return Err(error),
            Err(error @ CommitError::TooLarge(_)) => return Err(StoreError::new(error)),
        }
    }
    remembered(store).await
}

async fn remembered(store: &dyn Store) -> Result<Vec<String>, StoreError> {
    let (prefix, mut after, mut names) = (OwnBackend::key(&[]), None, Vec::new());
    loop {
        let found = store.scan(&prefix, after.as_ref(), STEP).await?;
        let name = |parts: Vec<Vec<u8>>| String::from_utf8(parts.into_iter().nth(1)?).ok();
        names.extend(found.iter().filter_map(|(key, _)| name(record::parts(key)?)));
        match found.into_iter().nth(STEP - 1) {
            Some((last, _)) => after = Some(last),
            None => return Ok(names),
        }
    }
}
