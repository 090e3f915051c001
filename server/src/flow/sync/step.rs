//! A run, step by step.

use super::records::{Counts, Ended, Phase, Run, RunKind, SyncState, SyncedAccount, Trouble, account_key, state_key};
use super::{CHUNK, NamedSource, Page, SyncError, pull, removal, state, to_end, withdrawal};
use crate::flow::{Core, MAX_RELOADS, identity};
use crate::metrics::SyncOutcome;
use crate::oauth::family::AccountRef;
use crate::store::{Batch, CommitError, StoreError, Version, record};
use pintle_plugin_api::{Account, PluginError};

/// What a step led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There are more to take.
    Going(Run),
    /// The run has come to its end.
    Ended(Ended),
    /// The run is no longer the one in progress: another one replaced it, or it was given up.
    Gone,
}

/// Goes on with the run in progress, or begins one: a full one where the source gave no cursor, where one is due, and with
/// `full`, which replaces an incremental one in progress.
///
/// # Errors
/// When the store cannot answer.
pub async fn begin(core: &Core, source: &NamedSource, full: bool) -> Result<Run, SyncError> {
    let plugin = source.entry.plugin.as_str();
    for _ in 0..MAX_RELOADS {
        let (mut state, version) = state(core, plugin).await?;
        if let Some(run) = going_on(&state, full) {
            return Ok(run.clone());
        }
        let run = new_run(core, source, &state, full);
        state.number = run.number;
        state.run = Some(run.clone());
        if commit_state(core, plugin, Batch::new(), &state, version).await?.is_some() {
            return Ok(run);
        }
    }
    Err(SyncError::Contended)
}

/// The run in progress that is gone on with.
pub(super) fn going_on(state: &SyncState, full: bool) -> Option<&Run> {
    state.run.as_ref().filter(|run| run.kind == RunKind::Full || !full)
}

/// The run that begins where none is gone on with.
pub(super) fn new_run(core: &Core, source: &NamedSource, state: &SyncState, full: bool) -> Run {
    let now = core.clock.now();
    let is_due = state.full_at.is_none_or(|at| at.plus(source.entry.full_every) <= now);
    let cursor = state.last.as_ref().and_then(|last| last.cursor.clone()).filter(|_| !full && !is_due);
    Run {
        number: state.number + 1,
        kind: if cursor.is_some() { RunKind::Incremental } else { RunKind::Full },
        began_at: now,
        known_before: state.known,
        seen: 0,
        pages: 0,
        counts: Counts::default(),
        ended_before: state.run.as_ref().map_or(state.ended_before, Run::ended),
        phase: Phase::Pulling(cursor),
        next: None,
    }
}

/// Takes the next step of run `number`; with `force` whatever it removes or disables.
///
/// # Errors
/// `Source`, `Refused`: the failure is kept with the state, and the schedule waits longer and longer. `Store`, `Contended`.
pub async fn step(core: &Core, source: &NamedSource, number: u64, force: bool) -> Result<Step, SyncError> {
    let _turn = source.turn.lock().await;
    let outcome = take(core, source, number, force).await;
    match &outcome {
        Ok(Step::Ended(_)) => core.metrics.sync(&source.entry.plugin, SyncOutcome::Ended),
        Err(SyncError::Refused { .. }) => core.metrics.sync(&source.entry.plugin, SyncOutcome::Refused),
        Err(_) => core.metrics.sync(&source.entry.plugin, SyncOutcome::Failed),
        Ok(_) => {}
    }
    if let Err(error @ (SyncError::Source { .. } | SyncError::Refused { .. })) = &outcome {
        note(core, source, number, error).await?;
    }
    outcome
}

async fn take(core: &Core, source: &NamedSource, number: u64, force: bool) -> Result<Step, SyncError> {
    let plugin = source.entry.plugin.as_str();
    let (state, version) = state(core, plugin).await?;
    if let Some(last) = state.last.as_ref().filter(|last| last.number == number) {
        return Ok(Step::Ended(last.clone()));
    }
    let Some(run) = state.run.clone().filter(|run| run.number == number) else { return Ok(Step::Gone) };
    let at = At { core, source, state, version };
    match run.phase.clone() {
        Phase::Pulling(cursor) => {
            let page = pull(core, source, cursor.as_deref()).await?;
            at.apply(run, page, force).await
        }
        Phase::Judging => at.judge(run, force).await,
        Phase::Removing(after) => removal::step(at, run, after).await,
    }
}

/// Where a step begins.
pub(super) struct At<'a> {
    pub core: &'a Core,
    pub source: &'a NamedSource,
    pub state: SyncState,
    pub version: Option<Version>,
}

