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
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Accounts that are remembered for when a directory is down.
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
    known: HashMap<String, NamedDirectory>,
    remembered: Memory,
}

/// By backend and account id; outlives a reload.
type Memory = Arc<Mutex<LruCache<(String, String), Remembered>>>;

struct Remembered {
    account: Account,
    at_ms: u64,
}

impl Directories {
    /// Nothing is remembered yet.
    #[must_use]
    pub fn new(directories: Vec<NamedDirectory>) -> Self {
        Self { known: by_name(directories), remembered: Arc::new(Mutex::new(LruCache::new(MAX_REMEMBERED))) }
    }

    /// Others, which remember what these do.
    #[must_use]
    pub fn succeeded_by(&self, directories: Vec<NamedDirectory>) -> Self {
        Self { known: by_name(directories), remembered: self.remembered.clone() }
    }

    /// Whether `backend` can be asked.
    #[must_use]
    pub fn knows(&self, backend: &str) -> bool {
        self.known.contains_key(backend)
    }

    /// The directory that `backend` is.
    #[must_use]
    pub fn find(&self, backend: &str) -> Option<&NamedDirectory> {
        self.known.get(backend)
    }

    fn remember(&self, reference: &AccountRef, account: &Account, at_ms: u64) {
        let remembered = Remembered { account: account.clone(), at_ms };
        let key = (reference.backend.clone(), reference.id.clone());
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).put(key, remembered);
    }

    /// Forgets an account that is gone: a later outage must not bring it back.
    fn forget(&self, reference: &AccountRef) {
        let key = (reference.backend.clone(), reference.id.clone());
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).pop(&key);
    }

    /// Forgets all accounts of a backend whose entry or code is another now: it may be another directory, whose users have the
    /// same ids.
    pub fn forget_backend(&self, backend: &str) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let its: Vec<_> = remembered.iter().map(|(key, _)| key).filter(|(name, _)| name == backend).cloned().collect();
        its.iter().for_each(|key| drop(remembered.pop(key)));
    }

    fn recall(&self, reference: &AccountRef, not_before_ms: u64) -> Option<Account> {
        let key = (reference.backend.clone(), reference.id.clone());
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(&key).filter(|found| found.at_ms >= not_before_ms).map(|found| found.account.clone())
    }
}

fn by_name(directories: Vec<NamedDirectory>) -> HashMap<String, NamedDirectory> {
    directories.into_iter().map(|directory| (directory.name.clone(), directory)).collect()
}

/// The account as its backend has it now; `None` where it is gone. While the backend is down, what it said within its
/// `stale` time stands in.
///
/// # Errors
/// 503 when the backend cannot say.
pub async fn lookup(core: &Core, call: &Call, reference: &AccountRef) -> Result<Option<Account>, OAuthError> {
    let broken = |error: &PluginError| OAuthError::unavailable(format!("plugin {}: {error}", reference.backend));
    let Some(named) = core.directories.known.get(&reference.backend) else {
        return Err(broken(&PluginError::Internal("it is no directory".to_owned())));
    };
    let started = core.clock.monotonic();
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
                core.directories.remember(reference, &account, core.clock.monotonic_ms());
            }
            Ok(Some(account))
        }
        Ok(None) => {
            core.directories.forget(reference);
            Ok(None)
        }
        // One that the operator has switched off is not down: what it said before does not count.
        Err(CallError { error: error @ PluginError::Unavailable(_), fault }) if fault != Fault::Disabled => {
            let stale_ms = millis(named.stale);
            let since = core.clock.monotonic_ms().saturating_sub(stale_ms);
            let recalled = if stale_ms == 0 { None } else { core.directories.recall(reference, since) };
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
