//! The layout of the store as a whole, and the way from older ones to it.

use super::OpenError;
use super::cell::INTERNAL;
use std::path::Path;

/// Turns a store of schema n into one of n + 1. What it returns is applied together with the new number.
pub(super) type Migration = fn(&sled::Db) -> sled::Result<sled::Batch>;

/// `MIGRATIONS[0]` turns schema 1 into 2, and so on. None so far: the first schema is the present one.
pub(super) const MIGRATIONS: &[Migration] = &[];

fn key() -> Vec<u8> {
    [&[INTERNAL], b"schema".as_slice()].concat()
}

/// The schema that these migrations lead to.
fn newest(migrations: &[Migration]) -> u32 {
    u32::try_from(migrations.len()).map_or(u32::MAX, |count| count.saturating_add(1))
}

/// Marks an empty store as of the newest schema.
pub(super) fn begin(db: &sled::Db, migrations: &[Migration]) -> sled::Result<()> {
    db.insert(key(), &newest(migrations).to_be_bytes())?;
    db.flush().map(drop)
}

/// Brings the store to the newest schema; a newer one is refused. The caller syncs.
pub(super) fn migrate(db: &sled::Db, path: &Path, migrations: &[Migration]) -> Result<(), OpenError> {
    let damaged = |cause: sled::Error| OpenError::Damaged { path: path.into(), cause };
    let missing = || damaged(sled::Error::ReportableBug("no schema number".into()));
    let number = db.get(key()).map_err(damaged)?.ok_or_else(missing)?;
    let found = u32::from_be_bytes(<[u8; 4]>::try_from(&*number).map_err(|_| missing())?);
    let newest = newest(migrations);
    if found > newest || found == 0 {
        return Err(OpenError::Newer { path: path.into(), found, newest });
    }
    for (migration, from) in migrations.iter().zip(1..).skip_while(|(_, from)| *from < found) {
        let mut batch = migration(db).map_err(damaged)?;
        batch.insert(key(), &u32::to_be_bytes(from + 1));
        db.apply_batch(batch).map_err(damaged)?;
        tracing::info!(from, to = from + 1, "the store's schema was migrated");
    }
    db.flush().map_err(damaged)?;
    Ok(())
}
