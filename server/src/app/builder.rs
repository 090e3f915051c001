//! Wiring a server from its configuration.

use super::{App, clients, plugins};
use crate::accounts::AccountTable;
use crate::audit::AuditLog;
use crate::clock::{Clock, SystemClock};
use crate::config::model::{Algorithm, Config};
use crate::config::secret::SecretError;
use crate::entropy::{Entropy, SystemEntropy};
use crate::flow::clients::ClientDirectory;
use crate::flow::{Core, Settings, backends};
use crate::http::paths::RoutePaths;
use crate::http::served::Served;
use crate::keys::{KeyError, KeyOptions, KeyRing, MasterKey, MasterKeyOrigin};
use crate::lockout::Lockout;
use crate::metrics::Metrics;
use crate::password::PasswordHasher;
use crate::plugin::chain::{Backend, UserChain};
use crate::plugin::registry::{LoadError, LookupError};
use crate::plugin::services::CoreServices;
use crate::plugin::{UserVerifier, own_code};
use crate::store::sled::{OpenError, SledOptions, SledStore};
use crate::store::{Store, StoreError};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
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
    /// The audit file cannot be written.
    #[error("log.audit {path}: {cause}")]
    Audit {
        /// The file.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// A client's secret cannot be fetched.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Plugins that the operator has to put right.
    #[error("{}", lines(.0))]
    Plugins(Vec<LoadError>),
    /// A plugin cannot be used as what the configuration uses it as.
    #[error(transparent)]
    PluginUse(#[from] LookupError),
}

fn lines(errors: &[LoadError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
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
        }
    }

    /// Where secrets given as `{ env }` are looked up.
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

    /// Opens the store and the keys, loads the plugins, and wires everything.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn build(self) -> Result<App, StartError> {
        let Self { config, environment, clock, entropy, store, master_key, verifiers } = self;
        // Begun now, as the plugins need it when the rest has been opened.
        drop(tokio::task::spawn_blocking(own_code::sha256));
        let store = match store {
            Some(store) => store,
            None => open_store(&config, clock.clone())?,
        };
        let metrics = Metrics::new();
        let groups = metrics.clone();
        store.observe_groups(Box::new(move |commits| groups.synced(commits)));
        let (master, master_key) = match master_key {
            Some(given) => given,
            None => MasterKey::load(config.keys.master.as_ref(), &config.data_dir, &*entropy)?,
        };
        let keys = KeyRing::open(store.clone(), &master, key_options(&config), clock.clone(), entropy.clone()).await?;
        let keys = Arc::new(keys);
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
        let registry = plugins::load(&config, Arc::new(services)).await?;
        let plugin_hashes = plugins::hashes(&registry, verifiers.iter().map(|backend| backend.name.as_str()));
        let chain = plugins::chain(&config, &registry, verifiers)?;
        let mac = keys.clone();
        let lockout = Lockout::new(
            store.clone(),
            clock.clone(),
            Arc::new(move |domain, parts| mac.mac(domain, parts)),
            config.lockout.clone(),
        );
        let mut configured = Vec::new();
        for (index, entry) in config.clients.iter().enumerate() {
            configured.push(clients::client(entry, index, &keys, &environment)?);
        }
        let clients = ClientDirectory::new(configured);
        clients.read_stored(store.as_ref()).await?;
        let audit = open_audit(&config, clock.clone(), metrics.clone())?;
        let own_backends = plugins::own_backends(&config);
        let ever_own_backends = backends::remember(store.as_ref(), &own_backends).await?;
        let core = Arc::new(Core {
            store,
            clock: clock.clone(),
            entropy,
            keys,
            hasher,
            lockout,
            users: UserChain::new(chain, clock),
            own_backends,
            ever_own_backends,
            accounts,
            clients,
            policies: plugins::policies(&config, &registry)?,
            formats: plugins::formats(&config, &registry)?,
            audit,
            plugin_hashes,
            metrics,
            settings: settings(&config),
        });
        let served = Arc::new(Served {
            core: core.clone(),
            paths: RoutePaths::new(&config.paths, &config.issuer),
            bearer_login: config.authorize.bearer_login,
            unauthorized_client_status: config.compatibility.unauthorized_client_status,
            bearer_errors: config.compatibility.bearer_errors,
        });
        Ok(App { core, served, config, registry, master_key })
    }
}

fn open_store(config: &Config, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StartError> {
    let unmade = |cause| StartError::DataDir { path: config.data_dir.display().to_string(), cause };
    // The admin socket is there as well: nobody else's business.
    DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir).map_err(unmade)?;
    let options = SledOptions { path: config.data_dir.join("store"), cache_mib: config.store.cache_mib };
    Ok(Arc::new(SledStore::open(options, clock)?))
}

fn open_audit(config: &Config, clock: Arc<dyn Clock>, metrics: Metrics) -> Result<AuditLog, StartError> {
    AuditLog::open(config.log.audit.as_deref(), clock, metrics).map_err(|cause| StartError::Audit {
        path: config.log.audit.as_deref().unwrap_or_else(|| std::path::Path::new("")).display().to_string(),
        cause,
    })
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
        every_scope: config.compatibility.every_scope.clone(),
    }
}