impl At<'_> {
    /// Commits a page in batches, the last one with its cursor.
    async fn apply(mut self, mut run: Run, page: Page, force: bool) -> Result<Step, SyncError> {
        self.refuse_ends(&run, &page, force).await?;
        let changes: Vec<(String, Option<Account>)> = page.changes.into_iter().collect();
        let (chunks, last) = changes.split_at(changes.len().saturating_sub(1) / CHUNK * CHUNK);
        for chunk in chunks.chunks(CHUNK) {
            run = self.commit(run, chunk, |_| {}).await?;
        }
        let run = self
            .commit(run, last, |run| {
                run.pages += 1;
                run.phase = if page.complete { Phase::Judging } else { Phase::Pulling(page.next.clone()) };
                run.next = if page.complete { page.next.clone() } else { None };
            })
            .await?;
        Ok(Step::Going(run))
    }

    /// As [`Self::apply`], but cut off after so many changes.
    #[cfg(test)]
    pub(super) async fn part_of(mut self, run: Run, page: Page, count: usize) -> Result<Run, SyncError> {
        let changes: Vec<_> = page.changes.into_iter().take(count).collect();
        self.commit(run, &changes, |_| {}).await
    }

    /// Commits `chunk` with the run as `then` leaves it.
    async fn commit(
        &mut self,
        run: Run,
        chunk: &[(String, Option<Account>)],
        then: impl Fn(&mut Run),
    ) -> Result<Run, SyncError> {
        for _ in 0..MAX_RELOADS {
            let (mut state, mut run, mut batch) = (self.state.clone(), run.clone(), Batch::new());
            let mut ended = Vec::new();
            for (id, account) in chunk {
                batch = self.change(&mut state, &mut run, id, account.as_ref(), &mut ended, batch).await?;
            }
            then(&mut run);
            if self.save(&mut state, &run, batch).await? {
                withdrawal::write_down(self.core, &self.source.entry.plugin, &ended).await;
                return Ok(run);
            }
        }
        Err(SyncError::Contended)
    }

    /// Commits `batch` and the state with `run`. False where an identity has changed meanwhile.
    pub(super) async fn save(&mut self, state: &mut SyncState, run: &Run, batch: Batch) -> Result<bool, SyncError> {
        state.run = Some(run.clone());
        let plugin = self.source.entry.plugin.as_str();
        if let Some(version) = commit_state(self.core, plugin, batch, state, self.version).await? {
            (self.state, self.version) = (state.clone(), Some(version));
            return Ok(true);
        }
        let (_, version) = super::state(self.core, plugin).await?;
        if version == self.version { Ok(false) } else { Err(SyncError::Contended) }
    }

    /// Adds to `batch` what the source says about one account; to `ended`, where that ends it.
    async fn change(
        &self,
        state: &mut SyncState,
        run: &mut Run,
        id: &str,
        account: Option<&Account>,
        ended: &mut Vec<Account>,
        batch: Batch,
    ) -> Result<Batch, SyncError> {
        let reference = AccountRef { backend: self.source.entry.plugin.clone(), id: id.to_owned() };
        let known = record::load::<SyncedAccount>(self.core.store.as_ref(), &account_key(&reference)).await?;
        let known = known.map(|known| known.value);
        let is_there = known.as_ref().is_some_and(|known| known.gone_at.is_none());
        let is_seen = known.as_ref().is_some_and(|known| is_there && known.seen_in == run.number);
        let now = self.core.clock.now();
        let new = match account {
            Some(account) => {
                match known.as_ref().filter(|_| is_there) {
                    None => (state.known, run.counts.added) = (state.known + 1, run.counts.added + 1),
                    Some(known) if known.is_ended_by(Some(account)) => run.counts.disabled += 1,
                    Some(known) if known.account != *account => run.counts.changed += 1,
                    Some(_) if !is_seen => run.counts.unchanged += 1,
                    Some(_) => return Ok(batch),
                }
                run.seen += u64::from(!is_seen);
                SyncedAccount { account: account.clone(), seen_in: run.number, gone_at: None }
            }
            None => {
                if is_there {
                    (state.known, run.counts.removed) = (state.known.saturating_sub(1), run.counts.removed + 1);
                    run.seen -= u64::from(is_seen);
                } else if known.is_some() {
                    return Ok(batch);
                }
                let account = known.as_ref().map(|known| known.account.clone());
                let account = account.unwrap_or_else(|| Account { id: id.to_owned(), ..Account::default() });
                SyncedAccount { account, seen_in: run.number, gone_at: Some(now) }
            }
        };
        let ends = !new.is_enabled() && known.is_none_or(|known| known.is_enabled());
        ended.extend(ends.then(|| new.account.clone()));
        put(self.core, &reference, &new, ends, batch).await
    }

    /// An account more or less that is gone or disabled is one thing, a source that calls a good part of them so another.
    async fn refuse_ends(&self, run: &Run, page: &Page, force: bool) -> Result<(), SyncError> {
        let (store, mut ended) = (self.core.store.as_ref(), run.ended());
        for (id, account) in &page.changes {
            if account.as_ref().is_some_and(|account| !account.disabled) {
                continue;
            }
            let reference = AccountRef { backend: self.source.entry.plugin.clone(), id: id.clone() };
            let known = record::load::<SyncedAccount>(store, &account_key(&reference)).await?;
            ended += u64::from(known.is_some_and(|known| known.value.is_ended_by(account.as_ref())));
        }
        if ended > run.ended() { self.guard(run, ended, force) } else { Ok(()) }
    }

    fn guard(&self, run: &Run, ended: u64, force: bool) -> Result<(), SyncError> {
        let (most, known) = (self.source.entry.refuse_removal_over, run.known_before);
        if force || !most.is_exceeded(ended, known) {
            return Ok(());
        }
        Err(SyncError::Refused { ended, known, most })
    }

    /// Whether the accounts that were not named may go.
    async fn judge(mut self, run: Run, force: bool) -> Result<Step, SyncError> {
        let missing = self.state.known.saturating_sub(run.seen);
        if missing == 0 || run.kind == RunKind::Incremental {
            return self.end(run).await;
        }
        self.guard(&run, to_end(&self.state, &run), force)?;
        let run = Run { phase: Phase::Removing(None), ..run };
        let mut state = self.state.clone();
        if self.save(&mut state, &run, Batch::new()).await? { Ok(Step::Going(run)) } else { Err(SyncError::Contended) }
    }

    pub(super) async fn end(self, run: Run) -> Result<Step, SyncError> {
        let Run { number, kind, counts, next, .. } = run;
        let at = self.core.clock.now();
        let ended = Ended { number, kind, at, counts, cursor: next };
        let full_at = if kind == RunKind::Full { Some(at) } else { self.state.full_at };
        let last = Some(ended.clone());
        let state = SyncState { run: None, last, full_at, trouble: None, ended_before: 0, ..self.state };
        let plugin = self.source.entry.plugin.as_str();
        match commit_state(self.core, plugin, Batch::new(), &state, self.version).await? {
            Some(_) => {
                tracing::info!(plugin, ?kind, ?counts, known = state.known, "accounts are in sync");
                Ok(Step::Ended(ended))
            }
            None => Err(SyncError::Contended),
        }
    }
}

