//! The host interfaces as one plugin sees them: what the operator allows, within its caps, and only during a call.

use super::issue::IssueScope;
use super::limits::{CallLimits, Permit};
use super::log_line::{Rate, line};
use super::outbound::Outbound;
use super::{Fault, HostServices};
use crate::clock::millis;
use pintle_plugin_api::{Account, AccountVerdict, Attr, HttpRequest, HttpResponse, PluginError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The most bytes that one `random.bytes` gives.
pub const MAX_RANDOM_BYTES: u32 = 4096;
/// The keys of a plugin's table, where its entry does not say how many.
pub const KV_KEYS: u32 = 10_000;
const MAX_KEY_BYTES: usize = 512;
const MAX_VALUE_BYTES: usize = 32 * 1024;
const MAX_PASSWORD_BYTES: usize = 4 * 1024;
const MAX_TEXT_BYTES: usize = 4 * 1024;
/// Passwords of one plugin that are checked at once; further ones wait.
const MAX_HASHES: usize = 2;

/// A host interface of the WIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interface {
    /// `log`.
    Log,
    /// `clock`.
    Clock,
    /// `random`.
    Random,
    /// `config`.
    Config,
    /// `crypto`.
    Crypto,
    /// `kv`.
    Kv,
    /// `accounts`.
    Accounts,
    /// `secrets`.
    Secrets,
    /// `http`.
    Http,
}

impl Interface {
    /// What every plugin may use.
    pub const DEFAULT: [Self; 4] = [Self::Log, Self::Clock, Self::Random, Self::Config];
    /// What a plugin may use where the operator says so.
    pub const GRANTED: [Self; 3] = [Self::Crypto, Self::Kv, Self::Accounts];

    /// Its name in the WIT.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Config => "config",
            Self::Crypto => "crypto",
            Self::Kv => "kv",
            Self::Accounts => "accounts",
            Self::Secrets => "secrets",
            Self::Http => "http",
        }
    }

    /// The interface of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let further = [Self::Secrets, Self::Http];
        let all = Self::DEFAULT.into_iter().chain(Self::GRANTED).chain(further);
        all.into_iter().find(|interface| interface.name() == name)
    }
}

/// The secrets of an entry, by name.
pub type Secrets = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// What the host offers to one plugin.
pub struct PluginHost {
    name: String,
    services: Arc<dyn HostServices>,
    allowed: BTreeSet<Interface>,
    config_json: String,
    secrets: Secrets,
    network: Option<Outbound>,
    log_rate: Rate,
    hashes: Semaphore,
    kv_keys: u64,
}

impl PluginHost {
    /// - `name`: of the plugin's entry in the config; also the name of its key-value table
    /// - `allowed`: beside [`Interface::DEFAULT`]
    /// - `config_json`: of the entry
    #[must_use]
    pub fn new(
        name: &str,
        services: Arc<dyn HostServices>,
        allowed: impl IntoIterator<Item = Interface>,
        config_json: &str,
    ) -> Self {
        let allowed = Interface::DEFAULT.into_iter().chain(allowed).collect();
        Self {
            name: name.to_owned(),
            services,
            allowed,
            config_json: config_json.to_owned(),
            secrets: Secrets::new(),
            network: None,
            log_rate: Rate::default(),
            hashes: Semaphore::new(MAX_HASHES),
            kv_keys: KV_KEYS.into(),
        }
    }

    /// How many keys its table may have, instead of [`KV_KEYS`].
    #[must_use]
    pub fn with_kv_keys(mut self, most: u32) -> Self {
        self.kv_keys = most.into();
        self
    }

    /// Grants `secrets`.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }

    /// Grants `http` to these origins.
    #[must_use]
    pub fn with_network(mut self, network: Outbound) -> Self {
        self.network = Some(network);
        self
    }

    /// The name of the plugin's entry in the config.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `config.json`.
    #[must_use]
    pub fn config_json(&self) -> &str {
        &self.config_json
    }

