//! What a run would do, without doing it: page by page, and nothing is kept here. Whoever asks compares the ids of the
//! pages with those that are known.

use super::records::{Phase, RunKind, SyncedAccount, account_key};
use super::step::{going_on, new_run};
use super::{NamedSource, SyncError, pull, state};
use crate::config::model::Share;
use crate::flow::Core;
use crate::oauth::family::AccountRef;
use crate::store::{record, record::Record};
use pintle_plugin_api::Account;
use serde::{Deserialize, Serialize};

/// What would become of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It is new, or comes back.
    Add,
    /// It is another than before.
    Change,
    /// It is disabled, so that what it was given ends.
    Disable,
    /// It is gone.
    Remove,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What would become of it.
    pub what: What,
    /// The account's id.
    pub id: String,
    /// Its login name.
    pub username: String,
    /// The names of what would change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// One page of a run that is not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewPage {
    /// What the run would ask for.
    pub kind: RunKind,
    /// The number of the run in progress, where that would be gone on with: what it was told of has its number.
    pub goes_on: Option<u64>,
    /// Accounts that are known now.
    pub known: u64,
    /// What may be too much; none where it is decided already.
    pub guard: Option<Guard>,
    /// The page's differences.
    pub differences: Vec<Difference>,
    /// Ids of the accounts that it names.
    pub seen: Vec<String>,
    /// Where the next page is; none after the last.
    pub next: Option<String>,
}

/// Of how many accounts a run may remove and disable which share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// Accounts that count as ended before the first page.
    pub ended_before: u64,
    /// Accounts that were known when the run began, or would begin.
    pub known_before: u64,
    /// `refuse_removal_over`.
    pub most: Share,
}

impl Guard {
    /// Whether a run is refused that ends so many more.
    #[must_use]
    pub fn refuses(&self, ended: u64) -> bool {
        ended > 0 && self.most.is_exceeded(self.ended_before + ended, self.known_before)
    }
}

/// The page at `cursor`, of a run of `kind`; without them the first page that the next run, or the one in progress, would
/// ask for, which is empty where that asks for no more.
///
/// # Errors
/// `Source`, `Store`.
pub async fn page(
    core: &Core,
    source: &NamedSource,
    full: bool,
    at: Option<(RunKind, String)>,
) -> Result<PreviewPage, SyncError> {
    let plugin = source.entry.plugin.as_str();
    let (state, _) = state(core, plugin).await?;
    let goes_on = going_on(&state, full);
    let run = goes_on.cloned().unwrap_or_else(|| new_run(core, source, &state, full));
    let most = source.entry.refuse_removal_over;
    let guard = Guard { ended_before: run.ended(), known_before: run.known_before, most };
    let mut preview = PreviewPage {
        kind: at.as_ref().map_or(run.kind, |(kind, _)| *kind),
        goes_on: goes_on.map(|run| run.number),
        known: state.known,
        guard: Some(guard).filter(|_| !matches!(run.phase, Phase::Removing(_))),
        differences: Vec::new(),
        seen: Vec::new(),
        next: None,
    };
    let cursor = match (at, run.phase) {
        (Some((_, cursor)), _) => Some(cursor),
        (None, Phase::Pulling(cursor)) => cursor,
        (None, Phase::Judging | Phase::Removing(_)) => return Ok(preview),
    };
    let page = pull(core, source, cursor.as_deref()).await?;
    for (id, account) in page.changes {
        let reference = AccountRef { backend: plugin.to_owned(), id };
        let known = record::load::<SyncedAccount>(core.store.as_ref(), &account_key(&reference)).await?;
        let known = known.map(|known| known.value).filter(|known| known.gone_at.is_none());
        preview.differences.extend(difference(known.as_ref(), account.as_ref()));
        if account.is_some() {
            preview.seen.push(reference.id);
        }
    }
    preview.next = page.next.filter(|_| !page.complete);
    Ok(preview)
}

/// Ids and names of at most `limit` known accounts, from after the id `after` on.
///
/// # Errors
/// When the store cannot answer.
pub async fn known(
    core: &Core,
    plugin: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<SyncedAccount>, SyncError> {
    let prefix = SyncedAccount::key(&[plugin.as_bytes()]);
    let after = after.map(|id| SyncedAccount::key(&[plugin.as_bytes(), id.as_bytes()]));
    let found = core.store.scan(&prefix, after.as_ref(), limit).await?;
    Ok(found.iter().map(|(_, row)| record::decode(&row.value)).collect::<Result<_, _>>()?)
}

fn difference(known: Option<&SyncedAccount>, named: Option<&Account>) -> Option<Difference> {
    let (what, account, fields) = match (known, named) {
        (None, Some(named)) => (What::Add, named, Vec::new()),
        (Some(known), None) => (What::Remove, &known.account, Vec::new()),
        (Some(known), Some(named)) if known.account != *named => {
            let what = if known.is_ended_by(Some(named)) { What::Disable } else { What::Change };
            (what, named, fields(&known.account, named))
        }
        _ => return None,
    };
    Some(Difference { what, id: account.id.clone(), username: account.username.clone(), fields })
}

fn fields(known: &Account, named: &Account) -> Vec<String> {
    let differs = [
        ("username", known.username != named.username),
        ("display_name", known.display_name != named.display_name),
        ("email", known.email != named.email),
        ("email_verified", known.email_verified != named.email_verified),
        ("disabled", known.disabled != named.disabled),
        ("groups", known.groups != named.groups),
        ("claims", known.claims_json != named.claims_json),
        ("ext", known.ext != named.ext),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect()
}
