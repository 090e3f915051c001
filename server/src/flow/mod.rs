//! The use cases, one file each: load, decide, mint, commit. Only this layer awaits; what it decides, `oauth` decides.

pub mod authorize;
pub mod backends;
pub mod challenge;
pub mod clients;
mod decision;
pub mod directory;
pub mod enrich;
pub mod explain;
pub mod family;
pub mod identity;
pub mod introspect;
pub mod login;
pub mod mint;
pub mod plugins;
pub mod records;
pub mod revoke;
pub mod sync;
pub mod token;
pub mod trail;
pub mod validate;

use crate::audit::AuditLog;
use crate::clock::Clock;
use crate::config::model::Algorithm;
use crate::entropy::Entropy;
use crate::events::Events;
use crate::keys::KeyRing;
use crate::lockout::Lockout;
use crate::metrics::{Metrics, PluginOutcome};
use crate::oauth::error::OAuthError;
use crate::password::PasswordHasher;
use crate::plugin::chain::UserChain;
use crate::plugin::own_code::Code;
use crate::plugin::registry::Registry;
use crate::plugin::shadow::Ledgers;
use crate::plugin::supervision::Switches;
use crate::plugin::{CallError, ClaimsSource, ExtensionGrant, Fault, ScopePolicy, TokenFormat};
use crate::store::{CommitError, Store, StoreError, Version};
use pintle_plugin_api::CallContext;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use trail::Trail;

/// How often a decision is taken anew because another commit was first. Every conflict is somebody's progress; the bound
/// only keeps a fault from going on for ever.
pub(crate) const MAX_RELOADS: usize = 128;

/// What the use cases work with; `app` wires it.
pub struct Core {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Signing keys and the keyed hash.
    pub keys: Arc<KeyRing>,
    /// The hashing threads.
    pub hasher: Arc<PasswordHasher>,
    /// Brute-force defence.
    pub lockout: Arc<Lockout>,
    /// Who is asked about users.
    pub users: UserChain,
    /// Backends whose accounts are the core's own.
    pub own_backends: Vec<String>,
    /// The same, and what they were called before: their tokens would work again under the old name.
    pub ever_own_backends: Vec<String>,
    /// The core's own accounts.
    pub accounts: Arc<crate::accounts::AccountTable>,
    /// Configured clients.
    pub clients: clients::ClientDirectory,
    /// All of them have to grant a scope.
    pub policies: Vec<NamedPolicy>,
    /// Asked in turn what else there is to say about a user.
    pub claims: Vec<NamedClaims>,
    /// Grants of plugins.
    pub extensions: Vec<NamedExtension>,
    /// Who is asked, at a refresh, whether an account is still there.
    pub directories: directory::Directories,
    /// Whose accounts are copied.
    pub syncs: Vec<sync::NamedSource>,
    /// The first one issues; all of them are asked about a token.
    pub formats: Vec<NamedFormat>,
    /// Where decisions are written down.
    pub audit: AuditLog,
    /// Which code a plugin of this name is.
    pub code: HashMap<String, Code>,
    /// Who else is told of them.
    pub events: Arc<Events>,
    /// What is counted.
    pub metrics: Metrics,
    /// The rest of the configuration that decisions need.
    pub settings: Settings,
    /// All plugins, for their operator.
    pub registry: Arc<Registry>,
    /// Which plugins the operator has disabled.
    pub switches: Switches,
    /// What the answers of plugins in shadow came to.
    pub shadows: Ledgers,
}

/// A scope policy and its name in the configuration.
pub struct NamedPolicy {
    /// For the audit log.
    pub name: String,
    /// The policy.
    pub policy: Arc<dyn ScopePolicy>,
    /// Without its answer, what client and request allow is granted.
    pub static_on_error: bool,
}

/// A source of claims and its name in the configuration.
pub struct NamedClaims {
    /// For the audit log.
    pub name: String,
    /// A failure leaves its claims out instead of failing the request.
    pub optional: bool,
    /// The source.
    pub source: Arc<dyn ClaimsSource>,
}

/// A plugin's grant and its name in the configuration, which is also the backend of the accounts that it names.
pub struct NamedExtension {
    /// For the audit log.
    pub name: String,
    /// The values of `grant_type` that it answers.
    pub grant_types: Vec<String>,
    /// The grant.
    pub grant: Arc<dyn ExtensionGrant>,
}

/// A token format and its name in the configuration.
pub struct NamedFormat {
    /// For the audit log.
    pub name: String,
    /// Whether its tokens are JWS of the host's claims, which a resource server reads without asking.
    pub self_contained: bool,
    /// The format.
    pub format: Arc<dyn TokenFormat>,
}

