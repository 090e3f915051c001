//! The configuration once it is parsed and cross-checked: plain typed values.

use super::Places;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `issuer`: the issuer identifier (RFC 8414 §2), without a trailing slash.
    pub issuer: String,
    /// `data_dir`: where the store, the admin socket and a generated master key live.
    pub data_dir: PathBuf,
    /// `[listen]`.
    pub listen: Listen,
    /// `[paths]`.
    pub paths: Paths,
    /// `[grants]`.
    pub grants: Grants,
    /// `[tokens]`.
    pub tokens: Tokens,
    /// `[keys]`.
    pub keys: Keys,
    /// `[authorize]`.
    pub authorize: Authorize,
    /// `[compatibility]`.
    pub compatibility: Compatibility,
    /// `[passwords]`.
    pub passwords: Passwords,
    /// `[lockout]`.
    pub lockout: Lockout,
    /// `[store]`.
    pub store: StoreOptions,
    /// `[log]`.
    pub log: Log,
    /// `[monitoring]`.
    pub monitoring: Monitoring,
    /// `[trust]`.
    pub trust: Trust,
    /// `[[clients]]`.
    pub clients: Vec<ClientEntry>,
    /// `[plugins.<name>]`.
    pub plugins: BTreeMap<String, PluginEntry>,
    /// User verifiers that the embedding program brings: the chain may name them.
    pub embedded: Vec<String>,
    /// Where its keys are written.
    pub places: Places,
    /// `[users] chain`: who is asked, in order.
    pub chain: Vec<ChainEntry>,
    /// `[users] sync`: whose accounts are copied.
    pub sync: Vec<SyncEntry>,
    /// `[claims] sources`: who is asked for claims, in order.
    pub claims: Vec<ClaimsEntry>,
    /// `[scopes] policies`: plugins, all of which must grant a scope.
    pub scope_policies: Vec<PolicyEntry>,
    /// `[events]`: who is told what happened.
    pub events: Events,
    /// `[development]`: only on loopback.
    pub development: Option<Development>,
}

/// `[development]`: what the server makes anew at each start and prints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Development {
    /// `demo_user`: an account with a random password.
    pub demo_user: Option<String>,
    /// `demo_client`: a confidential client of the configuration without a secret, which gets a random one.
    pub demo_client: Option<String>,
}

/// One address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `127.0.0.1:8080`, `[::1]:8080`.
    Tcp(SocketAddr),
    /// `unix:/run/pintle.sock`, relative to the configuration file.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// `[listen]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// `address`: one or a list.
    pub addresses: Vec<Address>,
    /// `tls = { certificate, key }`: PEM files.
    pub tls: Option<Tls>,
    /// `behind_proxy`: plain HTTP beyond loopback is meant.
    pub behind_proxy: bool,
    /// `trusted_proxies`: whose `Forwarded`/`X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `header_timeout` (10 s): from the first byte to the end of the head.
    pub header_timeout: Duration,
    /// `body_timeout` (10 s).
    pub body_timeout: Duration,
    /// `idle_timeout` (60 s): between requests.
    pub idle_timeout: Duration,
    /// `drain_timeout` (20 s): after SIGTERM.
    pub drain_timeout: Duration,
    /// `max_connections` (4096).
    pub max_connections: usize,
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// `[paths]`: one or several for each endpoint. They are complete here: `root` is in front already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `root` (empty).
    pub root: String,
    /// `token` (`/token`), behind `root`.
    pub token: Vec<String>,
    /// `authorize` (`/authorize`), behind `root`.
    pub authorize: Vec<String>,
    /// `introspect` (`/introspect`), behind `root`.
    pub introspect: Vec<String>,
    /// `revoke` (`/revoke`), behind `root`.
    pub revoke: Vec<String>,
    /// `jwks` (`/jwks`), behind `root`.
    pub jwks: Vec<String>,
}

