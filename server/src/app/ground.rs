//! What a server stands on: its store and its keys.

use super::StartError;
use super::fetch::FoundMasterKey;
use crate::clock::Clock;
use crate::config::model::Config;
use crate::entropy::{self, Entropy};
use crate::keys::{KeyError, KeyOptions, KeyRing, MASTER_KEY_FILE, MasterKey, MasterKeyOrigin};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::overlay::OverlayStore;
use crate::store::sled::{OpenError, SledOptions, SledStore};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

/// What a build may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// What is missing is made, what is due is done.
    Real,
    /// Nothing: keys stay as they are in the store.
    ReadOnly,
    /// Nothing on the disk: what a real build would do, it does in memory.
    Rehearsal,
    /// As that, and without a store that another process has.
    RehearsalBeside,
}

impl Mode {
    pub(super) const fn is_rehearsal(self) -> bool {
        matches!(self, Self::Rehearsal | Self::RehearsalBeside)
    }
}

/// What became of the configured store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreState {
    /// It is open.
    Open,
    /// There is none yet, and this build was not to make one.
    Missing,
    /// Another process has it, and this build went on without it.
    InUse {
        /// The process id, or `unknown`.
        process: String,
    },
}

/// The store and its keys.
pub(super) struct Ground {
    pub(super) store: Arc<dyn Store>,
    pub(super) state: StoreState,
    pub(super) keys: Arc<KeyRing>,
    pub(super) master_key: MasterKeyOrigin,
}

/// What the ground is made of.
pub(super) struct Site<'a> {
    pub(super) config: &'a Config,
    pub(super) options: KeyOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) mode: Mode,
    /// Told of every group of commits, from the first on.
    pub(super) metrics: Metrics,
}

impl Site<'_> {
    /// Opens `given`, or the store of the configuration, and its keys under `master`. Without a master key one is made,
    /// unless the store has keys already: nothing would ever open them again.
    pub(super) async fn open(
        &self,
        given: Option<Arc<dyn Store>>,
        master: Option<FoundMasterKey>,
    ) -> Result<Ground, StartError> {
        let (store, state) = match given {
            Some(store) => (store, StoreState::Open),
            None => self.store()?,
        };
        let metrics = self.metrics.clone();
        store.observe_groups(Box::new(move |commits| metrics.synced(commits)));
        let store = if self.mode == Mode::Real { store } else { self.laid_over(store) };
        let (master, master_key) = match master {
            Some(found) => found,
            None => self.new_master_key(&*store).await?,
        };
        let keys = self.keys(&store, &master).await?;
        Ok(Ground { store, state, keys, master_key })
    }

    /// A ground to find further faults on: nothing of it lasts.
    pub(super) async fn stand_in(&self) -> Result<Ground, StartError> {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(self.clock.clone()));
        let (master, master_key) = self.passing_master_key();
        let keys = self.keys(&store, &master).await?;
        Ok(Ground { store, state: StoreState::Missing, keys, master_key })
    }

    fn store(&self) -> Result<(Arc<dyn Store>, StoreState), StartError> {
        let path = self.config.data_dir.join("store");
        let in_memory = || Arc::new(MemoryStore::new(self.clock.clone()));
        if self.mode == Mode::Real {
            self.make_data_dir()?;
        } else if !SledStore::exists(&path) {
            return Ok((in_memory(), StoreState::Missing));
        }
        let options = SledOptions { path, cache_mib: self.config.store.cache_mib };
        match SledStore::open(options, self.clock.clone()) {
            Ok(store) => Ok((Arc::new(store), StoreState::Open)),
            Err(OpenError::InUse { process, .. }) if self.mode == Mode::RehearsalBeside => {
                Ok((in_memory(), StoreState::InUse { process }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The admin socket is there as well: nobody else's business.
    fn make_data_dir(&self) -> Result<(), StartError> {
        let path = &self.config.data_dir;
        let unmade = |cause| StartError::DataDir { path: path.display().to_string(), cause };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unmade)
    }

    fn laid_over(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(OverlayStore::new(store, self.clock.clone()))
    }

    async fn new_master_key(&self, store: &dyn Store) -> Result<FoundMasterKey, KeyError> {
        if let Some(expected) = KeyRing::sealed_under(store).await? {
            return Err(KeyError::MasterMissing { expected, path: self.config.data_dir.join(MASTER_KEY_FILE) });
        }
        if self.mode == Mode::Real {
            MasterKey::generate(&self.config.data_dir, &*self.entropy)
        } else {
            Ok(self.passing_master_key())
        }
    }

    fn passing_master_key(&self) -> FoundMasterKey {
        let path = self.config.data_dir.join(MASTER_KEY_FILE);
        (MasterKey::new(entropy::array(&*self.entropy)), MasterKeyOrigin::DataDir { path, generated: false })
    }

    async fn keys(&self, store: &Arc<dyn Store>, master: &MasterKey) -> Result<Arc<KeyRing>, KeyError> {
        let (store, options) = (store.clone(), self.options.clone());
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        let keys = match self.mode {
            Mode::ReadOnly => KeyRing::open_as_stored(store, master, options, clock, entropy).await,
            Mode::Real | Mode::Rehearsal | Mode::RehearsalBeside => {
                KeyRing::open(store, master, options, clock, entropy).await
            }
        };
        keys.map(Arc::new)
    }
}
