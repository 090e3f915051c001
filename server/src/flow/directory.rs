//! Whether an account may still log in: backends that are directories are asked at a refresh.

use super::{Call, Core};
use crate::clock::millis;
use crate::oauth::error::OAuthError;
use crate::oauth::family::AccountRef;
use crate::plugin::{CallError, Directory, Fault};
use lru::LruCache;
use pintle_plugin_api::{Account, PluginError};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Accounts of a directory that are remembered for when it is down.
const MAX_REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// A backend that can be asked about its accounts.
pub struct NamedDirectory {
    /// The backend's name.
    pub name: String,
    /// Whom to ask.
    pub directory: Arc<dyn Directory>,
    /// For how long its last answer stands in while it is down; zero: not at all.
    pub stale: Duration,
}

/// All such backends, and what they last said.
pub struct Directories {
    known: HashMap<String, Known>,
}

struct Known {
    named: NamedDirectory,
    remembered: Memory,
}

/// By account id; outlives a reload.
type Memory = Arc<Mutex<LruCache<String, Remembered>>>;

struct Remembered {
    account: Account,
    at_ms: u64,
}

impl Directories {
    /// Nothing is remembered yet.
    #[must_use]
    pub fn new(directories: Vec<NamedDirectory>) -> Self {
        Self::with_memories(directories, |_| None)
    }

    /// Others, which remember what these do: but for one that `has_changed`, which may be another directory, whose users have
    /// the same ids. What is still asked of its predecessor is remembered where nobody looks any more.
    #[must_use]
    pub fn succeeded_by(&self, directories: Vec<NamedDirectory>, has_changed: impl Fn(&str) -> bool) -> Self {
        Self::with_memories(directories, |name| {
            self.known.get(name).filter(|_| !has_changed(name)).map(|known| known.remembered.clone())
        })
    }

    fn with_memories(directories: Vec<NamedDirectory>, memory: impl Fn(&str) -> Option<Memory>) -> Self {
        let known = |named: NamedDirectory| {
            let remembered = memory(&named.name);
            let remembered = remembered.unwrap_or_else(|| Arc::new(Mutex::new(LruCache::new(MAX_REMEMBERED))));
            (named.name.clone(), Known { named, remembered })
        };
        Self { known: directories.into_iter().map(known).collect() }
    }

    /// Whether `backend` can be asked.
    #[must_use]
    pub fn knows(&self, backend: &str) -> bool {
        self.known.contains_key(backend)
    }

    /// The directory that `backend` is.
    #[must_use]
    pub fn find(&self, backend: &str) -> Option<&NamedDirectory> {
        self.known.get(backend).map(|known| &known.named)
    }
}

impl Known {
    fn memory(&self) -> MutexGuard<'_, LruCache<String, Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, account: &Account, at_ms: u64) {
        self.memory().put(account.id.clone(), Remembered { account: account.clone(), at_ms });
    }

    /// Forgets an account that is gone: a later outage must not bring it back.
    fn forget(&self, id: &str) {
        self.memory().pop(id);
    }

    fn recall(&self, id: &str, not_before_ms: u64) -> Option<Account> {
        self.memory().get(id).filter(|found| found.at_ms >= not_before_ms).map(|found| found.account.clone())
    }
}

/// The account as its backend has it now; `None` where it is gone. While the backend is down, what it said within its
/// `stale` time stands in.
///
/// # Errors
/// 503 when the backend cannot say.
pub async fn lookup(core: &Core, call: &Call, reference: &AccountRef) -> Result<Option<Account>, OAuthError> {
    let broken = |error: &PluginError| OAuthError::unavailable(format!("plugin {}: {error}", reference.backend));
    let Some(known) = core.directories.known.get(&reference.backend) else {
        return Err(broken(&PluginError::Internal("it is no directory".to_owned())));
    };
    let (named, started) = (&known.named, core.clock.monotonic());
    let answer = named.directory.lookup(&call.context(None), "id", &reference.id).await;
    let answer = answer.and_then(|found| match found {
        Some(account) if account.id != reference.id => {
            Err(PluginError::Internal("it answered with another account than was asked for".to_owned()).into())
        }
        found => Ok(found),
    });
    core.note_plugin(call, "directory", &named.name, started, &answer, verdict(&answer));
    match answer {
        Ok(Some(account)) => {
            if !named.stale.is_zero() {
                known.remember(&account, core.clock.monotonic_ms());
            }
            Ok(Some(account))
        }
        Ok(None) => {
            known.forget(&reference.id);
            Ok(None)
        }
        // One that the operator has switched off is not down: what it said before does not count.
        Err(CallError { error: error @ PluginError::Unavailable(_), fault }) if fault != Fault::Disabled => {
            let stale_ms = millis(named.stale);
            let since = core.clock.monotonic_ms().saturating_sub(stale_ms);
            let recalled = if stale_ms == 0 { None } else { known.recall(&reference.id, since) };
            if recalled.is_some() {
                call.trail.verdict(&named.name, "stale", Duration::ZERO);
            }
            recalled.map(Some).ok_or_else(|| broken(&error))
        }
        Err(ended) => Err(broken(&ended.error)),
    }
}

const fn verdict(answer: &Result<Option<Account>, CallError>) -> &'static str {
    match answer {
        Ok(Some(account)) if account.disabled => "disabled",
        Ok(Some(_)) => "found",
        Ok(None) => "gone",
        Err(_) => "error",
    }
}
