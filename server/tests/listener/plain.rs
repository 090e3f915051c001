//! Plain TCP and unix sockets: who asks, the request's id, the addresses.

use crate::support::{ask, listen, loopback, start};
use pintle::config::model::{Address, Listen};
use pintle::entropy::SystemEntropy;
use pintle::http::listener::{ListenError, Server};
use pintle::http::monitor::{self, Audience, Readiness};
use pintle::metrics::Metrics;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use tokio::net::{TcpStream, UnixStream};

fn refused(listen: &Listen) -> ListenError {
    Server::bind(listen, None, Arc::new(SystemEntropy)).err().expect("refused")
}

#[tokio::test]
async fn a_filter_sees_the_connections_peer() {
    let server = start(&listen(), None);
    let answer = ask(server.connect().await, "/peer", "x-forwarded-for: 6.6.6.6\r\n").await;
    assert!(answer.contains("127.0.0.1 secure=false unix=false"), "{answer}");
}

#[tokio::test]
async fn a_trusted_proxys_client_is_the_peer() {
    let listen = Listen { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], behind_proxy: true, ..listen() };
    let server = start(&listen, None);
    let headers = "x-forwarded-for: 6.6.6.6, 192.0.2.7\r\nx-forwarded-proto: https\r\n";
    let answer = ask(server.connect().await, "/peer", headers).await;
    assert!(answer.contains("192.0.2.7 secure=true unix=false"), "{answer}");
}

#[tokio::test]
async fn every_answer_names_the_requests_own_id_and_never_the_clients() {
    let server = start(&listen(), None);
    let answer = ask(server.connect().await, "/peer", "x-request-id: forged\r\n").await;
    let header = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("an id");
    assert_eq!(header.len(), 22, "{answer}");
    assert!(answer.ends_with(&format!("id={header}")), "{answer}");
    let other = ask(server.connect().await, "/peer", "").await;
    assert!(!other.contains(header), "ids differ");
}

#[tokio::test]
async fn several_addresses_are_served_at_once_a_unix_socket_among_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pintle.sock");
    let listen =
        Listen { addresses: vec![loopback(), loopback(), Address::Unix(path.clone())], max_connections: 1, ..listen() };
    let server = start(&listen, None);
    for address in &server.addresses {
        let answer = match address {
            Address::Tcp(address) => ask(TcpStream::connect(address).await.unwrap(), "/peer", "").await,
            Address::Unix(path) => ask(UnixStream::connect(path).await.unwrap(), "/peer", "").await,
        };
        let expected = if matches!(address, Address::Unix(_)) { "none secure=false unix=true" } else { "127.0.0.1 " };
        assert!(answer.contains(expected), "{answer}");
    }
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    server.stop().await.unwrap();
    assert!(!path.exists(), "the socket's file goes with the server");
}

#[tokio::test]
async fn a_stale_socket_file_is_replaced_a_living_one_and_other_files_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pintle.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listen = Listen { addresses: vec![Address::Unix(path.clone())], ..listen() };
    let server = start(&listen, None);
    assert!(matches!(refused(&listen), ListenError::SocketInUse(_)));
    server.stop().await.unwrap();
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(refused(&listen), ListenError::NotASocket(_)));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn an_address_that_cannot_be_used_is_named_with_its_remedy() {
    let server = start(&listen(), None);
    let at = |address: &str| Listen { addresses: vec![Address::Tcp(address.parse().unwrap())], ..listen() };
    let taken = server.tcp().to_string();
    let message = refused(&at(&taken)).to_string();
    assert!(message.starts_with(&format!("{taken} is in use")), "{message}");
    let message = refused(&at("0.0.0.0:0")).to_string();
    assert!(message.contains("plain HTTP beyond loopback") && message.contains("listen.tls"), "{message}");
    let half = Listen { behind_proxy: true, ..at("0.0.0.0:0") };
    assert!(matches!(refused(&half), ListenError::PlainBeyondLoopback(_)), "a proxy without an address");
    let elsewhere =
        Listen { behind_proxy: true, trusted_proxies: vec!["10.0.0.1/32".parse().unwrap()], ..at("192.0.2.1:0") };
    assert!(matches!(refused(&elsewhere), ListenError::NotAvailable(_)));
    let missing = Listen { addresses: vec![Address::Unix("/nonexistent/pintle.sock".into())], ..listen() };
    let message = refused(&missing).to_string();
    assert!(message.contains("/nonexistent/pintle.sock") && message.contains("must exist"), "{message}");
}

struct Ready;

#[async_trait::async_trait]
impl Readiness for Ready {
    async fn missing(&self) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test]
async fn monitoring_has_a_listener_of_its_own() {
    let server = Server::bind_monitoring(&loopback(), &listen(), Arc::new(SystemEntropy)).unwrap();
    let Address::Tcp(address) = server.addresses()[0].clone() else { panic!("not TCP") };
    let routes = monitor::routes(Metrics::new(), Arc::new(Ready), Audience::Everyone);
    let served = tokio::spawn(server.serve(warp::service(routes), std::future::pending()));
    let ready = ask(TcpStream::connect(address).await.unwrap(), "/health/ready", "").await;
    assert!(ready.ends_with(r#"{"status":"ok"}"#), "{ready}");
    let metrics = ask(TcpStream::connect(address).await.unwrap(), "/metrics", "").await;
    assert!(metrics.contains("openmetrics-text") && metrics.ends_with("# EOF\n"), "{metrics}");
    let unknown = ask(TcpStream::connect(address).await.unwrap(), "/token", "").await;
    assert!(unknown.starts_with("HTTP/1.1 404"), "{unknown}");
    served.abort();
}