/// `[grants]`.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// `default_client`: who a token request is from when it names no client.
    pub default_client: Option<String>,
    /// `extensions`: names of plugins of the kind extension-grant.
    pub extensions: Vec<String>,
}

/// `[tokens]`.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// `[tokens.access]`.
    pub access: AccessTokens,
    /// `[tokens.refresh]`.
    pub refresh: RefreshTokens,
    /// `[tokens.code] lifetime` (1 minute).
    pub code_lifetime: Duration,
}

/// The longest lifetime of an access token that a configuration may say.
pub const MAX_ACCESS_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// `[tokens.access]`.
#[derive(Clone, Debug)]
pub struct AccessTokens {
    /// `format`: `jwt`, `opaque`, or the name of a plugin of the kind token-format.
    pub format: String,
    /// `algorithm` (`EdDSA`).
    pub algorithm: Algorithm,
    /// `lifetime` (1 h).
    pub lifetime: Duration,
    /// `audience` (the issuer).
    pub audience: Vec<String>,
    /// `typ`: the JOSE header's (`at+jwt`; RFC 9068 §2.1).
    pub typ: String,
}

/// `[tokens.refresh]`.
#[derive(Clone, Debug)]
pub struct RefreshTokens {
    /// `lifetime` (30 d), from the login; rotation does not lengthen it.
    pub lifetime: Duration,
    /// `grace` (5 s): how long a used token still gets the same successor.
    pub grace: Duration,
    /// `ends_access_tokens` (false): a rotation ends the access tokens issued beside the old one.
    pub ends_access_tokens: bool,
}

/// A JWS algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    /// The name in `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    /// The algorithm named `name`, as `alg` spells it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::EdDsa, Self::Rs256, Self::Es256].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// `[keys]`.
#[derive(Clone, Debug)]
pub struct Keys {
    /// `master = { file | env }`: 32 bytes as base64 or hex; without it a generated file `<data_dir>/master.key`.
    pub master: Option<SecretSource>,
    /// `rotate_every` (90 d).
    pub rotate_every: Duration,
    /// `publish_before` (1 d): how long the next key is published before it signs.
    pub publish_before: Duration,
}

/// Where a secret comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// `{ value }`.
    Value(Zeroizing<String>),
    /// `{ file }`: trailing line end removed.
    File(PathBuf),
    /// `{ env }`.
    Env(String),
    /// `{ hash }`: a PHC string (client secrets only).
    Hash(String),
}

impl std::fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(_) => write!(f, "Value(…)"),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Env(name) => write!(f, "Env({name})"),
            Self::Hash(_) => write!(f, "Hash(…)"),
        }
    }
}

/// `[authorize]`.
#[derive(Clone, Debug, Default)]
pub struct Authorize {
    /// `bearer_login` (false): a trusted client's token stands for the user's login.
    pub bearer_login: bool,
}

/// `[compatibility]`: differences from the RFCs, each off by default.
#[derive(Clone, Debug)]
pub struct Compatibility {
    /// `unauthorized_client_status` (400).
    pub unauthorized_client_status: u16,
    /// `bearer_errors` (`rfc6750`, `korap`).
    pub bearer_errors: BearerErrors,
    /// `every_scope`: the scope that stands for every scope at the authorization endpoint.
    pub every_scope: Option<String>,
}

/// What a refused bearer token is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerErrors {
    /// RFC 6750 §3.
    Rfc6750,
    /// The same, and a JSON body with `errors[0][1]`.
    Korap,
}

/// `[passwords]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passwords {
    /// `memory_kib` (19456).
    pub memory_kib: u32,
    /// `iterations` (2).
    pub iterations: u32,
    /// `parallelism` (1).
    pub parallelism: u32,
    /// `threads` (the number of cores).
    pub threads: usize,
    /// `queue` (256): waiting hashes; more are answered 503.
    pub queue: usize,
    /// `min_length` (7): of a new password, in characters.
    pub min_length: usize,
    /// `failure_time` (500 ms): a failed login never answers sooner.
    pub failure_time: Duration,
}

