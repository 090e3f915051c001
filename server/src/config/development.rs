//! What the built-in development configuration takes from what is laid over it.

use figment::value::{Dict, Value};
use std::net::SocketAddr;

/// The issuer of a development server: where it listens, so that its metadata leads there. `None` where that is known
/// only once it listens, or is no TCP address.
pub(super) fn issuer(keys: &Dict) -> Option<String> {
    let Value::Dict(_, listen) = keys.get("listen")? else { return None };
    let scheme = if listen.contains_key("tls") { "https" } else { "http" };
    let addresses = match listen.get("address")? {
        Value::Array(_, addresses) => addresses.as_slice(),
        address => std::slice::from_ref(address),
    };
    let tcp = |address: &Value| address.as_str()?.parse::<SocketAddr>().ok();
    let address = addresses.iter().find_map(tcp).filter(|address| address.port() != 0)?;
    let default = if scheme == "https" { 443 } else { 80 };
    let port = if address.port() == default { String::new() } else { format!(":{}", address.port()) };
    let host = address.ip();
    Some(if host.is_ipv6() { format!("{scheme}://[{host}]{port}") } else { format!("{scheme}://{host}{port}") })
}