/// Adds an account's copy to `batch`, and where it `ends` the end of what it was given.
pub(super) async fn put(
    core: &Core,
    reference: &AccountRef,
    copy: &SyncedAccount,
    ends: bool,
    batch: Batch,
) -> Result<Batch, SyncError> {
    let batch = batch.put_record(account_key(reference), copy, None)?;
    if !ends {
        return Ok(batch);
    }
    Ok(identity::end_all(core, reference, batch).await.map_err(StoreError::new)?)
}

/// Commits `batch` with the state, if that is still as it was read; `None` otherwise.
async fn commit_state(
    core: &Core,
    plugin: &str,
    batch: Batch,
    state: &SyncState,
    version: Option<Version>,
) -> Result<Option<Version>, SyncError> {
    let key = state_key(plugin);
    let batch = batch.expect_as_loaded(key.clone(), version).put_record(key, state, None)?;
    match core.store.commit(batch).await {
        Ok(version) => Ok(Some(version)),
        Err(CommitError::Conflict) => Ok(None),
        Err(CommitError::Unavailable(error)) => Err(error.into()),
        Err(error @ CommitError::TooLarge(_)) => Err(StoreError::new(error).into()),
    }
}

/// Keeps a failure. A full run that was refused is given up, so that the next try asks anew; so is a run whose cursor the
/// source does not take (any more), and then all accounts are asked for.
async fn note(core: &Core, source: &NamedSource, number: u64, error: &SyncError) -> Result<(), SyncError> {
    let plugin = source.entry.plugin.as_str();
    tracing::warn!(plugin, %error, "the sync of accounts failed; what is known stays");
    for _ in 0..MAX_RELOADS {
        let (mut state, version) = state(core, plugin).await?;
        let Some(run) = state.run.as_ref().filter(|run| run.number == number) else { return Ok(()) };
        let is_lost = matches!(error, SyncError::Source { error: PluginError::Invalid(_), .. })
            && matches!(&run.phase, Phase::Pulling(Some(_)));
        let is_refused = matches!(error, SyncError::Refused { .. }) && run.kind == RunKind::Full;
        if is_lost && let Some(last) = &mut state.last {
            last.cursor = None;
        }
        if is_lost || is_refused {
            state.ended_before = run.ended();
            state.run = None;
        }
        let failures = state.trouble.map_or(0, |trouble| trouble.failures).saturating_add(1);
        state.trouble = Some(Trouble { failures, at: core.clock.now(), why: error.to_string() });
        if commit_state(core, plugin, Batch::new(), &state, version).await?.is_some() {
            return Ok(());
        }
    }
    Err(SyncError::Contended)
}
