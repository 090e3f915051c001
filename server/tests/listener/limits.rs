//! Time limits, connection limits, the end.

use crate::support::{SHORT, ask, listen, rest, start, until};
use pintle::config::model::Listen;
use pintle::http::listener::Drain;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const HELD: &[u8] = b"GET /held HTTP/1.1\r\nhost: a.example\r\n\r\n";

#[tokio::test]
async fn a_head_that_does_not_end_is_cut() {
    let server = start(&Listen { header_timeout: SHORT, ..listen() }, None);
    for begun in ["", "P", "PRI * HTTP/2", "GET /peer HTTP/1.1\r\nhost: a.exam"] {
        let mut stream = server.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut stream).await, "", "{begun:?}");
    }
}

#[tokio::test]
async fn a_slow_head_after_a_first_request_is_cut_before_the_idle_time() {
    let server = start(&Listen { header_timeout: SHORT, ..listen() }, None);
    let mut stream = server.connect().await;
    stream.write_all(b"GET /peer HTTP/1.1\r\nhost: a.example\r\n\r\n").await.unwrap();
    until(&mut stream, "id=").await;
    stream.write_all(b"GET /pe").await.unwrap();
    assert_eq!(rest(&mut stream).await.len(), 22, "only the first answer's id is left");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = start(&Listen { idle_timeout: SHORT, ..listen() }, None);
    let mut stream = server.connect().await;
    stream.write_all(b"GET /peer HTTP/1.1\r\nhost: a.example\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_running_request_is_not_idle() {
    let server = start(&Listen { idle_timeout: SHORT, header_timeout: SHORT, ..listen() }, None);
    let mut stream = server.connect().await;
    stream.write_all(HELD).await.unwrap();
    server.held.notified().await;
    // Another connection's whole life passes meanwhile: connect, one answer, the idle time.
    let mut other = server.connect().await;
    other.write_all(b"GET /peer HTTP/1.1\r\nhost: a.example\r\n\r\n").await.unwrap();
    rest(&mut other).await;
    server.release.notify_one();
    assert!(rest(&mut stream).await.ends_with("done"));
}

#[tokio::test]
async fn a_body_that_does_not_end_is_an_error_for_the_filter() {
    let server = start(&Listen { body_timeout: SHORT, ..listen() }, None);
    let mut stream = server.connect().await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: a.example\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    assert!(rest(&mut stream).await.ends_with("timeout"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = start(&listen(), None);
    let large = format!("x-large: {}\r\n", "a".repeat(20_000));
    let answer = ask(server.connect().await, "/peer", &large).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many: String = (0..100).map(|number| format!("x-{number}: a\r\n")).collect();
    let answer = ask(server.connect().await, "/peer", &many).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = start(&Listen { max_connections: 1, ..listen() }, None);
    let mut first = server.connect().await;
    first.write_all(HELD).await.unwrap();
    server.held.notified().await;
    let waiting = tokio::spawn(ask(TcpStream::connect(server.tcp()).await.unwrap(), "/peer", ""));
    server.release.notify_one();
    until(&mut first, "done").await;
    assert!(!waiting.is_finished(), "the first connection still holds the only place");
    drop(first);
    assert!(waiting.await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_shutdown_finishes_what_runs_and_accepts_nothing_new() {
    let server = start(&listen(), None);
    let (address, release, held) = (server.tcp(), server.release.clone(), server.held.clone());
    let mut idle = server.connect().await;
    idle.write_all(b"GET /peer HTTP/1.1\r\nhost: a.example\r\n\r\n").await.unwrap();
    until(&mut idle, "id=").await;
    let mut stream = server.connect().await;
    stream.write_all(HELD).await.unwrap();
    held.notified().await;
    let served = server.stop();
    rest(&mut idle).await; // closed at once, so the drain has begun
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    release.notify_one();
    let answer = rest(&mut stream).await;
    assert!(answer.ends_with("done") && answer.contains("connection: close"), "{answer}");
    assert_eq!(served.await.unwrap(), Drain::Finished);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_at_shutdown() {
    let server = start(&Listen { drain_timeout: SHORT, ..listen() }, None);
    let mut stream = server.connect().await;
    stream.write_all(HELD).await.unwrap();
    server.held.notified().await;
    assert_eq!(server.stop().await.unwrap(), Drain::Cut { connections: 1 });
    assert_eq!(rest(&mut stream).await, "");
}