/// `[lockout]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// `free_tries` (5), per account and per address.
    pub free_tries: u32,
    /// `base_delay` (1 s): after the first try that is not free; doubles with each.
    pub base_delay: Duration,
    /// `max_delay` (15 min).
    pub max_delay: Duration,
    /// `forget_after` (1 h) without a failure.
    pub forget_after: Duration,
    /// `max_entries` (100 000).
    pub max_entries: usize,
    /// `count_client_addresses` (false): also count by the address of confidential clients.
    pub count_client_addresses: bool,
}

/// `[store]`.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// `cache_mib` (16).
    pub cache_mib: u64,
    /// `sweep_every` (1 min).
    pub sweep_every: Duration,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `format` (`pretty`, `json`).
    pub json: bool,
    /// `filter` (`info`), as of tracing's env filter.
    pub filter: String,
    /// `audit`: a file for the audit log beside the ordinary one.
    pub audit: Option<PathBuf>,
}

/// `[monitoring]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitoring {
    /// `address`: an own listener for `/health/*` and `/metrics`; without it they are on the main one, `/metrics` only
    /// for loopback peers, and behind a proxy for nobody.
    pub address: Option<Address>,
    /// `plain_http` (false): plain HTTP beyond loopback is meant there.
    pub plain_http: bool,
}

/// `[trust]`.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// `native` (false): whether native plugins may be loaded.
    pub native: bool,
    /// `keys`: `ed25519:<base64>`, whose signatures of bundles count.
    pub keys: Vec<String>,
}

/// RFC 6749 §2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    /// It can keep a secret.
    Confidential,
    /// It cannot.
    Public,
}

/// `[[clients]]`.
#[derive(Clone, Debug)]
pub struct ClientEntry {
    /// `id`.
    pub id: String,
    /// `name` (the id).
    pub name: String,
    /// `type`.
    pub client_type: ClientType,
    /// `secret`: one or two.
    pub secrets: Vec<SecretSource>,
    /// `trusted` (false): first-party, may handle a user's password.
    pub trusted: bool,
    /// `introspect` (false): may introspect tokens that are not its own.
    pub introspect: bool,
    /// `grants`.
    pub grants: Vec<String>,
    /// `scopes`: at most 64.
    pub scopes: Vec<String>,
    /// `redirect_uris`.
    pub redirect_uris: Vec<String>,
    /// `cors`: origins.
    pub cors: Vec<String>,
    /// `access_lifetime`: instead of `tokens.access.lifetime`.
    pub access_lifetime: Option<Duration>,
}

/// `[plugins.<name>]`.
#[derive(Clone, PartialEq, Eq)]
pub struct PluginEntry {
    /// `source`: `builtin:<name>` or a file, relative to the configuration file.
    pub source: PluginSource,
    /// `sha256`: hex, of the file; demanded for a library, and for a bundle without a trusted signature.
    pub sha256: Option<String>,
    /// `config`: handed to the plugin as JSON.
    pub config_json: String,
    /// `allow`: host interfaces that this plugin may use beside `log`, `clock`, `random` and `config`: `crypto`,
    /// `kv`, `accounts`. A `builtin:` plugin gets what its manifest wants.
    pub allow: Option<Vec<String>>,
    /// `limits`.
    pub limits: PluginLimits,
    /// `required` (false): the server does not start without it.
    pub required: bool,
    /// `reuse` (1): calls of one Wasm instance, at most 128.
    pub reuse: u32,
    /// `network`: the origins that it may send HTTP requests to.
    pub network: Vec<NetworkGrant>,
    /// `secrets`: what it may read by name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// `allow_downgrade` (false): a bundle of a lower version than the one last run is meant.
    pub allow_downgrade: bool,
    /// `shadow`: the plugin whose questions it is asked as well; its answers are compared and never used.
    pub shadow: Option<String>,
}

