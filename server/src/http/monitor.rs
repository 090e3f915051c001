//! `/health/live`, `/health/ready` and `/metrics`.

use super::peer::Peer;
use super::{proxy, reply};
use crate::metrics::Metrics;
use async_trait::async_trait;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::json;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

/// Says whether requests can be answered.
#[async_trait]
pub trait Readiness: Send + Sync + 'static {
    /// What is missing, one short sentence each; nothing when ready. Called for every `/health/ready`: cheap, and
    /// bounded in time.
    async fn missing(&self) -> Vec<String>;
}

/// Who may see numbers and reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The listener is for monitoring alone: whoever reaches it.
    Everyone,
    /// The listener is the public one: peers on this machine, not through a proxy.
    Loopback,
    /// The listener is the public one, behind a proxy: every peer is the proxy, which need not say so in a header.
    Nobody,
}

/// The methods of all three.
const METHODS: &str = "GET, HEAD";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    Live,
    Ready,
    Metrics,
}

impl Probe {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/health/live" => Some(Self::Live),
            "/health/ready" => Some(Self::Ready),
            "/metrics" => Some(Self::Metrics),
            _ => None,
        }
    }
}

/// All three endpoints; other paths are left to the next route.
pub fn routes(
    metrics: Metrics,
    readiness: Arc<dyn Readiness>,
    audience: Audience,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    probe(audience).and(warp::method()).then(move |(probe, insider), method: Method| {
        let (metrics, readiness) = (metrics.clone(), readiness.clone());
        async move {
            if method != Method::GET && method != Method::HEAD {
                return reply::method_not_allowed(METHODS);
            }
            match probe {
                Probe::Live => health(StatusCode::OK, &[]),
                Probe::Ready => ready(&readiness.missing().await, insider),
                Probe::Metrics => text(metrics.encode()),
            }
        }
    })
}

/// The endpoints on a listener of their own, where other paths are 404.
pub fn alone(
    metrics: Metrics,
    readiness: Arc<dyn Readiness>,
) -> impl Filter<Extract = (impl warp::Reply,), Error = Infallible> + Clone {
    routes(metrics, readiness, Audience::Everyone)
        .recover(async |rejection: Rejection| Ok::<_, Infallible>(reply::framing(&rejection)))
}

/// The probe, and whether who asks may see numbers and reasons. To anybody else, the numbers' path does not exist.
fn probe(audience: Audience) -> impl Filter<Extract = ((Probe, bool),), Error = Rejection> + Clone {
    warp::path::full().and(is_insider(audience)).and_then(async |path: FullPath, insider: bool| {
        match Probe::at(path.as_str()) {
            Some(Probe::Metrics) if !insider => Err(warp::reject::not_found()),
            Some(probe) => Ok((probe, insider)),
            None => Err(warp::reject::not_found()),
        }
    })
}

fn is_insider(audience: Audience) -> impl Filter<Extract = (bool,), Error = Infallible> + Clone {
    warp::ext::optional().and(warp::header::headers_cloned()).map(move |peer: Option<Peer>, headers: HeaderMap| {
        let near = peer.and_then(|peer| peer.ip).is_some_and(|ip: IpAddr| ip.is_loopback());
        match audience {
            Audience::Everyone => true,
            // A proxy on this machine that the configuration does not name makes everyone look near.
            Audience::Loopback => near && !proxy::is_forwarded(&headers),
            Audience::Nobody => false,
        }
    })
}

fn ready(missing: &[String], insider: bool) -> Response {
    match missing {
        [] => health(StatusCode::OK, &[]),
        _ => health(StatusCode::SERVICE_UNAVAILABLE, if insider { missing } else { &[] }),
    }
}

fn health(status: StatusCode, missing: &[String]) -> Response {
    let mut body = json!({ "status": if status.is_success() { "ok" } else { "unavailable" } });
    if !missing.is_empty() {
        body["missing"] = json!(missing);
    }
    answer(status, "application/json", body.to_string())
}

fn text(metrics: String) -> Response {
    answer(StatusCode::OK, Metrics::MEDIA_TYPE, metrics)
}