    /// `log.emit`; `request_id` is empty outside of a call.
    pub fn log(&self, request_id: &str, level: u8, message: &str, fields: &[Attr]) {
        let Some(dropped) = self.log_rate.take(self.services.monotonic_ms()) else { return };
        let (plugin, line) = (self.name.as_str(), line(message, fields));
        if dropped > 0 {
            tracing::warn!(target: "pintle::plugin", plugin, dropped, "the plugin wrote too many log lines");
        }
        match level {
            0 | 1 => tracing::error!(target: "pintle::plugin", plugin, request_id, "{line}"),
            2 => tracing::warn!(target: "pintle::plugin", plugin, request_id, "{line}"),
            3 => tracing::info!(target: "pintle::plugin", plugin, request_id, "{line}"),
            4 => tracing::debug!(target: "pintle::plugin", plugin, request_id, "{line}"),
            _ => tracing::trace!(target: "pintle::plugin", plugin, request_id, "{line}"),
        }
    }

    /// `clock.now-ms`.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.services.now_ms()
    }

    /// `clock.monotonic-ms`.
    #[must_use]
    pub fn monotonic_ms(&self) -> u64 {
        self.services.monotonic_ms()
    }

    /// `random.bytes`.
    ///
    /// # Errors
    /// `Invalid` for more than [`MAX_RANDOM_BYTES`]: fewer than asked for would be taken for all of them.
    pub fn random(&self, count: u32) -> Result<Vec<u8>, PluginError> {
        if count > MAX_RANDOM_BYTES {
            return Err(PluginError::Invalid(format!("at most {MAX_RANDOM_BYTES} random bytes at once")));
        }
        let mut bytes = vec![0; count as usize];
        self.services.random(&mut bytes);
        Ok(bytes)
    }

    fn allow(&self, interface: Interface) -> Result<(), PluginError> {
        if self.allowed.contains(&interface) {
            return Ok(());
        }
        Err(PluginError::Denied(format!("{} is not in the `allow` list of this plugin", interface.name())))
    }
}

/// What is left of a call after requests to upstreams that nobody answered; of a short call a tenth.
const SPARE: Duration = Duration::from_millis(250);

/// What the host offers during one call. Once the call is over, it answers nothing any more.
pub struct CallHost {
    plugin: Arc<PluginHost>,
    request_id: String,
    limits: CallLimits,
    deadline: Instant,
    issue: Option<IssueScope>,
    closed: AtomicBool,
    fault: OnceLock<Fault>,
    closing: Notify,
    requests: Requests,
    /// Given back when the last user of this call is gone, which for a native thread may be after the timeout.
    _permit: Option<Permit>,
}

impl CallHost {
    /// The host of one call; `issue` inside `token-format.issue` only.
    #[must_use]
    pub fn new(
        plugin: Arc<PluginHost>,
        request_id: &str,
        limits: CallLimits,
        issue: Option<IssueScope>,
        permit: Option<Permit>,
    ) -> Self {
        let (closed, closing, fault) = (AtomicBool::new(false), Notify::new(), OnceLock::new());
        let (requests, deadline) = (Requests::default(), Instant::now() + limits.wall);
        let request_id = request_id.into();
        Self { plugin, request_id, limits, deadline, issue, closed, closing, fault, requests, _permit: permit }
    }

    /// What holds outside of calls too: log, clock, random, config.
    #[must_use]
    pub fn plugin(&self) -> &PluginHost {
        &self.plugin
    }

    /// What the call may cost.
    #[must_use]
    pub const fn limits(&self) -> CallLimits {
        self.limits
    }

    /// What the call may sign.
    #[must_use]
    pub const fn issue(&self) -> Option<&IssueScope> {
        self.issue.as_ref()
    }

