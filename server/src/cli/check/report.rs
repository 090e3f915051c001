//! What `check` found, as JSON and as text.

use crate::cli::text;
use pintle::app::App;
use pintle::config::model::{Address, ChainEntry, Listen, PluginEntry, PluginSource, PolicyEntry, SinkEntry};
use pintle::keys::MasterKeyOrigin;
use pintle::plugin::own_code::Code;
use pintle::plugin::private_dir::hex;
use pintle::plugin::registry::LoadedPlugin;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What would run.
#[derive(Serialize)]
pub struct Report {
    /// Those that were read; none for the built-in development configuration.
    pub files: Vec<PathBuf>,
    pub issuer: String,
    pub listeners: Vec<ListenerFacts>,
    /// An own listener's address.
    pub monitoring: Option<String>,
    pub admin_socket: PathBuf,
    pub endpoints: Endpoints,
    pub clients: Vec<Value>,
    pub chain: Vec<ChainStep>,
    pub plugins: Vec<PluginFacts>,
    pub scope_policies: Vec<PolicyStep>,
    pub event_sinks: Vec<SinkStep>,
    pub token_format: String,
    /// Of signatures; none where no token is signed, or it is not known.
    pub algorithm: Option<String>,
    pub master_key: KeySource,
    pub store: StoreFacts,
    pub warnings: Vec<String>,
}

#[derive(Serialize)]
pub struct ListenerFacts {
    pub address: String,
    pub tls: bool,
    pub behind_proxy: bool,
}

pub fn listener(address: &Address, listen: &Listen) -> ListenerFacts {
    let tls = listen.tls.is_some() && matches!(address, Address::Tcp(_));
    ListenerFacts { address: self::address(address), tls, behind_proxy: listen.behind_proxy }
}

