//! What works and is still worth the operator's attention.

use super::model::{Address, ClientEntry, ClientType, Config, SecretSource};
use super::path::KeyPath;
use super::report::Report;
use super::secret::others_may_read;
use super::uri::is_loopback;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::{Host, Url};

/// OWASP's least memory for Argon2id (with five iterations).
const LEAST_MEMORY_KIB: u32 = 7168;

/// A shorter secret of a client is no random one (RFC 6749 §10.10).
const SHORT_SECRET: usize = 16;

/// Notes every warning. `files` are those that were read.
pub(super) fn warn(config: &Config, files: &[PathBuf], report: &Report<'_>) {
    transport(config, report);
    for (index, client) in config.clients.iter().enumerate() {
        warn_of_client(client, &KeyPath::parse("clients").index(index), report);
    }
    brute_force(config, report);
    issuer_elsewhere(config, report);
    master_key(config, report);
    syncs_beside_the_chain(config, report);
    let in_files = config.clients.iter().flat_map(|client| &client.secrets);
    if in_files.into_iter().any(|secret| matches!(secret, SecretSource::Value(_))) {
        readable_files(files, report);
    }
}

fn transport(config: &Config, report: &Report<'_>) {
    let issuer = Url::parse(&config.issuer);
    if issuer.is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url)) {
        report.warn(&KeyPath::parse("issuer"), "http beyond loopback: clients should refuse it (RFC 8414 §2)");
    }
    let listen = &config.listen;
    let beyond = |address: &&Address| matches!(address, Address::Tcp(tcp) if !tcp.ip().is_loopback());
    if listen.tls.is_none() && listen.addresses.iter().any(|address| beyond(&address)) {
        let text = "plain HTTP beyond loopback: whoever is between the proxy and this server reads passwords";
        report.warn(&KeyPath::parse("listen.address"), text);
    }
    for (index, network) in listen.trusted_proxies.iter().enumerate().filter(|(_, network)| network.prefix_len() == 0) {
        let text = format!("{network} trusts everybody: any client may claim any address");
        report.warn(&KeyPath::parse("listen.trusted_proxies").index(index), text);
    }
    if config.monitoring.address.as_ref().filter(beyond).is_some() {
        report.warn(&KeyPath::parse("monitoring.address"), "metrics beyond loopback: plain HTTP, for everybody");
    }
}

/// Whoever asks a server on loopback for its metadata is sent to the issuer: it must listen there.
fn issuer_elsewhere(config: &Config, report: &Report<'_>) {
    let Some(url) = Url::parse(&config.issuer).ok().filter(is_loopback) else { return };
    let (host, port) = (url.host(), url.port_or_known_default());
    let is_issuers = |address: &SocketAddr| {
        let same_host = match (host.as_ref(), address.ip()) {
            (Some(Host::Ipv4(host)), IpAddr::V4(ip)) => *host == ip,
            (Some(Host::Ipv6(host)), IpAddr::V6(ip)) => *host == ip,
            (host, _) => matches!(host, Some(Host::Domain(_))),
        };
        same_host && port == Some(address.port())
    };
    let tcp = |address: &Address| if let Address::Tcp(tcp) = address { Some(*tcp) } else { None };
    let listeners: Vec<SocketAddr> = config.listen.addresses.iter().filter_map(tcp).collect();
    let Some(first) = listeners.first().filter(|first| first.ip().is_loopback()) else { return };
    if !listeners.iter().any(is_issuers) {
        let text = format!(
            "{:?} leads elsewhere than listen.address, {first}: clients that follow the metadata do not come here",
            config.issuer
        );
        report.warn(&KeyPath::parse("issuer"), text);
    }
}

/// An account of another backend is another account, even where it has the same name.
fn syncs_beside_the_chain(config: &Config, report: &Report<'_>) {
    for (index, sync) in config.sync.iter().enumerate() {
        if !config.chain.iter().any(|entry| entry.plugin == sync.plugin) {
            let text = format!(
                "{:?} is not in users.chain: its sync decides about nobody who logs in with a password",
                sync.plugin
            );
            report.warn(&KeyPath::parse("users.sync").index(index), text);
        }
    }
}

fn master_key(config: &Config, report: &Report<'_>) {
    let path = KeyPath::parse("keys.master");
    match &config.keys.master {
        None => {
            let text = "not set: the master key is generated and kept beside what it protects; give a file elsewhere or an \
                        environment variable";
            report.warn(&path, text);
        }
        Some(SecretSource::File(file)) if real(file).starts_with(real(&config.data_dir)) => {
            report.warn(&path, "lies in data_dir, beside what it protects: keep it elsewhere");
        }
        Some(_) => {}
    }
}

/// The path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let absolute = || std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (std::fs::canonicalize(path), path.parent(), path.file_name()) {
        (Ok(real), ..) => real,
        (Err(_), Some(parent), Some(name)) if !parent.as_os_str().is_empty() => real(parent).join(name),
        _ => absolute(),
    }
}

fn warn_of_client(client: &ClientEntry, path: &KeyPath, report: &Report<'_>) {
    let id = &client.id;
    if let Some(index) = client.grants.iter().position(|grant| grant == "password") {
        let text =
            format!("{id:?} uses the password grant, which RFC 9700 §2.4 rules out: for first-party clients only");
        report.warn(&path.key("grants").index(index), text);
    }
    // A warning, as such a client may be registered before its pages are known; its requests are refused till then.
    if let Some(index) = client.grants.iter().position(|grant| grant == "authorization_code")
        && client.redirect_uris.is_empty()
    {
        let text = format!("{id:?} has no redirect_uris: its authorization requests are refused");
        report.warn(&path.key("grants").index(index), text);
    }
    if client.trusted && client.client_type == ClientType::Public {
        let text = format!("{id:?} is public and trusted: any program can take its id and ask users for passwords");
        report.warn(&path.key("trusted"), text);
    }
    if client.secrets.iter().any(|secret| matches!(secret, SecretSource::Value(_))) {
        let text = format!("the secret of {id:?} is given as it is: use file, env or hash");
        report.warn(&path.key("secret"), text);
    }
    let is_short = |secret: &SecretSource| matches!(secret, SecretSource::Value(value) if value.len() < SHORT_SECRET);
    if client.secrets.iter().any(is_short) {
        let text = format!("the secret of {id:?} has fewer than {SHORT_SECRET} characters: it can be guessed");
        report.warn(&path.key("secret"), text);
    }
}

fn brute_force(config: &Config, report: &Report<'_>) {
    if config.passwords.failure_time.is_zero() {
        let text = "0: the time of a failed login tells whether the account exists";
        report.warn(&KeyPath::parse("passwords.failure_time"), text);
    }
    if config.passwords.memory_kib < LEAST_MEMORY_KIB {
        let text = format!("{}: below {LEAST_MEMORY_KIB} Argon2id is cheap to attack", config.passwords.memory_kib);
        report.warn(&KeyPath::parse("passwords.memory_kib"), text);
    }
    let delays = [("lockout.base_delay", config.lockout.base_delay), ("lockout.max_delay", config.lockout.max_delay)];
    if let Some((key, _)) = delays.into_iter().find(|(_, delay)| *delay == Duration::ZERO) {
        report.warn(&KeyPath::parse(key), "0: passwords can be tried without delay");
    }
}

fn readable_files(files: &[PathBuf], report: &Report<'_>) {
    for file in files.iter().filter(|file| others_may_read(file)) {
        let text = "holds a secret and every user of this machine may read it: run chmod o-r on it".to_owned();
        report.warn_of_file(file, text);
    }
}