impl PluginEntry {
    /// The entry of `source` and nothing else: every key as if it were left out.
    #[must_use]
    pub fn new(source: PluginSource) -> Self {
        Self {
            source,
            sha256: None,
            config_json: "{}".to_owned(),
            allow: None,
            limits: PluginLimits::default(),
            required: false,
            reuse: 1,
            network: Vec::new(),
            secrets: BTreeMap::new(),
            allow_downgrade: false,
            shadow: None,
        }
    }
}

/// One of `network`: an origin, or `{ origin, private, ca }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkGrant {
    /// `origin`: scheme, host and port.
    pub origin: url::Url,
    /// `private` (false): its name may lead to a private address.
    pub private: bool,
    /// `ca`: PEM certificates that its own is checked by instead of the system's.
    pub ca: Option<PathBuf>,
}

impl std::fmt::Debug for PluginEntry {
    /// Without `config_json`, which may hold a plugin's passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            source,
            sha256,
            config_json: _,
            allow,
            limits,
            required,
            reuse,
            network,
            secrets,
            allow_downgrade,
            shadow,
        } = self;
        f.debug_struct("PluginEntry")
            .field("source", source)
            .field("sha256", sha256)
            .field("allow", allow)
            .field("limits", limits)
            .field("required", required)
            .field("reuse", reuse)
            .field("network", network)
            .field("secrets", secrets)
            .field("allow_downgrade", allow_downgrade)
            .field("shadow", shadow)
            .finish_non_exhaustive()
    }
}

/// Where a plugin's code is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginSource {
    /// Linked into the server.
    Builtin(String),
    /// `.wasm`.
    Wasm(PathBuf),
    /// `.so`, `.dylib`, `.dll`.
    Native(PathBuf),
    /// `.pintle`.
    Bundle(PathBuf),
}

impl PluginSource {
    /// What a file of this name is; none where a plugin's file has no such ending.
    #[must_use]
    pub fn of_file(path: PathBuf) -> Option<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("pintle") => Some(Self::Bundle(path)),
            Some("wasm") => Some(Self::Wasm(path)),
            Some("so" | "dylib" | "dll") => Some(Self::Native(path)),
            _ => None,
        }
    }
}

/// `limits`: unset ones are the kind's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginLimits {
    /// `timeout`: wall time of a call.
    pub timeout: Option<Duration>,
    /// `cpu`: CPU time of a call.
    pub cpu: Option<Duration>,
    /// `memory_mib` (64).
    pub memory_mib: Option<u32>,
    /// `concurrency` (32).
    pub concurrency: Option<u32>,
    /// `queue` (64).
    pub queue: Option<u32>,
    /// `kv_keys` (10,000): of the plugin's own table.
    pub kv_keys: Option<u32>,
    /// `breaker`.
    pub breaker: BreakerChoice,
}

/// `limits.breaker`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerChoice {
    /// As most plugins need it.
    #[default]
    Usual,
    /// `"off"`.
    Off,
    /// Otherwise.
    Limits(BreakerLimits),
}

impl BreakerChoice {
    /// When it opens; `None` for never.
    #[must_use]
    pub fn limits(self) -> Option<BreakerLimits> {
        match self {
            Self::Usual => Some(BreakerLimits::default()),
            Self::Off => None,
            Self::Limits(limits) => Some(limits),
        }
    }
}

/// When a plugin's circuit breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerLimits {
    /// `share` (50): of calls without an answer, in per cent.
    pub share: u8,
    /// `calls` (20): fewer say nothing.
    pub calls: u32,
    /// `open_for` (5 s): then one call is let through.
    pub open_for: Duration,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self { share: 50, calls: 20, open_for: Duration::from_secs(5) }
    }
}

/// One entry of `[claims] sources`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimsEntry {
    /// The plugin's name.
    pub plugin: String,
    /// `optional` (false): a failure leaves its claims out instead of failing the request.
    pub optional: bool,
}

