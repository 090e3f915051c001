//! `/health/live`, `/health/ready` and `/metrics`.

use super::peer::Peer;
use super::proxy;
use crate::metrics::Metrics;
use async_trait::async_trait;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use serde_json::json;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
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
}

/// All three endpoints.
pub fn routes(
    metrics: Metrics,
    readiness: Arc<dyn Readiness>,
    audience: Audience,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let live = warp::path!("health" / "live").and(warp::get()).map(|| health(StatusCode::OK, &[]));
    let ready =
        warp::path!("health" / "ready").and(warp::get()).and(is_insider(audience)).then(move |insider: bool| {
            let readiness = readiness.clone();
            async move { ready(&readiness.missing().await, insider) }
        });
    let numbers = warp::path!("metrics")
        .and(warp::get())
        .and(is_insider(audience))
        // To anybody else, the path does not exist.
        .and_then(async |insider: bool| if insider { Ok(()) } else { Err(warp::reject::not_found()) })
        .untuple_one()
        .map(move || text(metrics.encode()));
    live.or(ready).unify().or(numbers).unify()
}

fn is_insider(audience: Audience) -> impl Filter<Extract = (bool,), Error = Infallible> + Clone {
    warp::ext::optional().and(warp::header::headers_cloned()).map(move |peer: Option<Peer>, headers: HeaderMap| {
        let near = peer.and_then(|peer| peer.ip).is_some_and(|ip: IpAddr| ip.is_loopback());
        // A proxy on this machine that the configuration does not name makes everyone look near.
        audience == Audience::Everyone || (near && !proxy::is_forwarded(&headers))
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

    struct Missing(Vec<String>);

    #[async_trait]
    impl Readiness for Missing {
        async fn missing(&self) -> Vec<String> {
            self.0.clone()
        }
    }

    async fn ask(audience: Audience, missing: &[&str], path: &str, ip: &str, forwarded: bool) -> Response<Bytes> {
        let missing = Missing(missing.iter().map(ToString::to_string).collect());
        let service = TowerToHyperService::new(warp::service(routes(Metrics::new(), Arc::new(missing), audience)));
        let mut request = Request::get(path).body(Empty::<Bytes>::new()).unwrap();
        request.extensions_mut().insert(Peer { ip: Some(ip.parse().unwrap()), secure: false, unix: false });
        if forwarded {
            request.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
        }
        let (head, body) = service.call(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
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
    async fn metrics_are_open_metrics_text() {
        let metrics = ask(Audience::Everyone, &[], "/metrics", "192.0.2.1", false).await;
        assert_eq!(metrics.headers()["content-type"], Metrics::MEDIA_TYPE);
        assert!(metrics.body().ends_with(b"# EOF\n"));
    }
}