pub fn address(address: &Address) -> String {
    match address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

#[derive(Serialize)]
pub struct Endpoints {
    token: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorize: Vec<String>,
    introspect: Vec<String>,
    revoke: Vec<String>,
    jwks: Vec<String>,
    metadata: Vec<String>,
}

impl Endpoints {
    pub fn of(app: &App) -> Self {
        let served = app.served();
        let paths = &served.paths;
        Self {
            token: paths.token.clone(),
            authorize: if served.bearer_login { paths.authorize.clone() } else { Vec::new() },
            introspect: paths.introspect.clone(),
            revoke: paths.revoke.clone(),
            jwks: paths.jwks.clone(),
            metadata: paths.metadata.clone(),
        }
    }

    fn text(&self) -> String {
        let all = [&self.token, &self.authorize, &self.introspect, &self.revoke, &self.jwks, &self.metadata];
        all.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

#[derive(Serialize)]
pub struct ChainStep {
    plugin: String,
    /// `stop` or `next`.
    on_error: &'static str,
}

impl ChainStep {
    pub fn of(entry: &ChainEntry) -> Self {
        Self { plugin: entry.plugin.clone(), on_error: if entry.next_on_error { "next" } else { "stop" } }
    }

    fn text(&self) -> String {
        if self.on_error == "next" { format!("{} (passed over if broken)", self.plugin) } else { self.plugin.clone() }
    }
}

#[derive(Serialize)]
pub struct PolicyStep {
    plugin: String,
    /// `stop` or `static`.
    on_error: &'static str,
}

impl PolicyStep {
    pub fn of(entry: &PolicyEntry) -> Self {
        Self { plugin: entry.plugin.clone(), on_error: if entry.static_on_error { "static" } else { "stop" } }
    }

    fn text(&self) -> String {
        if self.on_error == "static" {
            format!("{} (done without if broken)", self.plugin)
        } else {
            self.plugin.clone()
        }
    }
}

#[derive(Serialize)]
pub struct SinkStep {
    plugin: String,
    kinds: Vec<String>,
    strict: bool,
}

impl SinkStep {
    pub fn of(entry: &SinkEntry) -> Self {
        Self { plugin: entry.plugin.clone(), kinds: entry.kinds.clone(), strict: entry.strict }
    }

    fn text(&self) -> String {
        let strict = if self.strict { ", strict" } else { "" };
        format!("{} ({}{strict})", self.plugin, self.kinds.join(" "))
    }
}

/// A plugin that the server would run.
#[derive(Serialize)]
pub struct PluginFacts {
    pub name: String,
    /// `builtin`, `native`, `wasm`, or `bundle` where it could not be loaded.
    pub packaging: &'static str,
    /// `builtin:<name>`, or the file.
    pub source: String,
    pub kinds: Vec<&'static str>,
    /// What the plugin says about itself; none where it could not be loaded.
    pub version: Option<String>,
    /// Of the file; of the executable for a linked-in one.
    pub sha256: Option<String>,
    /// The plugin that it is in shadow of.
    pub shadow_of: Option<String>,
    /// Why it could not be loaded.
    pub failure: Option<String>,
}

impl PluginFacts {
    /// A loaded plugin, and its entry; none for the formats that every server has.
    pub fn of(plugin: &LoadedPlugin, entry: Option<&PluginEntry>) -> Self {
        let source = match entry.map(|entry| &entry.source) {
            None => format!("builtin:{}", plugin.name),
            Some(PluginSource::Builtin(name)) => format!("builtin:{name}"),
            Some(PluginSource::Wasm(path) | PluginSource::Native(path) | PluginSource::Bundle(path)) => {
                path.display().to_string()
            }
        };
        Self {
            name: plugin.name.clone(),
            packaging: plugin.packaging.name(),
            source,
            kinds: plugin.kinds.iter().map(|kind| kind.name()).collect(),
            version: Some(plugin.version.clone()).filter(|version| !version.is_empty()),
            sha256: plugin.code.and_then(Code::sha256).map(|hash| hex(&hash)),
            shadow_of: plugin.shadow.clone(),
            failure: plugin.failure().map(str::to_owned),
        }
    }
}

#[derive(Serialize)]
pub struct KeySource {
    /// `file`, `env` or `data_dir`.
    from: &'static str,
    /// The file or variable.
    name: String,
    /// A file beside the data that does not exist yet.
    missing: bool,
}

impl KeySource {
    pub fn of(origin: &MasterKeyOrigin) -> Self {
        let shown = |path: &Path| path.display().to_string();
        match origin {
            MasterKeyOrigin::File(path) => Self { from: "file", name: shown(path), missing: false },
            MasterKeyOrigin::Env(name) => Self { from: "env", name: name.clone(), missing: false },
            MasterKeyOrigin::DataDir { path, .. } => {
                Self { from: "data_dir", name: shown(path), missing: !path.exists() }
            }
        }
    }

    fn text(&self) -> String {
        let made = if self.missing { ", made at the first start" } else { "" };
        match self.from {
            "env" => format!("environment variable {}", self.name),
            "data_dir" => format!("{}, beside the data{made}", self.name),
            _ => self.name.clone(),
        }
    }
}

#[derive(Serialize)]
pub struct StoreFacts {
    pub path: PathBuf,
    pub state: String,
}

const CLIENTS: &[(&str, &str)] = &[
    ("ID", "id"),
    ("TYPE", "type"),
    ("FROM", "origin"),
    ("TRUSTED", "trusted"),
    ("INTROSPECT", "introspect"),
    ("SECRETS", "secrets"),
    ("GRANTS", "grants"),
];
const PLUGINS: &[(&str, &str)] = &[
    ("NAME", "name"),
    ("PACKAGING", "packaging"),
    ("KINDS", "kinds"),
    ("VERSION", "version"),
    ("SHA-256", "sha256"),
    ("SOURCE", "source"),
    ("SHADOW OF", "shadow_of"),
];

impl Report {
    pub fn text(&self) -> String {
        let or_none = |list: Vec<String>| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
        let files = self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
        let files = if files.is_empty() { "development.toml (built in)".to_owned() } else { files.join(", ") };
        let signed = self.algorithm.as_ref().map(|name| format!(", signed with {name}")).unwrap_or_default();
        let lines = [
            ("configuration", files),
            ("issuer", self.issuer.clone()),
            ("listens on", or_none(self.listeners.iter().map(ListenerFacts::text).collect())),
            ("monitoring", self.monitoring.clone().unwrap_or_else(|| "on the same listener".to_owned())),
            ("commands at", self.admin_socket.display().to_string()),
            ("endpoints", self.endpoints.text()),
            ("users from", or_none(self.chain.iter().map(ChainStep::text).collect())),
            ("scope policies", or_none(self.scope_policies.iter().map(PolicyStep::text).collect())),
            ("events to", or_none(self.event_sinks.iter().map(SinkStep::text).collect())),
            ("access tokens", format!("{}{signed}", self.token_format)),
            ("master key", self.master_key.text()),
            ("store", format!("{}: {}", self.store.path.display(), self.store.state)),
        ];
        let mut text: String = lines.iter().map(|(title, value)| format!("{title:<15} {value}\n")).collect();
        let rows = serde_json::to_value(&self.plugins).unwrap_or_default();
        section(&mut text, "clients", CLIENTS, &self.clients);
        section(&mut text, "plugins", PLUGINS, rows.as_array().map(Vec::as_slice).unwrap_or_default());
        if !self.warnings.is_empty() {
            text.push_str("\nwarnings\n");
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "  {warning}");
        }
        text
    }
}

impl ListenerFacts {
    fn text(&self) -> String {
        let plain = if self.behind_proxy { "plain HTTP, behind a proxy" } else { "plain HTTP" };
        format!("{} ({})", self.address, if self.tls { "TLS" } else { plain })
    }
}

/// A titled table, indented.
fn section(text: &mut String, title: &str, columns: &[(&str, &str)], rows: &[Value]) {
    if rows.is_empty() {
        let _ = writeln!(text, "{title:<15} none");
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for line in text::table(columns, rows).lines() {
        let _ = writeln!(text, "  {line}");
    }
}
