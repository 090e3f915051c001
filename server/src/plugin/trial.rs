//! A plugin's file outside of any server: tried by the conformance kit, and timed. The host interfaces stand on a table in
//! memory, two made-up accounts and made-up signatures; the file itself is loaded as a server loads it.

mod bare;
mod bench;
mod fixtures;
mod folder;
mod services;
mod subject;
mod upstream;

pub use bench::{Figure, bench};
pub use fixtures::TrialFixtures;
pub use subject::{LoadedSubject, load};

use super::kept::Kept;
use super::last_run::LastRun;
use super::outbound::SystemResolver;
use super::private_dir::sha256_hex;
use super::registry::{Environment, LoadedPlugin, builtins};
use crate::clock::Clock;
use crate::config::model::{NetworkGrant, PluginEntry, PluginLimits, PluginSource, SecretSource};
use crate::entropy::Entropy;
use bare::Bare;
use folder::Folder;
use pintle_plugin_api::conformance::{self, Report, SLOW_CALL, Subject, World, Worlds};
use services::TrialServices;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::runtime::Handle;
use upstream::Upstream;

/// Why there is no trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The file cannot be read, or has no name that says what it is.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The fixtures are not what they should be.
    #[error("the fixtures: {0}")]
    Fixtures(String),
    /// Something that the trial itself needs is not there.
    #[error("{0}")]
    Surroundings(String),
}

/// A plugin's file and what it is tried with.
pub struct Trial {
    source: PluginSource,
    sha256: String,
    bare: Bare,
    fixtures: TrialFixtures,
    folder: Folder,
    /// Of the whole world: what a plugin has kept is there when it is loaded anew.
    whole: Arc<TrialServices>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Of every loading of the file, but where loading is timed.
    kept: Arc<Kept>,
    /// What the plugin wants of the host: known once it was loaded.
    wants: OnceLock<Vec<String>>,
    runtime: Handle,
}

impl Trial {
    /// Prepares a trial of `path`, a `.pintle`, `.wasm`, `.so`, `.dylib` or `.dll`. Compiled components go to a folder of
    /// their own among the temporary files, which is removed with the trial.
    ///
    /// # Errors
    /// See [`TrialError`].
    pub fn new(
        path: &Path,
        fixtures: TrialFixtures,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        runtime: Handle,
    ) -> Result<Self, TrialError> {
        let refuse = |why: String| TrialError::File { path: path.to_owned(), why };
        let file = std::path::absolute(path).map_err(|error| refuse(error.to_string()))?;
        let bytes = std::fs::read(&file).map_err(|error| refuse(error.to_string()))?;
        let source = PluginSource::of_file(file)
            .ok_or_else(|| refuse("a plugin's file ends in .pintle, .wasm, .so, .dylib or .dll".to_owned()))?;
        let folder = Folder::make(entropy.as_ref()).map_err(TrialError::Surroundings)?;
        let bare = Bare::of(&source, &bytes, folder.path()).map_err(TrialError::Surroundings)?;
        let whole = TrialServices::new(World::Whole, &clock, &entropy).map_err(TrialError::Surroundings)?;
        let sha256 = sha256_hex(&bytes);
        let (whole, kept, wants) = (Arc::new(whole), Arc::default(), OnceLock::new());
        Ok(Self { source, sha256, bare, fixtures, folder, whole, clock, entropy, kept, wants, runtime })
    }

    /// Of the file, as lower-case hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Runs the conformance kit. Blocks, outside of the runtime's own threads.
    #[must_use]
    pub fn run(&self) -> Report {
        conformance::run_in(self, &self.fixtures.kit(self.fixtures.upstream.as_deref()))
    }

    fn entry(&self, world: World, upstream: Option<&Upstream>, reuse: u32) -> Result<PluginEntry, String> {
        let origin = upstream.map(Upstream::origin);
        let grant = |origin: &str| {
            let origin = origin.parse().map_err(|error| format!("the upstream {origin}: {error}"))?;
            Ok::<_, String>(NetworkGrant { origin, private: true, ca: None })
        };
        let secret = |(name, value): (&String, &String)| (name.clone(), SecretSource::Value(value.clone().into()));
        let timeout = (world == World::SlowUpstream).then_some(SLOW_CALL);
        Ok(PluginEntry {
            sha256: Some(self.sha256.clone()),
            config_json: self.fixtures.kit(origin).config_json,
            allow: Some(["kv", "crypto", "accounts"].map(str::to_owned).to_vec()),
            limits: PluginLimits { timeout, ..PluginLimits::default() },
            required: true,
            // Nothing was run before a trial.
            allow_downgrade: true,
            reuse,
            network: origin.map(grant).transpose()?.into_iter().collect(),
            secrets: self.fixtures.secrets.iter().map(secret).collect(),
            ..PluginEntry::new(self.source.clone())
        })
    }

