//! When a source is asked: so long after the last run, and after failures later and later.

use super::records::SyncState;
use super::{NamedSource, Step, SyncError, begin, state, step};
use crate::clock::UnixTime;
use crate::flow::Core;
use std::time::Duration;

/// After the first failure; doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// After many.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// Between two looks at what a command may have done meanwhile.
const LOOK: Duration = Duration::from_secs(60);

/// Syncs if it is due; returns how long to wait before looking again.
///
/// # Errors
/// When the store cannot answer.
pub async fn tick(core: &Core, source: &NamedSource) -> Result<Duration, SyncError> {
    let now = core.clock.now();
    let (before, _) = state(core, &source.entry.plugin).await?;
    let due = due_at(source, &before);
    if due > now {
        return Ok(now.until(due).min(LOOK));
    }
    match run(core, source).await {
        // Kept with the state, and logged.
        Ok(()) | Err(SyncError::Source { .. } | SyncError::Refused { .. }) => {}
        Err(error) => return Err(error),
    }
    let (after, _) = state(core, &source.entry.plugin).await?;
    Ok(core.clock.now().until(due_at(source, &after)).clamp(Duration::from_secs(1), LOOK))
}

async fn run(core: &Core, source: &NamedSource) -> Result<(), SyncError> {
    let run = begin(core, source, false).await?;
    while let Step::Going(_) = step(core, source, run.number, false).await? {}
    Ok(())
}

/// When the next try is due. A run that was cut off is due at once.
#[must_use]
pub fn due_at(source: &NamedSource, state: &SyncState) -> UnixTime {
    if let Some(trouble) = &state.trouble {
        let doublings = trouble.failures.saturating_sub(1).min(16);
        return trouble.at.plus(FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE));
    }
    match (&state.run, &state.last) {
        (None, Some(last)) => last.at.plus(source.entry.every),
        _ => UnixTime(0),
    }
}
