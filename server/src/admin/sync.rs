//! `sync …`: a run is taken step by step by whoever asks for it, so that each step's answer says how far it is, and one
//! that nobody goes on with the schedule takes to its end.

use super::{AdminError, PAGE, json};
use crate::flow::Core;
use crate::flow::sync::records::{Ended, Phase, Run, RunKind, SyncedAccount};
use crate::flow::sync::{self, NamedSource, Step, SyncError, preview, schedule};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRun {
    /// The plugin's name.
    pub plugin: String,
    /// The run that an earlier step's answer named; without it one is begun, or the one in progress gone on with.
    pub number: Option<u64>,
    /// Begin a full one.
    #[serde(default)]
    pub full: bool,
    /// Whatever it removes or disables.
    #[serde(default)]
    pub force: bool,
}

/// A page of a run that is not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncPreview {
    /// The plugin's name.
    pub plugin: String,
    /// As of a full run.
    #[serde(default)]
    pub full: bool,
    /// The `kind` and `next` of the page before.
    pub at: Option<(RunKind, String)>,
}

pub(super) async fn list(core: &Core) -> Result<Value, AdminError> {
    let mut items = Vec::new();
    for source in &core.syncs {
        let (state, _) = sync::state(core, &source.entry.plugin).await?;
        let due = schedule::due_at(source, &state);
        let last = state.last.as_ref();
        items.push(json!({
            "plugin": source.entry.plugin,
            "accounts": state.known,
            "state": match (&state.run, &state.trouble) {
                (_, Some(_)) => "failing",
                (Some(_), None) => "running",
                (None, None) if last.is_some() => "in sync",
                (None, None) => "never run",
            },
            "last_kind": last.map(|last| last.kind),
            "last_at": last.map(|last| last.at),
            "last_full_at": state.full_at,
            "last_counts": last.map(|last| last.counts),
            "due_at": due.max(core.clock.now()),
            "run": state.run.as_ref().map(|run| going(run, state.known)),
            "error": state.trouble.as_ref().map(|trouble| trouble.why.as_str()),
            "failures": state.trouble.as_ref().map_or(0, |trouble| trouble.failures),
        }));
    }
    Ok(json!({ "items": items, "next": null }))
}

pub(super) async fn run(core: &Core, run: SyncRun) -> Result<Value, AdminError> {
    let source = find(core, &run.plugin)?;
    let number = match run.number {
        Some(number) => number,
        None => sync::begin(core, source, run.full).await?.number,
    };
    let step = sync::step(core, source, number, run.force).await?;
    let (state, _) = sync::state(core, &run.plugin).await?;
    match step {
        Step::Going(run) => Ok(going(&run, state.known)),
        Step::Ended(ended) => Ok(ended_as(&ended, state.known)),
        Step::Gone => Err(AdminError::unavailable(match state.trouble {
            Some(trouble) => format!("the run was given up: {}", trouble.why),
            None => "another run has begun in its place".to_owned(),
        })),
    }
}

fn going(run: &Run, known: u64) -> Value {
    let phase = match run.phase {
        Phase::Pulling(_) => "pulling",
        Phase::Judging => "judging",
        Phase::Removing(_) => "removing",
    };
    json!({
        "number": run.number, "kind": run.kind, "phase": phase, "pages": run.pages, "seen": run.seen,
        "known_before": run.known_before, "accounts": known, "counts": run.counts, "done": false,
    })
}

fn ended_as(ended: &Ended, known: u64) -> Value {
    json!({ "number": ended.number, "kind": ended.kind, "accounts": known, "counts": ended.counts, "done": true })
}

pub(super) async fn preview(core: &Core, preview: SyncPreview) -> Result<Value, AdminError> {
    let source = find(core, &preview.plugin)?;
    json(&preview::page(core, source, preview.full, preview.at).await?)
}

pub(super) async fn known(core: &Core, plugin: &str, after: Option<&str>) -> Result<Value, AdminError> {
    find(core, plugin)?;
    let found = preview::known(core, plugin, after, PAGE).await?;
    let next = if found.len() < PAGE { None } else { found.last().map(|last| last.account.id.clone()) };
    let live = found.into_iter().filter(|copy| copy.gone_at.is_none());
    let view = |copy: SyncedAccount| json!({ "id": copy.account.id, "username": copy.account.username, "seen_in": copy.seen_in });
    Ok(json!({ "items": live.map(view).collect::<Vec<_>>(), "next": next }))
}

fn find<'a>(core: &'a Core, plugin: &str) -> Result<&'a NamedSource, AdminError> {
    let missing =
        || AdminError::not_found(format!("the accounts of {plugin:?} are not synced: [users] sync does not name it"));
    sync::find(core, plugin).ok_or_else(missing)
}

impl From<SyncError> for AdminError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Refused { .. } => Self::refused(format!("{error}; --force makes the run all the same")),
            error => Self::unavailable(error),
        }
    }
}
