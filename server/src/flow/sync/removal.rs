//! The end of a full run: what it was not told of is gone.

use super::records::{Phase, Run, SyncedAccount};
use super::step::{At, Step, put};
use super::{CHUNK, SyncError, withdrawal};
use crate::flow::MAX_RELOADS;
use crate::oauth::family::AccountRef;
use crate::store::{Batch, record, record::Record};

/// Looks at some accounts from after the id `after` on, and leaves a tombstone for each that was not named.
pub(super) async fn step(mut at: At<'_>, run: Run, after: Option<String>) -> Result<Step, SyncError> {
    let backend = at.source.entry.plugin.clone();
    let prefix = SyncedAccount::key(&[backend.as_bytes()]);
    let after = after.map(|id| SyncedAccount::key(&[backend.as_bytes(), id.as_bytes()]));
    let found = at.core.store.scan(&prefix, after.as_ref(), CHUNK).await?;
    let is_last = found.len() < CHUNK;
    let copies =
        found.iter().map(|(_, row)| record::decode::<SyncedAccount>(&row.value)).collect::<Result<Vec<_>, _>>()?;
    let Some(last) = copies.last().map(|copy| copy.account.id.clone()) else { return at.end(run).await };
    let is_missing = |copy: &&SyncedAccount| copy.gone_at.is_none() && copy.seen_in != run.number;
    for _ in 0..MAX_RELOADS {
        let (mut state, mut run, mut batch) = (at.state.clone(), run.clone(), Batch::new());
        let mut ended = Vec::new();
        for copy in copies.iter().filter(is_missing) {
            let reference = AccountRef { backend: backend.clone(), id: copy.account.id.clone() };
            let gone = SyncedAccount { gone_at: Some(at.core.clock.now()), ..copy.clone() };
            batch = put(at.core, &reference, &gone, copy.is_enabled(), batch).await?;
            ended.extend(copy.is_enabled().then(|| copy.account.clone()));
            (state.known, run.counts.removed) = (state.known.saturating_sub(1), run.counts.removed + 1);
        }
        run.phase = Phase::Removing(Some(last.clone()));
        if at.save(&mut state, &run, batch).await? {
            withdrawal::write_down(at.core, &backend, &ended).await;
            return if is_last { at.end(run).await } else { Ok(Step::Going(run)) };
        }
    }
    Err(SyncError::Contended)
}
