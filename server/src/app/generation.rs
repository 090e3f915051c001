//! One reading of configuration and plugins: everything that a reload replaces at once.

use super::fetch::FetchedSecret;
use super::plugins::{self, Plugins};
use super::{StartError, clients};
use crate::accounts::AccountTable;
use crate::audit::AuditLog;
use crate::clock::Clock;
use crate::config::model::{Algorithm, Config};
use crate::entropy::Entropy;
use crate::events::Events;
use crate::flow::clients::ClientDirectory;
use crate::flow::directory::Directories;
use crate::flow::sync::{self, NamedSource};
use crate::flow::{Core, Settings, backends};
use crate::http::paths::RoutePaths;
use crate::http::routes;
use crate::http::served::Served;
use crate::keys::{KeyOptions, KeyRing};
use crate::lockout::Lockout;
use crate::metrics::Metrics;
use crate::password::PasswordHasher;
use crate::plugin::HostServices;
use crate::plugin::chain::{Backend, UserChain};
use crate::plugin::kept::Kept;
use crate::plugin::outbound::Resolver;
use crate::plugin::registry::Registry;
use crate::plugin::supervision::Supervision;
use crate::store::Store;
use std::sync::Arc;

/// What is made once and outlives every reload.
pub(super) struct Foundation {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) keys: Arc<KeyRing>,
    pub(super) hasher: Arc<PasswordHasher>,
    pub(super) accounts: Arc<AccountTable>,
    pub(super) lockout: Arc<Lockout>,
    pub(super) audit: AuditLog,
    pub(super) metrics: Metrics,
    pub(super) services: Arc<dyn HostServices>,
    pub(super) supervision: Supervision,
    /// Backends of the embedding program.
    pub(super) embedded: Vec<Backend>,
    /// Account sources of the embedding program.
    pub(super) sources: Vec<NamedSource>,
    pub(super) events: Arc<Events>,
    /// The process's variables.
    pub(super) environment: Vec<(String, String)>,
    pub(super) resolver: Arc<dyn Resolver>,
    /// What every loading of plugins may build on.
    pub(super) kept: Arc<Kept>,
}

/// What requests see: all of one reading, or all of the next.
pub(super) struct Generation {
    pub(super) served: Arc<Served>,
    pub(super) config: Arc<Config>,
    pub(super) registry: Arc<Registry>,
}

/// What served before a reload.
pub(super) struct Before<'a> {
    pub(super) core: &'a Core,
    /// Whether the plugin of this name is another now.
    pub(super) has_changed: &'a (dyn Fn(&str) -> bool + Sync),
}

impl Foundation {
    /// Puts a reading together. `before`: whose directories' memory it goes on with.
    pub(super) async fn raise(
        &self,
        config: Config,
        plugins: Plugins,
        secrets: Vec<Vec<FetchedSecret>>,
        before: Option<Before<'_>>,
    ) -> Result<Generation, StartError> {
        let store = self.store.clone();
        let configured = config.clients.iter().zip(secrets);
        let clients =
            ClientDirectory::new(configured.map(|(entry, secrets)| clients::client(entry, secrets, &self.keys)));
        clients.read_stored(store.as_ref()).await?;
        let own_backends = plugins::own_backends(&config);
        let ever_own_backends = backends::remember(store.as_ref(), &own_backends).await?;
        let embedded = self.embedded.iter().map(|backend| backend.name.clone());
        let code = plugins::code(&plugins.registry, embedded);
        let extension_grants = plugins.extensions.iter().flat_map(|extension| extension.grant_types.clone()).collect();
        let directories = match &before {
            Some(before) => before.core.directories.succeeded_by(plugins.directories, before.has_changed),
            None => Directories::new(plugins.directories),
        };
        let goes_on = |source: NamedSource| match before
            .as_ref()
            .and_then(|before| sync::find(before.core, &source.entry.plugin))
        {
            Some(before) => source.in_turn_with(before),
            None => source,
        };
        let syncs = plugins.syncs.into_iter().map(goes_on).chain(self.sources.iter().cloned()).collect();
        let registry = Arc::new(plugins.registry);
        let core = Arc::new(Core {
            store,
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            keys: self.keys.clone(),
            hasher: self.hasher.clone(),
            lockout: self.lockout.clone(),
            users: UserChain::new(plugins.chain, self.clock.clone()),
            own_backends,
            ever_own_backends,
            accounts: self.accounts.clone(),
            clients,
            policies: plugins.policies,
            claims: plugins.claims,
            directories,
            syncs,
            extensions: plugins.extensions,
            formats: plugins.formats,
            audit: self.audit.clone(),
            code,
            events: self.events.clone(),
            metrics: self.metrics.clone(),
            settings: Settings { extension_grants, ..settings(&config) },
            registry: registry.clone(),
            switches: self.supervision.switches.clone(),
            shadows: self.supervision.ledgers.clone(),
        });
        let paths = RoutePaths::new(&config.paths, &config.issuer);
        let bearer_login = config.authorize.bearer_login;
        let served = Arc::new(Served {
            core,
            table: routes::table(&paths, bearer_login),
            paths,
            bearer_login,
            unauthorized_client_status: config.compatibility.unauthorized_client_status,
            bearer_errors: config.compatibility.bearer_errors,
        });
        Ok(Generation { served, config: Arc::new(config), registry })
    }
}

/// What the keys are kept by.
pub(super) fn key_options(config: &Config) -> KeyOptions {
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
        extension_grants: Vec::new(),
        every_scope: config.compatibility.every_scope.clone(),
    }
}