    /// Ends the call: from now on nothing is answered.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.closing.notify_waiters();
    }

    /// Waits for a host function's answer, for a thread of the plugin's. An abandoned call waits for nothing more: a
    /// password that is still in the queue is not hashed.
    ///
    /// # Errors
    /// Those of `answer`; `Denied` once the call is over.
    pub async fn unless_over<T>(&self, answer: impl Future<Output = Result<T, PluginError>>) -> Result<T, PluginError> {
        // Made before the look, so that no closing is missed.
        let closing = self.closing.notified();
        let over = async {
            if !self.is_closed() {
                closing.await;
            }
        };
        tokio::select! {
            biased;
            answer = answer => answer,
            () = over => Err(over_now()),
        }
    }

    /// A packaging says that the call ends for another reason than the plugin's own word. The first one counts.
    pub(super) fn blame(&self, fault: Fault) {
        let _ = self.fault.set(fault);
    }

    /// Why a call that has ended without an answer did.
    pub(super) fn fault(&self) -> Fault {
        self.fault.get().copied().unwrap_or(Fault::Failed)
    }

    /// Whether an upstream is why it took its time: it waits for one, or did so for half of its time.
    pub(super) fn waited_for_upstream(&self) -> bool {
        self.requests.running.load(Ordering::SeqCst) > 0
            || Duration::from_millis(self.requests.waited_ms.load(Ordering::SeqCst)) * 2 >= self.limits.wall
    }

    /// Whether the call is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// `log.emit`.
    pub fn log(&self, level: u8, message: &str, fields: &[Attr]) {
        if !self.is_closed() {
            self.plugin.log(&self.request_id, level, message, fields);
        }
    }

    /// `kv.get`.
    ///
    /// # Errors
    /// `Denied`, `Invalid` for a key that cannot be, `Unavailable`.
    pub async fn kv_get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, PluginError> {
        self.open(Interface::Kv)?;
        check_key(key)?;
        self.plugin.services.kv_get(&self.plugin.name, key).await
    }

    /// `kv.put`.
    ///
    /// # Errors
    /// `Denied`, also for a new key where there are as many as may be; `Invalid` for a conflict, a key that cannot be or
    /// a value that is too large; `Unavailable`.
    pub async fn kv_put(
        &self,
        key: &str,
        value: Vec<u8>,
        ttl_s: Option<u32>,
        if_version: Option<u64>,
    ) -> Result<u64, PluginError> {
        self.open(Interface::Kv)?;
        check_key(key)?;
        check_size("a value", value.len(), MAX_VALUE_BYTES)?;
        let plugin = &self.plugin;
        plugin.services.kv_put(&plugin.name, key, value, ttl_s, if_version, plugin.kv_keys).await
    }

    /// `kv.delete`.
    ///
    /// # Errors
    /// `Denied`, `Invalid` for a key that cannot be, `Unavailable`.
    pub async fn kv_delete(&self, key: &str) -> Result<(), PluginError> {
        self.open(Interface::Kv)?;
        check_key(key)?;
        self.plugin.services.kv_delete(&self.plugin.name, key).await
    }

    /// `crypto.password-verify`.
    ///
    /// # Errors
    /// `Denied`, `Invalid` for a PHC string that is malformed or costs too much, `Unavailable` when the hashing queue is
    /// full.
    pub async fn password_verify(&self, phc: &str, password: &[u8]) -> Result<bool, PluginError> {
        self.open(Interface::Crypto)?;
        check_size("a PHC string", phc.len(), MAX_TEXT_BYTES)?;
        check_size("a password", password.len(), MAX_PASSWORD_BYTES)?;
        let turn = self.plugin.hashes.acquire().await;
        let _turn = turn.map_err(|_| PluginError::Unavailable("the server is stopping".to_owned()))?;
        self.plugin.services.password_verify(phc, password).await
    }

    /// `crypto.sign`.
    ///
    /// # Errors
    /// `Denied`, outside of `issue` and for what is not the core's too; `Unavailable`.
    pub fn sign(&self, key_id: &str, alg: &str, input: &[u8]) -> Result<Vec<u8>, PluginError> {
        self.open(Interface::Crypto)?;
        let issue =
            self.issue.as_ref().ok_or_else(|| PluginError::Denied("sign works only inside issue".to_owned()))?;
        issue.sign(key_id, alg, input, || self.plugin.services.sign(key_id, alg, input))
    }

    /// `crypto.verify`.
    ///
    /// # Errors
    /// `Denied`.
    pub fn verify(&self, key_id: &str, alg: &str, input: &[u8], signature: &[u8]) -> Result<bool, PluginError> {
        self.open(Interface::Crypto)?;
        self.plugin.services.verify(key_id, alg, input, signature)
    }

    /// `accounts.lookup`.
    ///
    /// # Errors
    /// `Denied`, `Invalid` for another `by`, `Unavailable`.
    pub async fn account_lookup(&self, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        self.open(Interface::Accounts)?;
        if !matches!(by, "id" | "username") {
            return Err(PluginError::Invalid("`by` is `id` or `username`".to_owned()));
        }
        check_size("a name", value.len(), MAX_TEXT_BYTES)?;
        self.plugin.services.account_lookup(by, value).await
    }

    /// `accounts.verify`.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    pub async fn account_verify(&self, username: &str, password: &[u8]) -> Result<AccountVerdict, PluginError> {
        self.open(Interface::Accounts)?;
        check_size("a name", username.len(), MAX_TEXT_BYTES)?;
        check_size("a password", password.len(), MAX_PASSWORD_BYTES)?;
        self.plugin.services.account_verify(username, password).await
    }

    /// `secrets.get`.
    ///
    /// # Errors
    /// `Denied` for a name that the entry does not have.
    pub fn secret(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, PluginError> {
        self.still_open()?;
        self.plugin.secrets.get(name).cloned().ok_or_else(|| {
            PluginError::Denied("the plugin's entry has no secret of this name in its `secrets`".to_owned())
        })
    }

    /// `http.send`, ended somewhat before the call would be.
    ///
    /// # Errors
    /// `Denied` for what the entry's `network` does not have, `Invalid` for a malformed request, `Unavailable` without
    /// an answer.
    pub async fn http_send(&self, request: HttpRequest) -> Result<HttpResponse, PluginError> {
        self.still_open()?;
        let Some(network) = &self.plugin.network else {
            return Err(PluginError::Denied("the plugin's entry grants no `network`".to_owned()));
        };
        let _running = self.requests.begin();
        // A call that the host has to end is lost for the plugin, which may have something to say without an answer.
        let spare = SPARE.min(self.limits.wall / 10);
        let most = self.deadline.saturating_duration_since(Instant::now()).saturating_sub(spare);
        network.send(request, &self.plugin.secrets, most).await
    }

    fn still_open(&self) -> Result<(), PluginError> {
        if self.is_closed() {
            return Err(over_now());
        }
        Ok(())
    }

    fn open(&self, interface: Interface) -> Result<(), PluginError> {
        self.still_open()?;
        self.plugin.allow(interface)
    }
}

