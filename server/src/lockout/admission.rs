//! A try that was admitted, and how it ended.

use super::Lockout;
use super::live::Place;
use crate::store::StoreError;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Whether the name is that of an account or client: only then may `lockout list` show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedName {
    /// A backend, or the list of clients, knows it.
    Known,
    /// Nobody does: it may be a password in the wrong field.
    Unknown,
}

/// The right to try one password. It must be told how the try ended; when it is dropped without a word, the try counts
/// as failed: who hangs up before the answer has often learnt it from the time it took, and must not try on for free.
#[must_use = "an admission that is dropped counts as a failure"]
pub struct Admission {
    lockout: Arc<Lockout>,
    /// In the order in which their turns are taken; empty once the end is known.
    places: Vec<Place>,
}

impl Admission {
    pub(super) fn new(lockout: Arc<Lockout>, places: Vec<Place>) -> Self {
        Self { lockout, places }
    }

    /// The password was wrong, or the user unknown. The failure is stored when this returns, and also if the caller
    /// goes away meanwhile.
    ///
    /// # Errors
    /// When the store fails: then the answer must not tell the verdict (503), as the try was not counted.
    pub async fn failed(mut self, name: TypedName) -> Result<(), StoreError> {
        let runtime = Handle::try_current().map_err(StoreError::new)?;
        match self.count(&runtime, name) {
            Some(task) => task.await.map_err(StoreError::new)?,
            None => Ok(()),
        }
    }

    /// The password was right: the failures of the account, or of the client at its address, are forgotten. Of users, the
    /// address's stay; of clients, it counts one client fewer. Writes nothing when there are none.
    ///
    /// # Errors
    /// When the store fails; the login may go on, the failures then stay.
    pub async fn succeeded(mut self) -> Result<(), StoreError> {
        let places = std::mem::take(&mut self.places);
        self.lockout.forget(&places).await.map(drop)
    }

    /// There was no verdict: a backend is broken, the hashing queue full. Nothing is counted.
    pub fn abandoned(mut self) {
        self.places.clear();
    }

    /// Counts the failure in a task of its own, which nobody can interrupt; the try is in flight until it is stored.
    fn count(&mut self, runtime: &Handle, name: TypedName) -> Option<JoinHandle<Result<(), StoreError>>> {
        let places = std::mem::take(&mut self.places);
        if places.is_empty() {
            return None;
        }
        let lockout = self.lockout.clone();
        Some(runtime.spawn(async move { lockout.record_failure(&places, name).await }))
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        // Without a runtime the server is gone, and nobody can try.
        if let Ok(runtime) = Handle::try_current() {
            drop(self.count(&runtime, TypedName::Unknown));
        }
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}
