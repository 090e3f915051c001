//! `[plugins.<name>]` and `[trust]`.

use super::model::{
    BreakerChoice, BreakerLimits, NetworkGrant, PluginEntry, PluginLimits, PluginSource, SecretSource, Trust,
};
use super::nearest::{one_of, suggestion};
use super::read::{Node, Table, quoted};
use super::secret::{self, Allowed};
use super::uri;
use base64::Engine;
use figment::value::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The linked-in plugins and their kinds.
pub(super) const BUILTINS: [(&str, &str); 4] = [
    ("accounts", "user-verifier"),
    ("scope-rules", "scope-policy"),
    ("jwt", "token-format"),
    ("opaque", "token-format"),
];

/// Host interfaces that a plugin gets only where its entry says so.
const INTERFACES: [&str; 3] = ["crypto", "kv", "accounts"];

const BREAKER: &str = "\"off\", or { share = 50, calls = 20, open_for = \"5s\" }";
const SOURCE: &str = "\"builtin:<name>\", or a file that ends in .pintle, .wasm, .so, .dylib or .dll";
const MILLISECOND: Duration = Duration::from_millis(1);
const LONGEST_CALL: Duration = Duration::from_secs(600);

/// `[plugins]`.
pub(super) fn plugins(node: &Node<'_>) -> Option<BTreeMap<String, PluginEntry>> {
    let Value::Dict(_, dict) = node.value else {
        return node.refuse(super::read::kind(node.value), "a table", None);
    };
    let mut plugins = BTreeMap::new();
    for (name, value) in dict {
        let node = Node { value, path: node.path.key(name), context: node.context };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
            node.refuse::<()>(quoted(name), "a plugin's name of letters, digits, \"-\" and \"_\"", None);
        }
        if let Some(Some(entry)) = node.table(plugin) {
            plugins.insert(name.clone(), entry);
        }
    }
    Some(plugins)
}

fn plugin(table: &mut Table<'_>) -> Option<PluginEntry> {
    if !table.dict.contains_key("source") {
        table.context.report.error(&table.path.key("source"), "no such key", SOURCE, None);
    }
    let source = table.optional("source", source);
    let sha256 = table.optional("sha256", sha256);
    let config_json = table.optional("config", config_json).unwrap_or_else(|| "{}".to_owned());
    let allow = table.optional("allow", |node| node.distinct(interface));
    let limits = table.key("limits", |node| node.table(limits));
    let required = table.key("required", Node::boolean);
    let reuse = table.optional("reuse", |node| node.integer(1..=128)).unwrap_or(1);
    let network = table.optional("network", |node| node.list(grant)).unwrap_or_default();
    let secrets = table.optional("secrets", secrets).unwrap_or_default();
    let allow_downgrade = table.optional("allow_downgrade", Node::boolean).unwrap_or_default();
    let shadow = table.optional("shadow", Node::text);
    Some(PluginEntry {
        source: source?,
        sha256,
        config_json,
        allow,
        limits,
        required,
        reuse,
        network,
        secrets,
        allow_downgrade,
        shadow,
    })
}

fn grant(node: &Node<'_>) -> Option<NetworkGrant> {
    const GRANT: &str = "an origin, or { origin = \"…\", private = true, ca = \"ca.pem\" }";
    if !matches!(node.value, Value::Dict(..)) {
        let origin = url::Url::parse(&node.text_as(GRANT).and_then(|_| uri::origin(node))?).ok()?;
        return Some(NetworkGrant { origin, private: false, ca: None });
    }
    let (origin, private, ca) = node.table(|table| {
        (
            table.required("origin", uri::ORIGIN, uri::origin),
            table.optional("private", Node::boolean).unwrap_or_default(),
            table.optional("ca", Node::file),
        )
    })?;
    Some(NetworkGrant { origin: url::Url::parse(&origin).ok()?, private, ca })
}

fn secrets(node: &Node<'_>) -> Option<BTreeMap<String, SecretSource>> {
    let Value::Dict(_, dict) = node.value else {
        return node.refuse(super::read::kind(node.value), "a table of names and { file }, { env } or { value }", None);
    };
    let mut secrets = BTreeMap::new();
    for (name, value) in dict {
        let node = Node { value, path: node.path.key(name), context: node.context };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
            node.refuse::<()>(quoted(name), "a secret's name of letters, digits, \"-\" and \"_\"", None);
        }
        if let Some(source) = secret::source(&node, Allowed::Readable) {
            secrets.insert(name.clone(), source);
        }
    }
    Some(secrets)
}