    /// - `kept`: of earlier loadings
    fn environment(&self, world: World, kept: Arc<Kept>) -> Result<Environment, String> {
        let services = match world {
            World::Whole => Arc::clone(&self.whole),
            _ => Arc::new(TrialServices::new(world, &self.clock, &self.entropy)?),
        };
        Ok(Environment {
            services,
            builtins: builtins(),
            cache_dir: self.cache_dir()?,
            known_dir: None,
            resolver: Arc::new(SystemResolver),
            last_run: LastRun::default(),
            kept,
            variables: Vec::new(),
        })
    }

    /// Compiled components are shared. A library has another folder each time: opened from a path where it was opened before,
    /// it would be the same one, and remember all that it did.
    fn cache_dir(&self) -> Result<PathBuf, String> {
        if self.bare.is_library() { self.folder.empty() } else { Ok(self.folder.path().to_owned()) }
    }

    fn loaded(&self, world: World, upstream: Option<Upstream>, reuse: u32) -> Result<LoadedSubject, String> {
        let entry = self.entry(world, upstream.as_ref(), reuse)?;
        self.loaded_in(self.environment(world, Arc::clone(&self.kept))?, entry, upstream)
    }

    /// As a server that starts loads it: of an earlier loading there is the compiled form, and nothing else.
    fn started(&self, upstream: Option<Upstream>) -> Result<LoadedSubject, String> {
        let entry = self.entry(World::Whole, upstream.as_ref(), 1)?;
        self.loaded_in(self.environment(World::Whole, Arc::default())?, entry, upstream)
    }

    fn loaded_in(
        &self,
        environment: Environment,
        entry: PluginEntry,
        upstream: Option<Upstream>,
    ) -> Result<LoadedSubject, String> {
        // What it does not want is denied to it.
        let wants = self.wants(&entry)?;
        let entry = granted(entry, wants);
        let loaded = self.load(entry.clone(), &environment)?;
        let subject = LoadedSubject::new(entry, loaded, environment, self.runtime.clone());
        Ok(subject.with_upstream(upstream).with_bare(self.bare.clone()))
    }

    fn wants(&self, entry: &PluginEntry) -> Result<&[String], String> {
        if let Some(wants) = self.wants.get() {
            return Ok(wants);
        }
        let environment = self.environment(World::Whole, Arc::clone(&self.kept))?;
        let wants = self.load(entry.clone(), &environment)?.wants.clone();
        Ok(self.wants.get_or_init(|| wants))
    }

    fn load(&self, entry: PluginEntry, environment: &Environment) -> Result<Arc<LoadedPlugin>, String> {
        self.runtime.block_on(load(entry, environment)).map_err(|faults| faults.join("; "))
    }
}

/// The entry without the grants that the plugin's manifest does not ask for.
fn granted(mut entry: PluginEntry, wants: &[String]) -> PluginEntry {
    let wanted = |interface: &str| wants.iter().any(|wanted| wanted == interface);
    entry.allow.iter_mut().for_each(|allowed| allowed.retain(|interface| wanted(interface)));
    entry.network.retain(|_| wanted("http"));
    entry.secrets.retain(|_, _| wanted("secrets"));
    entry
}

impl Worlds for Trial {
    fn subject(&self, world: World) -> Result<Option<Box<dyn Subject + Sync + '_>>, String> {
        let upstream = match (world, &self.fixtures.upstream) {
            (World::Whole | World::DeadHost, named) => named.clone().map(Upstream::Named),
            (World::DeadUpstream | World::SlowUpstream, None) => return Ok(None),
            (World::DeadUpstream, Some(_)) => Some(Upstream::dead()?),
            (World::SlowUpstream, Some(_)) => Some(Upstream::slow()?),
        };
        Ok(Some(Box::new(self.loaded(world, upstream, 1)?)))
    }

    fn monotonic_ms(&self) -> u64 {
        self.clock.monotonic_ms()
    }
}

#[cfg(test)]
mod tests;
