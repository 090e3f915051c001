//! The directory's servers as the config names them.

use std::net::{Ipv4Addr, Ipv6Addr};
use url::Url;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `ldap://host[:port]` or `ldaps://host[:port]`.
    pub(crate) url: String,
    /// Whether the connection becomes TLS by StartTLS (RFC 4511 §4.14).
    pub(crate) starttls: bool,
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// - `starttls`: for `ldap://`
    /// - `plain`: whether passwords may cross a network unencrypted
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str, starttls: bool, plain: bool) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
        let secure = match url.scheme() {
            "ldaps" => true,
            "ldap" => starttls,
            _ => return Err(format!("expected ldap:// or ldaps://, found {text:?}")),
        };
        let host = url.host_str().filter(|host| is_host(host)).ok_or_else(|| format!("{text:?} names no host"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("no user and no password belong here: see `bind_dn` and the secret `bind_password`".to_owned());
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err("only scheme, host and port belong here: see `base` and `filter`".to_owned());
        }
        if secure && host.starts_with('[') {
            return Err("a certificate is checked against a host name; an IPv6 address cannot be used".to_owned());
        }
        if !secure && !plain && !is_loopback(host) {
            return Err("passwords would cross the network unencrypted: use ldaps://, or set `starttls = true`; \
                        `plain = true` allows it all the same"
                .to_owned());
        }
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        Ok(Self { url: format!("{}://{host}{port}", url.scheme()), starttls: starttls && url.scheme() == "ldap" })
    }

    /// Whether a certificate is checked.
    pub(crate) fn uses_tls(&self) -> bool {
        self.starttls || self.url.starts_with("ldaps:")
    }
}

fn is_host(host: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !host.is_empty() && (host.starts_with('[') || host.chars().all(is_name))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.trim_matches(['[', ']']).parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str, starttls: bool, plain: bool) -> Result<String, String> {
        Endpoint::parse(text, starttls, plain).map(|endpoint| endpoint.url)
    }

    #[test]
    fn a_password_crosses_a_network_unencrypted_only_where_the_operator_says_so() {
        assert!(url("ldap://ldap.example.com", false, false).unwrap_err().contains("unencrypted"));
        assert!(url("ldap://10.0.0.1", false, false).is_err());
        for local in ["ldap://localhost:3890", "ldap://127.0.0.1", "ldap://[::1]:3890"] {
            assert_eq!(url(local, false, false).as_deref(), Ok(local));
        }
        assert!(url("ldap://localhost.example.com", false, false).is_err());
        assert!(url("ldap://ldap.example.com", true, false).is_ok());
        assert!(url("ldap://ldap.example.com", false, true).is_ok());
        assert!(url("ldaps://ldap.example.com:636/", false, false).is_ok());
    }

    #[test]
    fn starttls_is_for_the_plain_scheme_alone() {
        let ldaps = Endpoint::parse("ldaps://ldap.example.com", true, false).unwrap();
        assert!(ldaps.uses_tls() && !ldaps.starttls);
        assert!(Endpoint::parse("ldap://ldap.example.com", true, false).unwrap().starttls);
    }

    #[test]
    fn only_scheme_host_and_port_are_taken() {
        for wrong in [
            "ldap.example.com",
            "https://ldap.example.com",
            "ldapi:///run/slapd",
            "ldaps://",
            "ldaps:///dc=example",
            "ldaps://cn=admin:secret@ldap.example.com",
            "ldaps://ldap.example.com/dc=example,dc=com",
            "ldaps://ldap.example.com?uid?sub",
            "ldaps://ldap.example.com#x",
            "ldaps://ldap%2eexample.com",
            "ldaps://[::1]",
        ] {
            assert!(url(wrong, false, true).is_err(), "{wrong}");
        }
    }
}