fn source(node: &Node<'_>) -> Option<PluginSource> {
    let text = node.text_as(SOURCE)?;
    if let Some(name) = text.strip_prefix("builtin:") {
        let names = || BUILTINS.iter().map(|(name, _)| *name);
        if names().any(|known| known == name) {
            return Some(PluginSource::Builtin(name.to_owned()));
        }
        let expected = format!("\"builtin:\" and {}", one_of(names()));
        let near = suggestion(name, names()).map(|help| help.replace('"', "").replace("mean ", "mean \"builtin:"));
        return node.refuse(quoted(&text), expected, near.map(|help| help.replace('?', "\"?")));
    }
    PluginSource::of_file(node.resolve(&text)).or_else(|| {
        let builtin = BUILTINS.iter().any(|(name, _)| *name == text);
        node.refuse(quoted(&text), SOURCE, builtin.then(|| format!("did you mean \"builtin:{text}\"?")))
    })
}

fn sha256(node: &Node<'_>) -> Option<String> {
    let text = node.checked("64 hexadecimal digits", |text| {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) { Ok(()) } else { Err(None) }
    })?;
    Some(text.to_lowercase())
}

fn config_json(node: &Node<'_>) -> Option<String> {
    if !matches!(node.value, Value::Dict(..)) {
        return node.refuse(super::read::kind(node.value), "a table", None);
    }
    // JSON has no NaN and no infinity; serde_json writes null for them.
    serde_json::to_string(node.value).ok().or_else(|| node.refuse("a value without a JSON form", "a table", None))
}

fn interface(node: &Node<'_>) -> Option<String> {
    node.checked(&one_of(INTERFACES), |text| {
        if INTERFACES.contains(&text) { Ok(()) } else { Err(suggestion(text, INTERFACES)) }
    })
}

fn limits(table: &mut Table<'_>) -> PluginLimits {
    PluginLimits {
        timeout: table.optional("timeout", |node| node.duration(MILLISECOND..=LONGEST_CALL)),
        cpu: table.optional("cpu", |node| node.duration(MILLISECOND..=LONGEST_CALL)),
        memory_mib: table.optional("memory_mib", |node| node.integer(1..=4096)),
        concurrency: table.optional("concurrency", |node| node.integer(1..=1024)),
        queue: table.optional("queue", |node| node.integer(0..=65536)),
        kv_keys: table.optional("kv_keys", |node| node.integer(1..=1_000_000)),
        breaker: table.optional("breaker", breaker).unwrap_or_default(),
    }
}

fn breaker(node: &Node<'_>) -> Option<BreakerChoice> {
    if !matches!(node.value, Value::Dict(..)) {
        let off = |text: &str| if text == "off" { Ok(()) } else { Err(None) };
        return node.checked(BREAKER, off).map(|_| BreakerChoice::Off);
    }
    let usual = BreakerLimits::default();
    let limits = node.table(|table| BreakerLimits {
        share: table.optional("share", |node| node.integer(1..=100)).unwrap_or(usual.share),
        calls: table.optional("calls", |node| node.integer(1..=10_000)).unwrap_or(usual.calls),
        open_for: table
            .optional("open_for", |node| node.duration(MILLISECOND..=LONGEST_CALL))
            .unwrap_or(usual.open_for),
    });
    limits.map(BreakerChoice::Limits)
}

/// `[trust]`.
pub(super) fn trust(node: &Node<'_>) -> Option<Trust> {
    node.table(|table| Trust {
        native: table.key("native", Node::boolean),
        keys: table.key("keys", |node| node.distinct(trusted_key)),
    })
}

fn trusted_key(node: &Node<'_>) -> Option<String> {
    node.checked("\"ed25519:\" and a public key in base64, raw or as SubjectPublicKeyInfo", |text| {
        let encoded = text.strip_prefix("ed25519:").ok_or(None)?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).map_err(|_| None)?;
        // RFC 8410 §4: the key's 32 bytes behind a header of 12.
        let is_spki = bytes.len() == 44 && bytes.starts_with(b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00");
        if bytes.len() == 32 || is_spki { Ok(()) } else { Err(None) }
    })
}
