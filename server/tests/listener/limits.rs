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
async fn a_head_that_is_too_large_is_refused_in_words() {
    let server = start(&listen(), None);
    let many = |count: usize| (0..count).map(|number| format!("x-{number}: a\r\n")).collect::<String>();
    let long = "a".repeat(17_000);
    let both = "a".repeat(9_000);
    for (path, headers, status, why) in [
        (format!("/peer?{long}"), String::new(), "414 URI Too Long", "the URL is longer than 16384 bytes"),
        (
            "/peer".to_owned(),
            format!("x-large: {long}\r\n"),
            "431 Request Header Fields Too Large",
            "the URL and the header fields are longer than 16384 bytes",
        ),
        (
            format!("/peer?{both}"),
            format!("x-large: {both}\r\n"),
            "431 Request Header Fields Too Large",
            "the URL and the header fields are longer than 16384 bytes",
        ),
        ("/peer".to_owned(), many(80), "431 Request Header Fields Too Large", "more than 64 header fields"),
    ] {
        let answer = ask(server.connect().await, &path, &headers).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        let body = format!("{{\"error\":\"invalid_request\",\"error_description\":\"{why}\"}}");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
        assert!(answer.contains("cache-control: no-store\r\n") && answer.contains("x-request-id: "), "{answer}");
    }
    let answer = ask(server.connect().await, "/peer", &many(62)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "with host and connection 64: {answer}");
}

#[tokio::test]
async fn what_cannot_be_parsed_or_is_far_too_large_is_refused_without_a_word() {
    let server = start(&listen(), None);
    let head = "Host: a.example\r\nConnection: close\r\n";
    let far = format!("GET /peer HTTP/1.1\r\nx: {}\r\n{head}\r\n", "a".repeat(40_000));
    for (request, status) in [
        (format!("GET /a b HTTP/1.1\r\n{head}\r\n").into_bytes(), "400"),
        ([b"GET /peer?a=\xff HTTP/1.1\r\n", head.as_bytes(), b"\r\n"].concat(), "400"),
        (format!("POST /echo HTTP/1.1\r\nContent-Length: abc\r\n{head}\r\n").into_bytes(), "400"),
        (far.into_bytes(), "431"),
    ] {
        let mut stream = server.connect().await;
        // The server may close before it has read it all.
        let _ = stream.write_all(&request).await;
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn connect_and_a_request_without_a_path_are_refused_and_the_connection_goes_on() {
    let server = start(&listen(), None);
    for (request, status) in [
        ("CONNECT evil.example:80", "405 Method Not Allowed"),
        ("CONNECT /peer", "405 Method Not Allowed"),
        ("GET evil.example:80", "400 Bad Request"),
    ] {
        let mut stream = server.connect().await;
        stream.write_all(format!("{request} HTTP/1.1\r\nhost: a.example\r\n\r\n").as_bytes()).await.unwrap();
        let refused = until(&mut stream, "}").await;
        assert!(refused.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {refused}");
        assert_eq!(refused.contains("allow: GET, HEAD, POST, OPTIONS\r\n"), status.starts_with("405"), "{refused}");
        let next = ask(stream, "/peer", "").await;
        assert!(next.starts_with("HTTP/1.1 200"), "{request}: {next}");
    }
}

#[tokio::test]
async fn a_panic_is_answered_and_the_connection_goes_on() {
    let server = start(&listen(), None);
    let mut stream = server.connect().await;
    stream.write_all(b"GET /panic HTTP/1.1\r\nhost: a.example\r\n\r\n").await.unwrap();
    let answer = until(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("\"error\":\"server_error\""), "{answer}");
    assert!(answer.contains("x-request-id: ") && !answer.contains("as asked"), "{answer}");
    assert!(ask(stream, "/peer", "").await.starts_with("HTTP/1.1 200"));
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
