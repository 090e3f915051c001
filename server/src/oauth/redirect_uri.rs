//! Redirect URIs: exact comparison (RFC 9700 §2.1), with the port of a loopback address left open (RFC 8252 §7.3).

use super::error::OAuthError;
use url::{Host, Url};

/// Chooses the redirect URI of an authorization request.
///
/// - `registered`: the client's
/// - `requested`: the parameter, if sent; without it the only registered one is meant (RFC 6749 §3.1.2.3)
///
/// # Errors
/// `invalid_request`, which is never redirected.
pub fn choose(registered: &[String], requested: Option<&str>) -> Result<String, OAuthError> {
    match (requested, registered) {
        (Some(requested), _) if registered.iter().any(|known| matches(known, requested)) => Ok(requested.to_owned()),
        (Some(_), _) => Err(OAuthError::invalid_request("redirect_uri is not one of the client's")),
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(OAuthError::invalid_request("the client has no redirect_uri")),
        (None, _) => Err(OAuthError::invalid_request("parameter 'redirect_uri' is missing: the client has several")),
    }
}

fn matches(registered: &str, requested: &str) -> bool {
    registered == requested || matches_but_for_the_port(registered, requested).unwrap_or(false)
}

/// Only IP literals: `localhost` may be someone else's name (RFC 8252 §8.3).
fn matches_but_for_the_port(registered: &str, requested: &str) -> Option<bool> {
    let registered = Url::parse(registered).ok()?;
    let mut requested_url = Url::parse(requested).ok()?;
    let loopback = match registered.host()? {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(_) => false,
    };
    if !loopback || registered.scheme() != "http" || requested_url.as_str() != requested {
        return Some(false);
    }
    requested_url.set_port(registered.port()).ok()?;
    Some(requested_url == registered)
}

/// `uri` with `pairs` added to its query; what its query has already stays (RFC 6749 §3.1.2).
#[must_use]
pub fn with_query(uri: &str, pairs: &[(&str, &str)]) -> String {
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(pairs);
    let separator = match uri.find('?') {
        None => "?",
        Some(at) if at + 1 == uri.len() || uri.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{uri}{separator}{}", encoded.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_compared_exactly() {
        let registered = ["https://app.example/cb".to_owned()];
        assert!(choose(&registered, Some("https://app.example/cb")).is_ok());
        for other in
            ["https://app.example/cb/", "https://app.example/cb?x", "https://APP.example/cb", "http://app.example/cb"]
        {
            assert!(choose(&registered, Some(other)).is_err(), "{other}");
        }
        assert_eq!(choose(&registered, None).unwrap(), registered[0]);
        assert!(choose(&["a:b".into(), "c:d".into()], None).is_err());
    }

    #[test]
    fn the_port_of_a_loopback_address_is_open() {
        let registered = ["http://127.0.0.1/cb".to_owned(), "http://localhost/cb".to_owned()];
        assert!(choose(&registered, Some("http://127.0.0.1:4711/cb")).is_ok());
        assert!(choose(&registered, Some("http://127.0.0.1:4711/other")).is_err());
        assert!(choose(&registered, Some("http://user@127.0.0.1:4711/cb")).is_err());
        assert!(choose(&registered, Some("http://localhost:4711/cb")).is_err());
    }

    #[test]
    fn query_parameters_of_the_uri_survive() {
        assert_eq!(with_query("https://a/cb", &[("code", "x y")]), "https://a/cb?code=x+y");
        assert_eq!(with_query("https://a/cb?k=v", &[("code", "x")]), "https://a/cb?k=v&code=x");
    }
}
