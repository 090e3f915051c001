//! What reverse proxies say about a request: `Forwarded` (RFC 7239) and `X-Forwarded-For`/`X-Forwarded-Proto`.
//! Nothing here is believed yet: see [`super::peer::Peer::resolve`].

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};
use std::net::{IpAddr, SocketAddr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// One step towards the client, as the proxy nearer to us reported it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// Who sent the request to that proxy; none if hidden or unreadable.
    pub ip: Option<IpAddr>,
    /// Whether by HTTPS; none if not said.
    pub secure: Option<bool>,
}

/// Whether any of these headers is there, believed or not.
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    [FORWARDED, X_FORWARDED_FOR, X_FORWARDED_PROTO].iter().any(|name| headers.contains_key(name))
}

/// The hops of `Forwarded`, nearest first; none without the header. What cannot be read becomes a hop without address.
pub fn forwarded(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let joined = joined(headers, &FORWARDED)?;
    let elements = split_unquoted(&joined, ',');
    Some(elements.iter().rev().map(|element| forwarded_element(element)).collect())
}

/// The hops of `X-Forwarded-For`, nearest first, each with what `X-Forwarded-Proto` says; none without the first.
pub fn x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let secure = x_forwarded_proto(headers);
    let list = joined(headers, &X_FORWARDED_FOR)?;
    Some(list.rsplit(',').map(|node| Hop { ip: node_address(node.trim()), secure }).collect())
}

/// Whether the rightmost `X-Forwarded-Proto` is `https`; none without the header.
pub fn x_forwarded_proto(headers: &HeaderMap) -> Option<bool> {
    let list = joined(headers, &X_FORWARDED_PROTO)?;
    list.rsplit(',').next().map(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}

/// All lines of `name` as one list, in order; an unreadable line is an unreadable element.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("?")).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// RFC 7239 §4: `for=192.0.2.60;proto=http;by=203.0.113.43`. A parameter may occur once; anything else is unreadable.
fn forwarded_element(element: &str) -> Hop {
    let mut node: Option<String> = None;
    let mut proto: Option<String> = None;
    for pair in split_unquoted(element, ';') {
        let Some((name, value)) = pair.trim().split_once('=') else { return Hop::default() };
        let Some(value) = unquoted(value) else { return Hop::default() };
        let slot = match name.to_ascii_lowercase().as_str() {
            "for" => &mut node,
            "proto" => &mut proto,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Hop::default();
        }
    }
    let ip = node.as_deref().and_then(node_address);
    Hop { ip, secure: proto.map(|scheme| scheme.eq_ignore_ascii_case("https")) }
}

/// RFC 7239 §6: an address, with or without a port; also a bare IPv6 address, as `X-Forwarded-For` has it.
fn node_address(node: &str) -> Option<IpAddr> {
    let bracketed = || node.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || node.parse().ok().map(|address: SocketAddr| address.ip());
    node.parse().ok().or_else(with_port).or_else(bracketed).map(|ip: IpAddr| ip.to_canonical())
}

/// Splits at `separator` outside of quoted strings (RFC 9110 §5.6.4).
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                parts.push(&text[start..index]);
                start = index + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// A token as it is, a quoted string without its quotes; none if the quotes do not match.
fn unquoted(value: &str) -> Option<String> {
    let value = value.trim();
    let Some(rest) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let (mut text, mut characters) = (String::new(), rest.chars());
    while let Some(character) = characters.next() {
        match character {
            '"' => return characters.next().is_none().then_some(text),
            '\\' => text.push(characters.next()?),
            _ => text.push(character),
        }
    }
    None
}
