//! Wiring a server from its configuration.

use super::fault::{Fault, Faults};
use super::generation::{Foundation, key_options};
use super::ground::{Ground, Mode, Site};
use super::plugins::{CacheDir, Tools};
use super::reload::Source;
use super::{App, fetch, plugins};
use crate::accounts::AccountTable;
use crate::audit::AuditLog;
use crate::clock::{Clock, SystemClock};
use crate::config::model::{Config, SyncEntry};
use crate::entropy::{Entropy, SystemEntropy};
use crate::events::{self, Events};
use crate::flow::plugins as switches;
use crate::flow::sync::{self, NamedSource};
use crate::keys::{KeyError, MasterKey, MasterKeyOrigin};
use crate::lockout::Lockout;
use crate::metrics::Metrics;
use crate::password::PasswordHasher;
use crate::plugin::breaker::BreakerState;
use crate::plugin::chain::Backend;
use crate::plugin::last_run::{self, LastRun};
use crate::plugin::outbound::{Resolver, SystemResolver};
use crate::plugin::services::CoreServices;
use crate::plugin::shadow::Comparison;
use crate::plugin::supervision::Supervision;
use crate::plugin::{AccountSource, HostServices, UserVerifier, own_code};
use crate::store::sled::OpenError;
use crate::store::{Store, StoreError};
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::{Mutex, Notify};

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be made.
    #[error("data_dir {path}: {cause}; make the folder, or name another one")]
    DataDir {
        /// The folder.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store opens and cannot be used.
    #[error("the store cannot be used: {0}")]
    Records(#[from] StoreError),
    /// The keys do not open.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The hashing threads do not start.
    #[error("[passwords]: {0}")]
    Hashing(#[from] crate::password::StartError),
    /// What keys of the configuration point at cannot be used; all of it, never empty.
    #[error("{}", lines(.0))]
    Faults(Vec<Fault>),
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Makes an [`App`]; the embedding API.
pub struct Builder {
    config: Config,
    source: Option<Source>,
    environment: Vec<(String, String)>,
    resolver: Arc<dyn Resolver>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    store: Option<Arc<dyn Store>>,
    master_key: Option<(MasterKey, MasterKeyOrigin)>,
    verifiers: Vec<Backend>,
    sources: Vec<NamedSource>,
    with_tls: bool,
    mode: Mode,
}

impl Builder {
    /// A server of this configuration, on the machine's clock, randomness and disk.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            source: None,
            environment: Vec::new(),
            resolver: Arc::new(SystemResolver),
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(SystemEntropy),
            store: None,
            master_key: None,
            verifiers: Vec::new(),
            sources: Vec::new(),
            with_tls: false,
            mode: Mode::Real,
        }
    }

    /// Where secrets given as `{ env }` are looked up, the master key too; without it nowhere.
    #[must_use]
    pub fn environment(mut self, environment: Vec<(String, String)>) -> Self {
        self.environment = environment;
        self
    }

    /// Another way to find the addresses of what plugins connect to than the machine's own.
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Where a reload reads the configuration anew; without it there is none.
    #[must_use]
    pub fn reloads_from(
        mut self,
        source: impl Fn() -> Result<Config, crate::config::ConfigErrors> + Send + Sync + 'static,
    ) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another source of randomness.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Another store than sled in `data_dir`.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Another master key than `keys.master` names, and where it is said to come from.
    #[must_use]
    pub fn master_key(mut self, key: MasterKey, origin: MasterKeyOrigin) -> Self {
        self.master_key = Some((key, origin));
        self
    }

    /// A backend of the embedding program's own: where the configured chain names it
    /// ([`crate::config::LoadOptions::embedded`]), else before that. `name` is kept with every identity and must not
    /// change.
    #[must_use]
    pub fn user_verifier(mut self, name: &str, verifier: Arc<dyn UserVerifier>) -> Self {
        self.verifiers.push(Backend { name: name.to_owned(), verifier, next_on_error: false });
        self
    }

    /// An account source of the embedding program's own: its accounts are copied as `entry` says, those of the backend
    /// that has the entry's name.
    #[must_use]
    pub fn account_source(mut self, entry: SyncEntry, source: Arc<dyn AccountSource>) -> Self {
        self.sources.push(NamedSource::new(entry, source));
        self
    }

    /// Reads the files of `listen.tls` too, for [`App::tls`].
    #[must_use]
    pub const fn with_tls(mut self) -> Self {
        self.with_tls = true;
        self
    }

    /// Leaves store and keys as they are: what is written stays in memory, nothing is made or rotated.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.mode = Mode::ReadOnly;
        self
    }

    /// Does in memory what [`Self::build`] would do to the store, its keys and the audit log.
    #[must_use]
    pub const fn rehearsal(mut self) -> Self {
        self.mode = Mode::Rehearsal;
        self
    }

    /// As [`Self::rehearsal`]; a store that another process has is left out.
    #[must_use]
    pub const fn rehearsal_beside(mut self) -> Self {
        self.mode = Mode::RehearsalBeside;
        self
    }

    /// Reads what the configuration points at, opens the store and the keys, loads the plugins, and wires everything.
    /// Nothing is made before all that is read was found good.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn build(self) -> Result<App, StartError> {
        let Self {
            config,
            source,
            environment,
            resolver,
            clock,
            entropy,
            store,
            master_key,
            verifiers,
            sources,
            with_tls,
            mode,
        } = self;
        let mut faults = Faults::new(&config.places);
        let master = master_key.or_else(|| fetch::master_key(&config, &environment, &mut faults));
        let secrets = fetch::secrets(&config, &environment, &mut faults);
        let tls = if with_tls { fetch::tls(&config, &mut faults) } else { None };
        fetch::audit_file(&config, &mut faults);
        let options = key_options(&config);
        let metrics = Metrics::new();
        let site = Site {
            config: &config,
            options,
            clock: clock.clone(),
            entropy: entropy.clone(),
            mode,
            metrics: metrics.clone(),
        };
        let Ground { store, state, keys, master_key } = settle(&site, store, master, &mut faults).await?;
        if let Some(from) = keys.takes_over_at(config.tokens.access.algorithm) {
            let algorithm = config.tokens.access.algorithm.name();
            tracing::warn!(algorithm, from = from.0, "the configured algorithm signs later, the former one until then");
        }
        let hasher = PasswordHasher::start(&config.passwords, entropy.clone())?;
        let min_length = config.passwords.min_length;
        let accounts = AccountTable::new(store.clone(), hasher.clone(), clock.clone(), entropy.clone(), min_length);
        let accounts = Arc::new(accounts);
        let services: Arc<dyn HostServices> = Arc::new(CoreServices {
            clock: clock.clone(),
            entropy: entropy.clone(),
            store: store.clone(),
            hasher: hasher.clone(),
            accounts: accounts.clone(),
            keys: keys.clone(),
        });
        let supervision = supervision(&metrics);
        switches::read(store.as_ref(), &supervision.switches).await?;
        let cache = CacheDir::new(&config, mode == Mode::Real && faults.is_empty(), &*entropy);
        let kept = Arc::default();
        let tools = Tools {
            services: &services,
            supervision: &supervision,
            embedded: &verifiers,
            variables: &environment,
            resolver: &resolver,
            last_run: LastRun::read(store.as_ref()).await?,
            kept: &kept,
        };
        let plugins = plugins::load(&config, tools, &cache, &mut faults).await;
        let audit = open_audit(&config, mode, &clock, &metrics, &mut faults);
        let (Some(mut plugins), Some(audit), true) = (plugins, audit, faults.is_empty()) else {
            return Err(StartError::Faults(faults.into_found()));
        };
        let mac = keys.clone();
        let lockout = Lockout::new(
            store.clone(),
            clock.clone(),
            Arc::new(move |domain, parts| mac.mac(domain, parts)),
            config.lockout.clone(),
        );
        let ground = events::Ground {
            store: store.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            metrics: metrics.clone(),
        };
        let events = Events::open(ground, event_limits(&config), std::mem::take(&mut plugins.sinks)).await?;
        let foundation = Foundation {
            store,
            clock,
            entropy,
            keys,
            hasher,
            accounts,
            lockout,
            audit,
            metrics,
            services,
            supervision,
            embedded: verifiers,
            sources,
            events: Arc::new(events),
            environment,
            resolver,
            kept,
        };
        let ledgers = std::mem::take(&mut plugins.ledgers);
        let generation = foundation.raise(config, plugins, secrets, None).await?;
        foundation.supervision.ledgers.install(ledgers);
        for warning in sync::warnings(&generation.served.core).await? {
            tracing::warn!("{warning}");
        }
        last_run::remember(foundation.store.as_ref(), &generation.registry).await?;
        if mode == Mode::Real {
            // Last, as the start needs the processor itself.
            own_code::begin();
        }
        let (live, reloading, renewed) = (ArcSwap::from_pointee(generation), Mutex::default(), Notify::new());
        Ok(App { master_key, store_state: state, tls, foundation, live, source, reloading, renewed })
    }
}