/// One entry of `[scopes] policies`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyEntry {
    /// The plugin's name.
    pub plugin: String,
    /// `on_error = "static"`: without an answer what the client may have and the request asks for is granted; by default
    /// it is a 503.
    pub static_on_error: bool,
}

/// One entry of `[users] chain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainEntry {
    /// The plugin's name.
    pub plugin: String,
    /// `on_error = "next"`: a broken backend is passed over; by default it is a 503.
    pub next_on_error: bool,
    /// `stale` (0): for how long a directory's last answer about an account stands in while it is down.
    pub stale: Duration,
}

/// `[events]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// `sinks`: who is told.
    pub sinks: Vec<SinkEntry>,
    /// `max_age` (7 d): how long an event is tried before it becomes a dead letter.
    pub max_age: Duration,
    /// `max_entries` (100,000): of each sink, as many waiting ones and as many dead letters.
    pub max_entries: usize,
    /// `keep_dead` (30 d): how long a dead letter is kept.
    pub keep_dead: Duration,
}

/// One entry of `[events] sinks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkEntry {
    /// The plugin's name.
    pub plugin: String,
    /// `kinds`: `login.rejected`, or `login.*`, or `*`; all, if left out.
    pub kinds: Vec<String>,
    /// `strict` (false): what is decided and cannot be stored for this sink is answered 503.
    pub strict: bool,
}

/// One entry of `[users] sync`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncEntry {
    /// The plugin's name.
    pub plugin: String,
    /// `every` (10 min): from the end of a run to the next.
    pub every: Duration,
    /// `full_every` (1 d): how often a run names every account, so that those which are gone show.
    pub full_every: Duration,
    /// `refuse_removal_over` (5%): a run that would remove or disable a larger share of the known accounts does
    /// neither.
    pub refuse_removal_over: Share,
}

impl SyncEntry {
    /// How a plugin is synced about which nothing else is said.
    #[must_use]
    pub const fn new(plugin: String) -> Self {
        Self {
            plugin,
            every: Duration::from_secs(600),
            full_every: Duration::from_secs(24 * 3600),
            refuse_removal_over: Share(500),
        }
    }
}

/// A part of a whole, in hundredths of a percent: at most 10000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Share(pub u32);

impl Share {
    /// Whether `part` of `whole` is more than this.
    #[must_use]
    pub fn is_exceeded(self, part: u64, whole: u64) -> bool {
        u128::from(part) * 10_000 > u128::from(whole) * u128::from(self.0)
    }

    /// Reads `5%` or `0.25%`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.strip_suffix('%')?.split_once('.').unwrap_or((text.strip_suffix('%')?, "0"));
        let digits = |part: &str, most| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole, 3) || !digits(fraction, 2) {
            return None;
        }
        let hundredths = whole.parse::<u32>().ok()? * 100 + format!("{fraction:0<2}").parse::<u32>().ok()?;
        (hundredths <= 10_000).then_some(Self(hundredths))
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, fraction) = (self.0 / 100, self.0 % 100);
        match fraction {
            0 => write!(f, "{whole}%"),
            tenths if tenths % 10 == 0 => write!(f, "{whole}.{}%", tenths / 10),
            _ => write!(f, "{whole}.{fraction:02}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn a_share_is_read_shown_and_compared() {
        for (text, hundredths) in [("5%", 500), ("0%", 0), ("100%", 10_000), ("0.25%", 25), ("2.5%", 250)] {
            assert_eq!(Share::parse(text), Some(Share(hundredths)), "{text}");
            assert_eq!(Share(hundredths).to_string(), text);
        }
        for text in ["5", "%", "101%", "100.01%", "-1%", "5 %", "0.125%", ".5%", "5.%", "1e1%"] {
            assert_eq!(Share::parse(text), None, "{text}");
        }
        assert!(Share(500).is_exceeded(6, 100) && !Share(500).is_exceeded(5, 100));
        assert!(!Share(10_000).is_exceeded(7, 7) && Share(0).is_exceeded(1, u64::MAX));
    }
}
