//! `[listen]` and `[monitoring]`.

use super::model::{Address, Listen, Monitoring, Tls};
use super::read::{Node, Table, quoted};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const ADDRESS: &str = "an address with a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\", or \"unix:<path>\"";
const NETWORK: &str = "an IP address or network, such as \"10.0.0.1\" or \"10.0.0.0/8\"";
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// `[listen]`.
pub(super) fn listen(node: &Node<'_>) -> Option<Listen> {
    node.table(|table| Listen {
        addresses: table.key("address", |node| node.one_or_many(address)),
        tls: table.optional("tls", tls),
        behind_proxy: table.key("behind_proxy", Node::boolean),
        trusted_proxies: table.key("trusted_proxies", |node| node.list(network)),
        header_timeout: table.key("header_timeout", |node| node.duration(SECOND..=HOUR)),
        body_timeout: table.key("body_timeout", |node| node.duration(SECOND..=HOUR)),
        idle_timeout: table.key("idle_timeout", |node| node.duration(SECOND..=HOUR)),
        drain_timeout: table.key("drain_timeout", |node| node.duration(Duration::ZERO..=HOUR)),
        max_connections: table.key("max_connections", |node| node.integer(1..=1_000_000)),
    })
}

/// `[monitoring]`.
pub(super) fn monitoring(node: &Node<'_>) -> Option<Monitoring> {
    node.table(|table| Monitoring {
        address: table.optional("address", address),
        plain_http: table.key("plain_http", Node::boolean),
    })
}

fn tls(node: &Node<'_>) -> Option<Tls> {
    node.table(|table: &mut Table<'_>| Tls {
        certificate: table.required("certificate", "a PEM file with the chain, leaf first", Node::file),
        key: table.required("key", "a PEM file with the private key", Node::file),
    })
}

fn address(node: &Node<'_>) -> Option<Address> {
    let text = node.text_as(ADDRESS)?;
    if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        return Some(Address::Unix(node.resolve(path)));
    }
    match text.parse::<SocketAddr>() {
        Ok(address) => Some(Address::Tcp(address)),
        Err(_) => node.refuse(quoted(&text), ADDRESS, address_help(&text)),
    }
}

fn address_help(text: &str) -> Option<String> {
    if text.parse::<IpAddr>().is_ok() {
        return Some("add the port".to_owned());
    }
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':'))?;
    port.parse::<u16>().ok()?;
    Some(format!("names are not looked up: write \"127.0.0.1:{port}\""))
}

fn network(node: &Node<'_>) -> Option<IpNet> {
    let text = node.text_as(NETWORK)?;
    let parsed = text.parse::<IpNet>().map(|net| net.trunc()).or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    parsed.ok().or_else(|| node.refuse(quoted(&text), NETWORK, None))
}
