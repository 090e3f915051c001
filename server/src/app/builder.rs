//! Wiring a server from its configuration.

use super::fault::{Fault, Faults};
use super::ground::{Ground, Mode, Site};
use super::plugins::CacheDir;
use super::{App, clients, fetch, plugins};
use crate::accounts::AccountTable;
use crate::audit::AuditLog;
use crate::clock::{Clock, SystemClock};
use crate::config::model::{Algorithm, Config, SyncEntry};
use crate::entropy::{Entropy, SystemEntropy};
use crate::events::{self, Events};
use crate::flow::clients::ClientDirectory;
use crate::flow::directory::Directories;
use crate::flow::sync::NamedSource;
use crate::flow::{Core, Settings, backends};
use crate::http::paths::RoutePaths;
use crate::http::served::Served;
use crate::keys::{KeyError, KeyOptions, MasterKey, MasterKeyOrigin};
use crate::lockout::Lockout;
use crate::metrics::Metrics;
use crate::password::PasswordHasher;
use crate::plugin::chain::{Backend, UserChain};
use crate::plugin::last_run::{self, LastRun};
use crate::plugin::services::CoreServices;
use crate::plugin::{AccountSource, UserVerifier, own_code};
use crate::store::sled::OpenError;
use crate::store::{Store, StoreError};
use std::sync::Arc;

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
    environment: Vec<(String, String)>,
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
            environment: Vec::new(),
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
        let Self { config, environment, clock, entropy, store, master_key, verifiers, sources, with_tls, mode } = self;
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
        let services = CoreServices {
            clock: clock.clone(),
            entropy: entropy.clone(),
            store: store.clone(),
            hasher: hasher.clone(),
            accounts: accounts.clone(),
            keys: keys.clone(),
        };
        let embedded: Vec<String> = verifiers.iter().map(|backend| backend.name.clone()).collect();
        let cache = CacheDir::new(&config, mode == Mode::Real && faults.is_empty(), &*entropy);
        let last_run = LastRun::read(store.as_ref()).await?;
        let services = Arc::new(services);
        let plugins = plugins::load(&config, services, verifiers, &cache, &environment, last_run, &mut faults).await;
        let audit = open_audit(&config, mode, &clock, &metrics, &mut faults);
        let (Some(plugins), Some(audit), true) = (plugins, audit, faults.is_empty()) else {
            return Err(StartError::Faults(faults.into_found()));
        };
        let mac = keys.clone();
        let lockout = Lockout::new(
            store.clone(),
            clock.clone(),
            Arc::new(move |domain, parts| mac.mac(domain, parts)),
            config.lockout.clone(),
        );
        let configured = config.clients.iter().zip(secrets);
        let configured: Vec<_> = configured.map(|(entry, secrets)| clients::client(entry, secrets, &keys)).collect();
        let clients = ClientDirectory::new(configured);
        clients.read_stored(store.as_ref()).await?;
        last_run::remember(store.as_ref(), &plugins.registry).await?;
        let own_backends = plugins::own_backends(&config);
        let ever_own_backends = backends::remember(store.as_ref(), &own_backends).await?;
        let extension_grants = plugins.extensions.iter().flat_map(|extension| extension.grant_types.clone()).collect();
        let ground = events::Ground {
            store: store.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            metrics: metrics.clone(),
        };
        let events = Events::open(ground, event_limits(&config), plugins.sinks).await?;
        let settings = Settings { extension_grants, ..settings(&config) };
        let code = plugins::code(&plugins.registry, embedded.into_iter());
        let core = Arc::new(Core {
            store,
            clock: clock.clone(),
            entropy,
            keys,
            hasher,
            lockout,
            users: UserChain::new(plugins.chain, clock),
            own_backends,
            ever_own_backends,
            accounts,
            clients,
            policies: plugins.policies,
            claims: plugins.claims,
            directories: Directories::new(plugins.directories),
            syncs: plugins.syncs.into_iter().chain(sources).collect(),
            extensions: plugins.extensions,
            formats: plugins.formats,
            audit,
            code,
            events,
            metrics,
            settings,
        });
        let served = Arc::new(Served {
            core: core.clone(),
            paths: RoutePaths::new(&config.paths, &config.issuer),
            bearer_login: config.authorize.bearer_login,
            unauthorized_client_status: config.compatibility.unauthorized_client_status,
            bearer_errors: config.compatibility.bearer_errors,
        });
        if mode == Mode::Real {
            // Last, as the start needs the processor itself.
            own_code::begin();
        }
        Ok(App { core, served, config, registry: plugins.registry, master_key, store_state: state, tls })
    }
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

fn key_options(config: &Config) -> KeyOptions {
    let longest = config.clients.iter().filter_map(|client| client.access_lifetime).max().unwrap_or_default();
    KeyOptions {
        algorithms: algorithms(config),
        rotate_every: config.keys.rotate_every,
        publish_before: config.keys.publish_before,
        retain: config.tokens.access.lifetime.max(longest),
    }
}

/// No key is made for a server whose tokens are all opaque; those that there are stay while tokens of theirs live.
fn algorithms(config: &Config) -> Vec<Algorithm> {
    if config.tokens.access.format == "opaque" { Vec::new() } else { vec![config.tokens.access.algorithm] }
}

fn event_limits(config: &Config) -> events::Limits {
    let events = &config.events;
    events::Limits {
        max_age: events.max_age,
        max_entries: u64::try_from(events.max_entries).unwrap_or(u64::MAX),
        keep_dead: events.keep_dead,
    }
}

fn settings(config: &Config) -> Settings {
    let tokens = &config.tokens;
    Settings {
        issuer: config.issuer.clone(),
        audience: tokens.access.audience.clone(),
        algorithm: tokens.access.algorithm,
        typ: tokens.access.typ.clone(),
        access_lifetime: tokens.access.lifetime,
        refresh_lifetime: tokens.refresh.lifetime,
        grace: tokens.refresh.grace,
        rotation_ends_access: tokens.refresh.ends_access_tokens,
        code_lifetime: tokens.code_lifetime,
        failure_time: config.passwords.failure_time,
        count_client_addresses: config.lockout.count_client_addresses,
        default_client: config.grants.default_client.clone(),
        extension_grants: Vec::new(),
        every_scope: config.compatibility.every_scope.clone(),
    }
}