/// Settings of the flows.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer.
    pub issuer: String,
    /// Of access tokens.
    pub audience: Vec<String>,
    /// The algorithm that access tokens are signed with, once its key has been published for long enough.
    pub algorithm: Algorithm,
    /// The JOSE header's `typ`.
    pub typ: String,
    /// Of access tokens.
    pub access_lifetime: Duration,
    /// Of refresh tokens, from the login.
    pub refresh_lifetime: Duration,
    /// How long a used refresh token still gets the same successor.
    pub grace: Duration,
    /// A rotation ends the access tokens issued beside the old refresh token.
    pub rotation_ends_access: bool,
    /// Of authorization codes.
    pub code_lifetime: Duration,
    /// A failed login never answers sooner.
    pub failure_time: Duration,
    /// Whether tries through confidential clients count by address, too.
    pub count_client_addresses: bool,
    /// Who a token request is from when it names no client.
    pub default_client: Option<String>,
    /// The values of `grant_type` that plugins answer.
    pub extension_grants: Vec<String>,
    /// The scope that stands for every scope at the authorization endpoint, if there is one.
    pub every_scope: Option<String>,
}

/// One request as the flows see it.
pub struct Call {
    /// As in the logs.
    pub request_id: String,
    /// Where it is from.
    pub ip: Option<IpAddr>,
    /// What the audit log will say.
    pub trail: Trail,
}

impl Call {
    /// A call with an empty trail.
    #[must_use]
    pub fn new(request_id: String, ip: Option<IpAddr>) -> Self {
        Self { request_id, ip, trail: Trail::default() }
    }

    /// The context for a plugin; the host fills in the deadline.
    #[must_use]
    pub fn context(&self, client_id: Option<&str>) -> CallContext {
        CallContext {
            request_id: self.request_id.clone(),
            client_id: client_id.map(str::to_owned),
            remote_ip: self.ip.map(|ip| ip.to_string()),
            ..CallContext::default()
        }
    }
}

impl Core {
    /// Notes a plugin's answer for the audit log and the metrics; `verdict` is what it said, in a word.
    pub(crate) fn note_plugin<T>(
        &self,
        call: &Call,
        kind: &'static str,
        plugin: &str,
        started: Duration,
        answer: &Result<T, CallError>,
        verdict: &str,
    ) {
        let fault = answer.as_ref().err().map(|ended| ended.fault);
        self.note_plugin_as(call, kind, plugin, started, fault, fault.map_or(verdict, |fault| fault.name()));
    }

    /// As [`Self::note_plugin`], with a word of the caller's for a failure too.
    pub(crate) fn note_plugin_as(
        &self,
        call: &Call,
        kind: &'static str,
        plugin: &str,
        started: Duration,
        fault: Option<Fault>,
        verdict: &str,
    ) {
        let took = self.clock.monotonic().saturating_sub(started);
        self.metrics.plugin_call(plugin, kind, plugin_outcome(fault), took);
        call.trail.verdict(plugin, verdict, took);
    }
}

/// For the metrics.
pub(crate) const fn plugin_outcome(fault: Option<Fault>) -> PluginOutcome {
    match fault {
        None => PluginOutcome::Answered,
        Some(Fault::Failed) => PluginOutcome::Failed,
        Some(Fault::TimedOut) => PluginOutcome::TimedOut,
        Some(Fault::Trapped) => PluginOutcome::Trapped,
        Some(Fault::Overloaded) => PluginOutcome::Overloaded,
        Some(Fault::Open | Fault::Disabled) => PluginOutcome::Withheld,
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::unavailable(error)
    }
}

/// What became of a commit that may lose a race.
pub(crate) enum Committed {
    /// It is durable.
    Done,
    /// Another one was first: load and decide again.
    Reload,
}

/// Sorts a commit's outcome.
pub(crate) fn committed(outcome: Result<Version, CommitError>) -> Result<Committed, OAuthError> {
    match outcome {
        Ok(_) => Ok(Committed::Done),
        Err(CommitError::Conflict) => Ok(Committed::Reload),
        Err(CommitError::Unavailable(error)) => Err(error.into()),
        Err(error @ CommitError::TooLarge(_)) => Err(OAuthError::server_error(error)),
    }
}

/// After [`MAX_RELOADS`] lost races.
pub(crate) fn contended() -> OAuthError {
    OAuthError::unavailable("too many commits were first")
}
