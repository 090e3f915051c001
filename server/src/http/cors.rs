//! Cross-origin answers (the Fetch standard, §3.2) for the endpoints that browser applications call.
//!
//! An origin is compared as the browser writes it, byte for byte: scheme and host in lower case, no default port, no
//! path. `null` and `*` are never an origin here. Credentials (cookies) are never allowed: none are used.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};
use hyper::{HeaderMap, Method};

/// Seconds; browsers cap it themselves (Chromium at 7200).
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type");
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("www-authenticate, retry-after, x-request-id");

/// The request's `Origin`, if it has exactly one.
#[must_use]
pub fn origin(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(ORIGIN).iter();
    let one = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(one)
}

/// Whether this is a preflight and no request of its own.
#[must_use]
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether `origin` is one of `allowed`, a client's `cors` list.
#[must_use]
pub fn allows<S: AsRef<str>>(allowed: impl IntoIterator<Item = S>, origin: &str) -> bool {
    origin.contains("://") && allowed.into_iter().any(|one| one.as_ref() == origin)
}

/// What an answer (a refusal too) gets. `allowed`: whether the request's client has the request's origin. The answer
/// differs by origin in any case, so caches are told.
#[must_use]
pub fn response_headers(request: &HeaderMap, allowed: impl FnOnce(&str) -> bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = permitted(request, allowed) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
    headers
}

/// What a preflight's 204 gets. `methods`: the endpoint's own, as in `"POST"`; `allowed`: whether any client has the
/// origin, as the client is not known before the request itself. Without the allowing headers the browser refuses.
#[must_use]
pub fn preflight_headers(request: &HeaderMap, methods: &'static str, allowed: impl FnOnce(&str) -> bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let vary = "origin, access-control-request-method, access-control-request-headers";
    headers.insert(VARY, HeaderValue::from_static(vary));
    if let Some(origin) = permitted(request, allowed) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    headers
}

fn permitted(request: &HeaderMap, allowed: impl FnOnce(&str) -> bool) -> Option<HeaderValue> {
    let origin = origin(request)?;
    if allowed(origin) { HeaderValue::from_str(origin).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: [&str; 2] = ["https://app.example", "http://localhost:3000"];

    fn from(origins: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(ORIGIN, HeaderValue::from_static(origin));
        }
        headers
    }

    #[test]
    fn an_origin_is_allowed_as_it_is_or_not_at_all() {
        let cases: [(&[&str], bool); 13] = [
            (&["https://app.example"], true),
            (&["http://localhost:3000"], true),
            (&["http://app.example"], false),
            (&["https://app.example:444"], false),
            (&["https://app.example/"], false),
            (&["https://APP.example"], false),
            (&["https://sub.app.example"], false),
            (&["https://app.example.evil"], false),
            (&["null"], false),
            (&["*"], false),
            (&[""], false),
            (&[], false),
            (&["https://app.example", "https://app.example"], false),
        ];
        for (origins, expected) in cases {
            let request = from(origins);
            let answer = response_headers(&request, |origin| allows(ALLOWED, origin));
            let preflight = preflight_headers(&request, "POST", |origin| allows(ALLOWED, origin));
            assert_eq!(answer[VARY], "origin", "{origins:?}");
            for headers in [&answer, &preflight] {
                let found = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap());
                assert_eq!(found, origins.first().copied().filter(|_| expected), "{origins:?}");
            }
            assert_eq!(answer.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS), expected, "{origins:?}");
            assert_eq!(preflight.contains_key(ACCESS_CONTROL_ALLOW_METHODS), expected, "{origins:?}");
        }
    }

    #[test]
    fn neither_null_nor_a_star_in_a_clients_list_allows_anything() {
        assert!(!allows(["null", "*"], "null"));
        assert!(!allows(["null", "*"], "*"));
        assert!(!allows(["null", "*"], "https://app.example"));
    }

    #[test]
    fn a_preflight_says_what_the_request_may_have() {
        let headers = preflight_headers(&from(&["https://app.example"]), "POST", |_| true);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "POST");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "authorization, content-type");
        assert_eq!(headers[ACCESS_CONTROL_MAX_AGE], "3600");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn options_without_origin_and_method_is_no_preflight() {
        let mut headers = from(&["https://app.example"]);
        assert!(!is_preflight(&Method::OPTIONS, &headers));
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        assert!(is_preflight(&Method::OPTIONS, &headers));
        assert!(!is_preflight(&Method::POST, &headers));
        headers.remove(ORIGIN);
        assert!(!is_preflight(&Method::OPTIONS, &headers));
    }
}
