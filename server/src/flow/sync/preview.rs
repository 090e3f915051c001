//! What a run would do, without doing it: page by page, and nothing is kept here. Whoever asks compares the ids of the
//! pages with those that are known.

use super::records::{RunKind, SyncedAccount, account_key};
use super::{NamedSource, SyncError, pull, state};
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
    /// Accounts that are known now.
    pub known: u64,
    /// The page's differences.
    pub differences: Vec<Difference>,
    /// Ids of the accounts that it names.
    pub seen: Vec<String>,
    /// Where the next page is; none after the last.
    pub next: Option<String>,
}

/// The page at `cursor`, of a run of `kind`; without a kind the first page of the run that would be next.
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
    let (kind, cursor) = match at {
        Some((kind, cursor)) => (kind, Some(cursor)),
        None => match state.last.and_then(|last| last.cursor).filter(|_| !full) {
            Some(cursor) => (RunKind::Incremental, Some(cursor)),
            None => (RunKind::Full, None),
        },
    };
    let page = pull(core, source, cursor.as_deref()).await?;
    let (mut differences, mut seen) = (Vec::new(), Vec::new());
    for (id, account) in page.changes {
        let reference = AccountRef { backend: plugin.to_owned(), id };
        let known = record::load::<SyncedAccount>(core.store.as_ref(), &account_key(&reference)).await?;
        let known = known.map(|known| known.value).filter(|known| known.gone_at.is_none());
        differences.extend(difference(known.map(|known| known.account).as_ref(), account.as_ref()));
        if account.is_some() {
            seen.push(reference.id);
        }
    }
    let next = page.next.filter(|_| !page.complete);
    Ok(PreviewPage { kind, known: state.known, differences, seen, next })
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

fn difference(known: Option<&Account>, named: Option<&Account>) -> Option<Difference> {
    let (what, account, fields) = match (known, named) {
        (None, Some(named)) => (What::Add, named, Vec::new()),
        (Some(known), None) => (What::Remove, known, Vec::new()),
        (Some(known), Some(named)) if known != named => (What::Change, named, fields(known, named)),
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
