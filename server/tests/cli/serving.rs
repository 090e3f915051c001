//! How the real binary listens and what it logs.

use super::ground::{Ground, Running, start};
use rcgen::CertifiedKey;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// A development server with this TOML over its configuration.
fn serve(ground: &Ground, overlay: &str) -> Running {
    fs::write(ground.path().join("overlay.toml"), overlay).unwrap();
    start(ground.command("serve --overlay overlay.toml"))
}

/// Status, head and body of the answer to a request without a body.
fn ask(mut stream: impl Read + Write, request: &str, headers: &str) -> (u16, String, Value) {
    write!(stream, "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    // A TLS peer may close without saying goodbye.
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null))
}

fn json_lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

#[test]
fn a_line_has_its_requests_id_whatever_the_filter_lets_through() {
    let ground = Ground::new();
    let overlay = "[log]\nformat = \"json\"\nfilter = \"warn\"\n[plugins.broken]\nsource = \"missing.wasm\"\n\
                   [users]\nchain = [\"broken\", \"local\"]\n";
    let server = serve(&ground, overlay);
    assert_eq!(server.issue(0).0, 503);
    let (_, log) = server.stop();
    let lines = json_lines(&log);
    let line = lines.iter().find(|line| line["endpoint"] == "token").unwrap();
    let id = line["span"]["id"].as_str().unwrap();
    assert!(id.len() == 22 && line["request"] == id, "{line}");
    assert!(lines.iter().all(|line| line["level"] != "INFO"), "{log}");
}

#[test]
fn audit_events_are_objects_in_a_json_log() {
    let ground = Ground::new();
    let server = serve(&ground, "[log]\nformat = \"json\"\n");
    assert_eq!(server.issue(1).0, 200);
    let (_, log) = server.stop();
    let lines = json_lines(&log);
    let issued = lines.iter().find(|line| line["audit"]["event"] == "token.issued").unwrap();
    assert_eq!((&issued["target"], &issued["audit"]["client"]), (&"audit".into(), &"demo-service".into()));
    assert_eq!(issued["audit"]["plugins"][0]["sha256"].as_str().map(str::len), Some(64), "{issued}");
    assert!(issued["message"].is_null(), "{issued}");
}

#[test]
fn monitoring_on_a_listener_of_its_own() {
    let ground = Ground::new();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = serve(&ground, &format!("[monitoring]\naddress = \"{address}\"\n"));
    let asked = |request: &str| ask(TcpStream::connect(address).unwrap(), request, "");
    assert_eq!(asked("GET /health/live").0, 200);
    assert_eq!(asked("GET /health/ready").0, 200);
    assert_eq!(asked("HEAD /metrics").0, 200);
    let (status, head, body) = asked("POST /metrics");
    assert_eq!((status, &body["error"]), (405, &"method_not_allowed".into()));
    assert!(head.contains("\r\nallow: get, head"), "{head}");
    let (status, _, body) = asked("GET /token");
    assert_eq!((status, &body["error"]), (404, &"not_found".into()));
    assert_eq!(server.fetch("/metrics").0, 404, "not on the main listener");
}

#[test]
fn behind_a_proxy_its_word_counts_and_the_figures_are_for_nobody() {
    let ground = Ground::new();
    let overlay = "[listen]\nbehind_proxy = true\ntrusted_proxies = [\"127.0.0.1\"]\n[log]\naudit = \"audit.log\"\n";
    let server = serve(&ground, overlay);
    let asked = |request: &str, headers: &str| ask(TcpStream::connect(server.host()).unwrap(), request, headers);
    assert_eq!(asked("GET /metrics", "").0, 404);
    assert_eq!(asked("GET /metrics", "X-Forwarded-For: 127.0.0.1\r\n").0, 404);
    assert_eq!(asked("GET /health/live", "").0, 200);
    let forwarded = "X-Forwarded-For: 192.0.2.7\r\nContent-Length: 0\r\n";
    assert_eq!(asked("POST /token", forwarded).0, 400);
    server.stop();
    let audit = fs::read_to_string(ground.path().join("audit.log")).unwrap();
    assert!(json_lines(&audit).iter().any(|line| line["ip"] == "192.0.2.7"), "{audit}");
}

#[test]
fn figures_are_for_this_machine_where_no_proxy_is_in_front() {
    let ground = Ground::new();
    let server = ground.serve();
    assert_eq!(server.fetch("/metrics").0, 200);
}

#[test]
fn a_unix_socket_is_served_and_removed() {
    let ground = Ground::new();
    fs::write(ground.path().join("unix.toml"), "[listen]\naddress = [\"127.0.0.1:0\", \"unix:pintle.sock\"]\n")
        .unwrap();
    let mut command = ground.command("serve --overlay unix.toml");
    command.env_remove("PINTLE_LISTEN__ADDRESS");
    let server = start(command);
    let socket = ground.path().join("pintle.sock");
    let (status, _, keys) = ask(UnixStream::connect(&socket).unwrap(), "GET /jwks", "");
    assert!(status == 200 && keys["keys"].is_array(), "{status} {keys}");
    assert_eq!(ask(UnixStream::connect(&socket).unwrap(), "GET /metrics", "").0, 404);
    assert_eq!(server.stop().0, Some(0));
    assert!(!socket.exists());
}

/// Writes a new certificate and its key.
fn replace_certificate(ground: &Ground) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(ground.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
    fs::write(ground.path().join("cert.pem"), cert.pem()).unwrap();
    cert.der().clone()
}

/// The status of a request over TLS by whoever trusts `certificate` alone; none if the server has another one.
fn over_tls(host: &str, certificate: &CertificateDer<'static>) -> Option<u16> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).ok()?;
    }
    Some(ask(StreamOwned::new(connection, stream), "GET /jwks", "").0)
}

#[test]
fn a_replaced_certificate_is_taken_up_while_the_server_runs() {
    let ground = Ground::new();
    let first = replace_certificate(&ground);
    let server = serve(&ground, "[listen]\ntls = { certificate = \"cert.pem\", key = \"key.pem\" }\n");
    assert_eq!(over_tls(server.host(), &first), Some(200));
    let second = replace_certificate(&ground);
    // The files are looked at every ten seconds of the machine's clock.
    let taken_up = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        over_tls(server.host(), &second) == Some(200)
    });
    assert!(taken_up, "the new certificate is not used");
    assert_eq!(over_tls(server.host(), &first), None);
    assert_eq!(server.stop().0, Some(0));
}
