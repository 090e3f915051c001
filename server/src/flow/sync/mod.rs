//! The sync of accounts from plugins of the kind account-source.
//!
//! A run is a row of small steps ([`step`]), each of which commits what it did with how far the run has come. Whoever takes
//! the next step, this process or the one after a crash, the schedule or a command, goes on from there; nothing is held
//! beyond a page.

pub mod preview;
pub mod records;
mod removal;
pub mod schedule;
mod step;
#[cfg(test)]
mod tests;
mod withdrawal;

pub use step::{Step, begin, step};

use super::Core;
use crate::config::model::SyncEntry;
use crate::oauth::error::OAuthError;
use crate::oauth::family::AccountRef;
use crate::plugin::{AccountSource, chain};
use crate::store::{StoreError, Version, record};
use pintle_plugin_api::{Account, AccountChange, PluginError, SourcePage};
use records::{Run, SyncState, SyncedAccount, account_key, state_key};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The most changes of a page.
pub const PAGE: u32 = 500;

/// Accounts of one commit: each may bring an identity with it.
const CHUNK: usize = 125;

/// The longest cursor that is kept, in bytes.
const MAX_CURSOR_BYTES: usize = 16 * 1024;

/// Why an account that its backend accepts may not be used.
pub const WITHDRAWN: &str = "the sync knows it as gone or disabled";

/// A plugin whose accounts are copied.
#[derive(Clone)]
pub struct NamedSource {
    /// How.
    pub entry: SyncEntry,
    /// Whom to ask.
    pub source: Arc<dyn AccountSource>,
    /// Held during a step, so that the schedule and a command do not ask for one page twice.
    turn: Arc<Mutex<()>>,
}

impl NamedSource {
    /// A source that nobody asks yet.
    #[must_use]
    pub fn new(entry: SyncEntry, source: Arc<dyn AccountSource>) -> Self {
        Self { entry, source, turn: Arc::default() }
    }

    /// As another one, of the same plugin's entry before a reload: both never ask at once.
    #[must_use]
    pub fn in_turn_with(self, before: &Self) -> Self {
        Self { turn: before.turn.clone(), ..self }
    }
}

/// Why a run does not go on now. What is kept is as it was, and the run is tried again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SyncError {
    /// The plugin has no answer, or none that can be used.
    #[error("plugin {plugin}: {error}")]
    Source {
        /// The plugin's name.
        plugin: String,
        /// What it said.
        error: PluginError,
    },
    /// It would remove or disable too many.
    #[error(
        "it would remove or disable {ended} of {known} accounts, more than refuse_removal_over = \"{most}\" allows"
    )]
    Refused {
        /// So many.
        ended: u64,
        /// Of so many that are known.
        known: u64,
        /// The configured share.
        most: crate::config::model::Share,
    },
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Others kept changing the same.
    #[error("others kept changing the same accounts")]
    Contended,
}

/// The configured source of this name.
#[must_use]
pub fn find<'a>(core: &'a Core, plugin: &str) -> Option<&'a NamedSource> {
    core.syncs.iter().find(|source| source.entry.plugin == plugin)
}

/// Whether the account may be used as far as its backend's sync knows: one that has not been named yet may.
///
/// # Errors
/// When the store cannot answer.
pub async fn permits(core: &Core, account: &AccountRef) -> Result<bool, StoreError> {
    if find(core, &account.backend).is_none() {
        return Ok(true);
    }
    let copy = record::load::<SyncedAccount>(core.store.as_ref(), &account_key(account)).await?;
    Ok(copy.is_none_or(|copy| copy.value.is_enabled()))
}

/// As [`permits`], for a login.
///
/// # Errors
/// `invalid_grant` where it may not; when the store cannot answer.
pub async fn demand(core: &Core, account: &AccountRef) -> Result<(), OAuthError> {
    if permits(core, account).await? {
        return Ok(());
    }
    Err(OAuthError::invalid_grant("user name or password is wrong").because(WITHDRAWN))
}

/// What an operator is told of plugins whose accounts were synced once and are not any more.
///
/// # Errors
/// When the store cannot answer.
pub async fn warnings(core: &Core) -> Result<Vec<String>, StoreError> {
    let mut plugins = record::names::<SyncState>(core.store.as_ref()).await?;
    plugins.retain(|plugin| find(core, plugin).is_none());
    let warning = |plugin: &String| {
        format!(
            "users.sync: the accounts of `{plugin}` are not synced any more: those that the sync has ended can log in \
             again where `{plugin}` accepts them"
        )
    };
    Ok(plugins.iter().map(warning).collect())
}

/// A plugin's state, and the version that it was read at.
///
/// # Errors
/// When the store cannot answer.
pub async fn state(core: &Core, plugin: &str) -> Result<(SyncState, Option<Version>), StoreError> {
    let loaded = record::load::<SyncState>(core.store.as_ref(), &state_key(plugin)).await?;
    Ok(loaded.map_or_else(Default::default, |loaded| (loaded.value, Some(loaded.version))))
}

/// One page, checked: the last change of each account.
struct Page {
    changes: BTreeMap<String, Option<Account>>,
    next: Option<String>,
    complete: bool,
}

/// Asks for the page at `cursor`.
async fn pull(core: &Core, source: &NamedSource, cursor: Option<&str>) -> Result<Page, SyncError> {
    let plugin = source.entry.plugin.as_str();
    let call = super::Call::new(format!("sync-{plugin}"), None);
    let started = core.clock.monotonic();
    let answer = source.source.pull(&call.context(None), cursor.map(str::to_owned), PAGE).await;
    let answer = answer.and_then(|page| Ok(checked(page, cursor)?));
    core.note_plugin(&call, "account-source", plugin, started, &answer, "page");
    answer.map_err(|ended| SyncError::Source { plugin: plugin.to_owned(), error: ended.error })
}

fn checked(page: SourcePage, cursor: Option<&str>) -> Result<Page, PluginError> {
    let broken = |why: &str| PluginError::Internal(why.to_owned());
    if page.next.as_ref().is_some_and(|next| next.len() > MAX_CURSOR_BYTES) {
        return Err(broken("its cursor is too long"));
    }
    if !page.complete && (page.next.is_none() || page.next.as_deref() == cursor) {
        return Err(broken("its page neither ends the run nor leads on"));
    }
    let mut changes = BTreeMap::new();
    for change in page.changes {
        let (account, is_there) = match change {
            AccountChange::Upsert(account) => (account, true),
            AccountChange::Delete(id) => (Account { id, ..Account::default() }, false),
        };
        chain::check(&account).map_err(|why| PluginError::Internal(why.replace("accepted", "named")))?;
        let account = super::identity::bounded(&account);
        changes.insert(account.id.clone(), is_there.then_some(account));
    }
    Ok(Page { changes, next: page.next, complete: page.complete })
}

/// What `run` would have ended at its own end, as far as it has come.
const fn to_end(state: &SyncState, run: &Run) -> u64 {
    run.ended() + state.known.saturating_sub(run.seen)
}