fn answer(status: StatusCode, media_type: &'static str, body: String) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Empty};
    use hyper::body::Bytes;
    use hyper::service::Service;
    use hyper::{Request, Response};
    use hyper_util::service::TowerToHyperService;

    type Answer = Response<Bytes>;

    struct Missing(Vec<String>);

    #[async_trait]
    impl Readiness for Missing {
        async fn missing(&self) -> Vec<String> {
            self.0.clone()
        }
    }

    async fn send(audience: Audience, missing: &[&str], method: &str, path: &str, ip: &str, forwarded: bool) -> Answer {
        let missing = Arc::new(Missing(missing.iter().map(ToString::to_string).collect()));
        let mut request = Request::builder().method(method).uri(path).body(Empty::<Bytes>::new()).unwrap();
        request.extensions_mut().insert(Peer { ip: Some(ip.parse().unwrap()), secure: false, unix: false });
        if forwarded {
            request.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
        }
        let response = if audience == Audience::Everyone {
            let service = TowerToHyperService::new(warp::service(alone(Metrics::new(), missing)));
            service.call(request).await.unwrap()
        } else {
            let service = TowerToHyperService::new(warp::service(routes(Metrics::new(), missing, audience)));
            service.call(request).await.unwrap()
        };
        let (head, body) = response.into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    async fn ask(audience: Audience, missing: &[&str], path: &str, ip: &str, forwarded: bool) -> Answer {
        send(audience, missing, "GET", path, ip, forwarded).await
    }

    #[tokio::test]
    async fn live_is_always_ok_and_ready_says_what_is_missing() {
        let live = ask(Audience::Everyone, &["store"], "/health/live", "127.0.0.1", false).await;
        assert_eq!((live.status().as_u16(), &live.body()[..]), (200, &br#"{"status":"ok"}"#[..]));
        let ready = ask(Audience::Everyone, &[], "/health/ready", "192.0.2.1", false).await;
        assert_eq!((ready.status().as_u16(), &ready.body()[..]), (200, &br#"{"status":"ok"}"#[..]));
        let not = ask(Audience::Everyone, &["store: closed"], "/health/ready", "192.0.2.1", false).await;
        let body = br#"{"missing":["store: closed"],"status":"unavailable"}"#;
        assert_eq!((not.status().as_u16(), &not.body()[..]), (503, &body[..]));
    }

    #[tokio::test]
    async fn on_the_public_listener_only_a_direct_loopback_peer_sees_numbers_and_reasons() {
        for (ip, forwarded, insider) in
            [("127.0.0.1", false, true), ("::1", false, true), ("127.0.0.1", true, false), ("192.0.2.1", false, false)]
        {
            let metrics = ask(Audience::Loopback, &[], "/metrics", ip, forwarded).await;
            assert_eq!(metrics.status().as_u16(), if insider { 200 } else { 404 }, "{ip} {forwarded}");
            let ready = ask(Audience::Loopback, &["secret host"], "/health/ready", ip, forwarded).await;
            assert_eq!(ready.status().as_u16(), 503);
            let told = String::from_utf8_lossy(ready.body()).contains("secret host");
            assert_eq!(told, insider, "{ip} {forwarded}");
        }
    }

    #[tokio::test]
    async fn behind_a_proxy_nobody_sees_numbers_and_reasons() {
        for forwarded in [false, true] {
            let metrics = ask(Audience::Nobody, &[], "/metrics", "127.0.0.1", forwarded).await;
            assert_eq!(metrics.status().as_u16(), 404, "{forwarded}");
            let ready = ask(Audience::Nobody, &["secret host"], "/health/ready", "127.0.0.1", forwarded).await;
            assert_eq!(ready.status().as_u16(), 503);
            assert_eq!(&ready.body()[..], br#"{"status":"unavailable"}"#);
        }
    }

    #[tokio::test]
    async fn other_methods_and_paths_are_json_errors() {
        for path in ["/health/live", "/health/ready", "/metrics"] {
            for audience in [Audience::Everyone, Audience::Loopback] {
                let refused = send(audience, &[], "POST", path, "127.0.0.1", false).await;
                let body: serde_json::Value = serde_json::from_slice(refused.body()).unwrap();
                assert_eq!((refused.status().as_u16(), &body["error"]), (405, &json!("method_not_allowed")), "{path}");
                assert_eq!(refused.headers()["allow"], "GET, HEAD");
                assert_eq!(send(audience, &[], "HEAD", path, "127.0.0.1", false).await.status().as_u16(), 200);
            }
        }
        let elsewhere = ask(Audience::Everyone, &[], "/token", "127.0.0.1", false).await;
        let body: serde_json::Value = serde_json::from_slice(elsewhere.body()).unwrap();
        assert_eq!((elsewhere.status().as_u16(), &body["error"]), (404, &json!("not_found")));
        assert_eq!(elsewhere.headers()["content-type"], "application/json");
    }

    #[tokio::test]
    async fn metrics_are_open_metrics_text() {
        let metrics = ask(Audience::Everyone, &[], "/metrics", "192.0.2.1", false).await;
        assert_eq!(metrics.headers()["content-type"], Metrics::MEDIA_TYPE);
        assert!(metrics.body().ends_with(b"# EOF\n"));
    }
}
