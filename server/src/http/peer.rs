//! Who sent a request, as the listener put it into the request's extensions.

use super::proxy::{self, Hop};
use crate::entropy::{self, Entropy};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

/// The other end of a request: the connection's, or, behind a trusted proxy, the one that the proxy names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address, never an IPv4-mapped one; none over a unix socket without a proxy's word.
    pub ip: Option<IpAddr>,
    /// Whether the client's own connection was encrypted.
    pub secure: bool,
    /// Whether the request came in over a unix socket.
    pub unix: bool,
}

/// Names one request in logs, in the audit log and in the answer's `X-Request-Id`. Always made here: an incoming
/// header could forge log lines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub String);

impl RequestId {
    /// 16 random bytes as base64url, 22 characters.
    #[must_use]
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self(URL_SAFE_NO_PAD.encode(entropy::array::<16>(entropy)))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose `Forwarded` and `X-Forwarded-*` are believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Arc<[IpNet]>,
    unix: bool,
}

impl TrustedProxies {
    /// Believes the addresses in `networks`, and unix-socket peers if `unix`: who may connect there is said by the
    /// file's owner and mode.
    #[must_use]
    pub fn new(networks: &[IpNet], unix: bool) -> Self {
        Self { networks: networks.into(), unix }
    }

    fn contains(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&ip))
    }

    fn believes(&self, link: &Peer) -> bool {
        if link.unix { self.unix } else { link.ip.is_some_and(|ip| self.contains(ip)) }
    }
}

impl Peer {
    /// The client behind the connection `link`: `link` itself, or, if that is a trusted proxy, the rightmost address
    /// in `Forwarded` (RFC 7239 §4) or `X-Forwarded-For` that is not one.
    ///
    /// Where both headers are there and disagree, neither is believed: a proxy that sets one of them passes the other
    /// through from whoever wrote it.
    #[must_use]
    pub fn resolve(link: Self, headers: &HeaderMap, trusted: &TrustedProxies) -> Self {
        if !trusted.believes(&link) {
            return link;
        }
        let standard = proxy::forwarded(headers).map(|hops| Self::walk(link, &hops, trusted));
        let legacy = proxy::x_forwarded_for(headers).map(|hops| Self::walk(link, &hops, trusted));
        match (standard, legacy) {
            (Some(one), Some(other)) if one.ip != other.ip => link,
            (Some(one), Some(other)) => Self { secure: one.secure && other.secure, ..one },
            (Some(peer), None) | (None, Some(peer)) => peer,
            (None, None) => Self { secure: proxy::x_forwarded_proto(headers).unwrap_or(link.secure), ..link },
        }
    }

