//! Redirect URIs and origins.

use super::read::{Node, quoted};
use url::{Host, Url};

pub(super) const REDIRECT: &str = "an absolute URI without fragment: https, http on loopback, or an application's own scheme \
                        with a dot (RFC 6749 §3.1.2, RFC 8252 §7)";
pub(super) const ORIGIN: &str = "an origin: scheme, host and port, nothing behind, such as \"https://app.example.com\"";

/// A redirect URI. It is compared byte by byte later, so it stays as it was written.
pub(super) fn redirect(node: &Node<'_>) -> Option<String> {
    node.checked(REDIRECT, check_redirect)
}

pub(super) fn check_redirect(text: &str) -> Result<(), Option<String>> {
    if !text.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b'\\') {
        return Err(None);
    }
    let url = Url::parse(text).map_err(|error| Some(reason(error)))?;
    if text.contains('#') {
        return Err(Some("leave the fragment out".to_owned()));
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err(Some("plain http carries the code readably: use https".to_owned())),
        scheme if scheme.contains('.') => Ok(()),
        scheme => Err(Some(format!("the scheme {scheme:?} belongs to no domain: use one like \"com.example.app\""))),
    }
}

/// A web origin (RFC 6454 §6.2), as a browser sends it.
pub(super) fn origin(node: &Node<'_>) -> Option<String> {
    node.checked(ORIGIN, check_origin)
}

pub(super) fn check_origin(text: &str) -> Result<(), Option<String>> {
    let url = Url::parse(text).map_err(|_| None)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(None);
    }
    let origin = url.origin().ascii_serialization();
    if origin == text { Ok(()) } else { Err(Some(format!("write {}", quoted(&origin)))) }
}

/// What to do about a text that is no URL.
pub(super) fn reason(error: url::ParseError) -> String {
    match error {
        url::ParseError::RelativeUrlWithoutBase => "start with the scheme, such as \"https://\"".to_owned(),
        other => other.to_string(),
    }
}

/// Whether the URL's host is this machine's loopback, by address or as `localhost`.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