/// Requests to upstreams.
#[derive(Default)]
struct Requests {
    running: AtomicUsize,
    /// For those that have ended.
    waited_ms: AtomicU64,
}

impl Requests {
    fn begin(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::SeqCst);
        Running { requests: self, since: Instant::now() }
    }
}

/// A request that waits for an upstream.
struct Running<'a> {
    requests: &'a Requests,
    since: Instant,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let waited = millis(self.since.elapsed());
        self.requests.waited_ms.fetch_add(waited, Ordering::SeqCst);
        self.requests.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn over_now() -> PluginError {
    PluginError::Denied("the call is over".to_owned())
}

fn check_key(key: &str) -> Result<(), PluginError> {
    if key.is_empty() {
        return Err(PluginError::Invalid("a key is empty".to_owned()));
    }
    check_size("a key", key.len(), MAX_KEY_BYTES)
}

fn check_size(what: &str, bytes: usize, max: usize) -> Result<(), PluginError> {
    if bytes > max {
        return Err(PluginError::Invalid(format!("{what} of {bytes} bytes; at most {max}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::NetworkGrant;
    use crate::plugin::testing::{FakeServices, call_limits};

    fn host(allowed: &[Interface]) -> CallHost {
        let plugin = PluginHost::new("p", Arc::new(FakeServices::default()), allowed.iter().copied(), "{}");
        CallHost::new(Arc::new(plugin), "r1", call_limits(), None, None)
    }

    #[tokio::test]
    async fn what_the_operator_does_not_allow_is_denied() {
        let host = host(&[]);
        assert!(matches!(host.kv_get("k").await, Err(PluginError::Denied(_))));
        assert!(matches!(host.account_verify("u", b"p").await, Err(PluginError::Denied(_))));
        assert!(matches!(host.sign("k", "EdDSA", b"x"), Err(PluginError::Denied(_))));
        assert!(matches!(host.verify("k", "EdDSA", b"x", b"x"), Err(PluginError::Denied(_))));
        assert!(matches!(host.password_verify("$argon2id$", b"x").await, Err(PluginError::Denied(_))));
    }

    #[tokio::test]
    async fn keys_and_values_have_a_largest_size() {
        let host = host(&[Interface::Kv]);
        assert!(host.kv_put("k", vec![0; MAX_VALUE_BYTES], None, None).await.is_ok());
        assert!(host.kv_put("k", vec![0; MAX_VALUE_BYTES + 1], None, None).await.is_err());
        assert!(host.kv_put(&"k".repeat(MAX_KEY_BYTES + 1), vec![], None, None).await.is_err());
        assert!(host.kv_get("").await.is_err());
        assert!(host.plugin().random(MAX_RANDOM_BYTES + 1).is_err());
    }

    #[tokio::test]
    async fn a_plugin_checks_two_passwords_at_once_over_all_its_calls() {
        let services = Arc::new(FakeServices::default());
        let plugin = PluginHost::new("p", services.clone(), [Interface::Crypto], "{}");
        let plugin = Arc::new(plugin);
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..5 {
            let host = CallHost::new(Arc::clone(&plugin), "r", call_limits(), None, None);
            calls.spawn(async move { host.password_verify("same", b"same").await });
        }
        assert!(calls.join_all().await.into_iter().all(|answer| answer == Ok(true)));
        assert_eq!(services.most_hashes(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_leaves_its_call_some_time_to_answer() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = url::Url::parse(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
        let grant = NetworkGrant { origin, private: false, ca: None };
        let resolver: Arc<dyn crate::plugin::outbound::Resolver> = Arc::new(crate::plugin::outbound::SystemResolver);
        let network = Outbound::new(&[grant], &resolver).unwrap();
        let plugin = PluginHost::new("p", Arc::new(FakeServices::default()), [], "{}").with_network(network);
        let host = CallHost::new(Arc::new(plugin), "r1", call_limits(), None, None);
        let left = std::time::Duration::from_millis(50);
        let spare = SPARE.min(host.limits().wall / 10);
        tokio::time::advance(host.limits().wall.saturating_sub(left).saturating_sub(spare)).await;
        for (timeout_ms, expected) in [(0, 50), (60_000, 0)] {
            let request =
                HttpRequest { method: "GET".to_owned(), url: "/".to_owned(), timeout_ms, ..HttpRequest::default() };
            let answer = host.http_send(request).await;
            assert_eq!(answer, Err(PluginError::Unavailable(format!("no answer within {expected} ms"))));
        }
        assert!(host.deadline.saturating_duration_since(Instant::now()) >= spare / 2, "it can still answer");
    }

    #[tokio::test]
    async fn a_finished_call_gets_no_answers() {
        let host = host(&[Interface::Kv, Interface::Crypto]);
        assert!(host.kv_get("k").await.is_ok());
        host.close();
        assert!(matches!(host.kv_get("k").await, Err(PluginError::Denied(_))));
        assert!(matches!(host.verify("k", "EdDSA", b"", b""), Err(PluginError::Denied(_))));
    }
}
