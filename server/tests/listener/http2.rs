//! HTTP/2 with prior knowledge: several requests at once, the end, rapid resets.

use crate::support::{LONG, SHORT, listen, start};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, client};
use hyper::{Request, StatusCode};
use pintle::config::model::Listen;
use pintle::http::listener::Drain;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

type Connection = JoinHandle<Result<(), h2::Error>>;

pub async fn connect(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> (SendRequest<Bytes>, Connection) {
    let (requests, connection) = client::handshake(stream).await.unwrap();
    (requests, tokio::spawn(connection))
}

async fn send(requests: &SendRequest<Bytes>, path: &str) -> ResponseFuture {
    let request = Request::get(format!("http://a.example{path}")).body(()).unwrap();
    requests.clone().ready().await.unwrap().send_request(request, true).unwrap().0
}

pub async fn text(response: ResponseFuture) -> String {
    let response = tokio::time::timeout(LONG / 2, response).await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-request-id"].len(), 22);
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

pub async fn ask(requests: &SendRequest<Bytes>, path: &str) -> String {
    text(send(requests, path).await).await
}

#[tokio::test]
async fn a_request_is_answered_while_another_one_runs() {
    let server = start(&listen(), None);
    let (requests, _connection) = connect(server.connect().await).await;
    let held = send(&requests, "/held").await;
    server.held.notified().await;
    assert!(ask(&requests, "/peer").await.starts_with("127.0.0.1 secure=false"));
    server.release.notify_one();
    assert_eq!(text(held).await, "done");
}

async fn status(requests: &SendRequest<Bytes>, request: Request<()>) -> (StatusCode, String) {
    let response = requests.clone().ready().await.unwrap().send_request(request, true).unwrap().0.await.unwrap();
    let status = response.status();
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    (status, String::from_utf8(bytes).unwrap())
}

#[tokio::test]
async fn connect_a_panic_and_too_large_a_head_are_answered_and_the_connection_goes_on() {
    let server = start(&listen(), None);
    let (requests, _connection) = connect(server.connect().await).await;
    let connect = Request::builder().method("CONNECT").uri("evil.example:80").body(()).unwrap();
    let panic = Request::get("http://a.example/panic").body(()).unwrap();
    let long = format!("http://a.example/peer?{}", "a".repeat(17_000));
    let large = Request::get("http://a.example/peer").header("x-large", "a".repeat(17_000)).body(()).unwrap();
    let mut many = Request::get("http://a.example/peer");
    for number in 0..80 {
        many = many.header(format!("x-{number}"), "a");
    }
    for (request, expected, error) in [
        (connect, 405, "method_not_allowed"),
        (panic, 500, "server_error"),
        (Request::get(long).body(()).unwrap(), 414, "invalid_request"),
        (large, 431, "invalid_request"),
        (many.body(()).unwrap(), 431, "invalid_request"),
    ] {
        let (status, body) = status(&requests, request).await;
        assert_eq!(status.as_u16(), expected, "{body}");
        assert!(body.starts_with(&format!("{{\"error\":\"{error}\"")), "{body}");
        assert!(ask(&requests, "/peer").await.starts_with("127.0.0.1"));
    }
}

#[tokio::test]
async fn a_shutdown_says_goodbye_and_finishes_what_runs() {
    let server = start(&listen(), None);
    let (release, held) = (server.release.clone(), server.held.clone());
    let (requests, connection) = connect(server.connect().await).await;
    let running = send(&requests, "/held").await;
    held.notified().await;
    let served = server.stop();
    release.notify_one();
    assert_eq!(text(running).await, "done");
    drop(requests);
    connection.await.unwrap().unwrap();
    assert_eq!(served.await.unwrap(), Drain::Finished);
}

#[tokio::test]
async fn an_idle_connection_is_closed_whatever_its_pings() {
    let server = start(&Listen { idle_timeout: SHORT, ..listen() }, None);
    let (requests, mut connection) = client::handshake(server.connect().await).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let connection = tokio::spawn(connection);
    ask(&requests, "/peer").await;
    while pings.ping(h2::Ping::opaque()).await.is_ok() {}
    tokio::time::timeout(LONG / 2, connection).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn many_requests_that_are_reset_at_once_end_the_connection() {
    let server = start(&listen(), None);
    let (requests, connection) = client::handshake(server.connect().await).await.unwrap();
    // Not driven yet: all of it leaves in one go.
    for _ in 0..60 {
        let request = Request::get("http://a.example/held").body(()).unwrap();
        let (_response, mut stream) = requests.clone().send_request(request, false).unwrap();
        stream.send_reset(Reason::CANCEL);
    }
    let ended = tokio::time::timeout(LONG / 2, connection).await.unwrap();
    assert_eq!(ended.unwrap_err().reason(), Some(Reason::ENHANCE_YOUR_CALM));
}