/// Breakers and shadows are seen in the metrics.
fn supervision(metrics: &Metrics) -> Supervision {
    let (breakers, shadows) = (metrics.clone(), metrics.clone());
    let observer = move |plugin: &str, state| breakers.breaker(plugin, state != BreakerState::Closed);
    let compared = move |plugin: &str, comparison: Comparison| shadows.shadow_answered(plugin, comparison.name());
    Supervision { observer: Arc::new(observer), compared: Arc::new(compared), ..Supervision::default() }
}

/// The ground of the server, or where there are faults one that only serves to find the others.
async fn settle(
    site: &Site<'_>,
    store: Option<Arc<dyn Store>>,
    master: Option<fetch::FoundMasterKey>,
    faults: &mut Faults<'_>,
) -> Result<Ground, StartError> {
    if faults.is_empty() {
        match site.open(store, master).await {
            Err(StartError::Keys(error)) if error.is_about_the_master_key() => faults.add("keys.master", error),
            outcome => return outcome,
        }
    }
    site.stand_in().await
}

/// `None` where the file cannot be opened; a log without its file where nothing is to be made, or is not worth it.
fn open_audit(
    config: &Config,
    mode: Mode,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
    faults: &mut Faults<'_>,
) -> Option<AuditLog> {
    let file = config.log.audit.as_deref().filter(|_| !mode.is_rehearsal() && faults.is_empty());
    faults.take("log.audit", AuditLog::open(file, clock.clone(), metrics.clone()))
}

fn event_limits(config: &Config) -> events::Limits {
    let events = &config.events;
    events::Limits {
        max_age: events.max_age,
        max_entries: u64::try_from(events.max_entries).unwrap_or(u64::MAX),
        keep_dead: events.keep_dead,
    }
}