    /// `hops`: nearest first, each reported by the one before it.
    fn walk(link: Self, hops: &[Hop], trusted: &TrustedProxies) -> Self {
        let mut peer = link;
        for hop in hops {
            peer.secure = hop.secure.unwrap_or(peer.secure);
            // An unnamed or unreadable node ends what can be known: the proxy that reported it stands for it.
            let Some(ip) = hop.ip else { break };
            peer.ip = Some(ip);
            if !trusted.contains(ip) {
                break;
            }
        }
        peer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    const PROXY: &str = "10.0.0.1";

    fn tcp(ip: &str) -> Peer {
        Peer { ip: Some(ip.parse().unwrap()), secure: false, unix: false }
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn trusted() -> TrustedProxies {
        TrustedProxies::new(&["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()], false)
    }

    /// (case, connection's address, headers, expected address, expected secure)
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, bool);

    #[test]
    fn a_proxys_word_counts_only_from_a_trusted_address_and_from_the_right() {
        let cases: &[Case<'_>] = &[
            ("no header", PROXY, &[], PROXY, false),
            ("not a proxy", "192.0.2.9", &[("x-forwarded-for", "1.1.1.1")], "192.0.2.9", false),
            ("not a proxy, Forwarded", "192.0.2.9", &[("forwarded", "for=1.1.1.1;proto=https")], "192.0.2.9", false),
            ("one hop", PROXY, &[("x-forwarded-for", "1.1.1.1")], "1.1.1.1", false),
            ("spoofed on the left", PROXY, &[("x-forwarded-for", "6.6.6.6, 1.1.1.1")], "1.1.1.1", false),
            ("two lines", PROXY, &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1")], "1.1.1.1", false),
            ("two proxies", PROXY, &[("x-forwarded-for", "1.1.1.1, 10.0.0.2")], "1.1.1.1", false),
            ("all trusted", PROXY, &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3", false),
            ("garbage", PROXY, &[("x-forwarded-for", "1.1.1.1, what")], PROXY, false),
            ("garbage further out", PROXY, &[("x-forwarded-for", "what, 10.0.0.2")], "10.0.0.2", false),
            ("empty", PROXY, &[("x-forwarded-for", "")], PROXY, false),
            ("port", PROXY, &[("x-forwarded-for", "1.1.1.1:443")], "1.1.1.1", false),
            ("IPv6", PROXY, &[("x-forwarded-for", "2001:db8::1")], "2001:db8::1", false),
            ("IPv6 and port", PROXY, &[("x-forwarded-for", "[2001:db8::1]:443")], "2001:db8::1", false),
            ("mapped", PROXY, &[("x-forwarded-for", "::ffff:1.1.1.1")], "1.1.1.1", false),
            ("https", PROXY, &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "https")], "1.1.1.1", true),
            (
                "proto from right",
                PROXY,
                &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "https,http")],
                "1.1.1.1",
                false,
            ),
            ("proto alone", PROXY, &[("x-forwarded-proto", "https")], PROXY, true),
            ("Forwarded", PROXY, &[("forwarded", "for=1.1.1.1;proto=https;by=10.0.0.1")], "1.1.1.1", true),
            (
                "Forwarded, quoted",
                PROXY,
                &[("forwarded", "For=\"[2001:db8::1]:47011\"; Proto=HTTPS")],
                "2001:db8::1",
                true,
            ),
            (
                "Forwarded, spoofed",
                PROXY,
                &[("forwarded", "for=6.6.6.6;proto=https, for=1.1.1.1;proto=http")],
                "1.1.1.1",
                false,
            ),
            (
                "Forwarded, comma in quotes",
                PROXY,
                &[("forwarded", "for=1.1.1.1;host=\"a,for=6.6.6.6\"")],
                "1.1.1.1",
                false,
            ),
            (
                "Forwarded, escaped quote",
                PROXY,
                &[("forwarded", "for=1.1.1.1;host=\"a\\\",for=6.6.6.6\"")],
                "1.1.1.1",
                false,
            ),
            ("Forwarded, obfuscated", PROXY, &[("forwarded", "for=_hidden;proto=https")], PROXY, true),
            ("Forwarded, unknown", PROXY, &[("forwarded", "for=6.6.6.6, for=unknown")], PROXY, false),
            ("Forwarded, for twice", PROXY, &[("forwarded", "for=1.1.1.1;for=6.6.6.6")], PROXY, false),
            ("Forwarded, open quote", PROXY, &[("forwarded", "for=6.6.6.6, for=\"1.1.1.1")], PROXY, false),
            ("both agree", PROXY, &[("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "1.1.1.1")], "1.1.1.1", false),
            ("both disagree", PROXY, &[("forwarded", "for=6.6.6.6"), ("x-forwarded-for", "1.1.1.1")], PROXY, false),
            (
                "https of one only",
                PROXY,
                &[("forwarded", "for=1.1.1.1;proto=https"), ("x-forwarded-for", "1.1.1.1")],
                "1.1.1.1",
                false,
            ),
            ("trusted IPv6 proxy", "fd00::1", &[("x-forwarded-for", "1.1.1.1")], "1.1.1.1", false),
        ];
        for (case, link, lines, ip, secure) in cases {
            let peer = Peer::resolve(tcp(link), &headers(lines), &trusted());
            assert_eq!((peer.ip, peer.secure), (Some(ip.parse().unwrap()), *secure), "{case}");
        }
    }

    #[test]
    fn a_unix_peer_is_believed_only_where_a_proxy_is_said_to_be_in_front() {
        let link = Peer { ip: None, secure: false, unix: true };
        let lines = headers(&[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "https")]);
        assert_eq!(Peer::resolve(link, &lines, &trusted()), link);
        let behind = TrustedProxies::new(&[], true);
        let seen = Peer { ip: Some("1.1.1.1".parse().unwrap()), secure: true, unix: true };
        assert_eq!(Peer::resolve(link, &lines, &behind), seen);
    }
}
