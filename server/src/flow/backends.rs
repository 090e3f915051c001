//! Names of the backends whose accounts are the core's own, kept beyond the configuration.
//!
//! An identity hangs on its backend's name. When a plugin is renamed, what was given under the old name must still end
//! with the account: another rename could bring it back.

use super::records::OwnBackend;
use crate::store::{Batch, CommitError, Store, StoreError, record, record::Record};

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
    record::names::<OwnBackend>(store).await
}
