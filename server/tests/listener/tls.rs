//! TLS with a certificate made here, and its replacement.

use crate::http2;
use crate::support::{SHORT, ask, listen, rest, start};
use pintle::clock::ManualClock;
use pintle::config::model::{Listen, Tls};
use pintle::http::listener::Drain;
use pintle::http::tls::{ReloadingTls, TlsError};
use rcgen::CertifiedKey;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

struct Files {
    _folder: TempDir,
    tls: Tls,
}

impl Files {
    fn new() -> (Self, CertificateDer<'static>) {
        let folder = tempfile::tempdir().unwrap();
        let tls = Tls { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        let files = Self { _folder: folder, tls };
        let certificate = files.replace();
        (files, certificate)
    }

    /// Writes a new certificate and its key.
    fn replace(&self) -> CertificateDer<'static> {
        let (certificate, key, der) = made();
        std::fs::write(&self.tls.certificate, certificate).unwrap();
        std::fs::write(&self.tls.key, key).unwrap();
        der
    }

    fn load(&self) -> Result<ReloadingTls, TlsError> {
        ReloadingTls::load(&self.tls, Arc::new(default_provider()))
    }
}

fn made() -> (String, String, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem(), cert.der().clone())
}

/// A connection that trusts `certificate` alone.
async fn connect(
    stream: TcpStream,
    certificate: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
    protocol: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn http1_and_2_are_served_over_tls_12_and_13() {
    let (files, certificate) = Files::new();
    let server = start(&listen(), Some(Arc::new(files.load().unwrap())));
    for version in [&TLS12, &TLS13] {
        let stream = connect(server.connect().await, &certificate, version, "http/1.1").await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let answer = ask(stream, "/peer", "").await;
        assert!(answer.contains("127.0.0.1 secure=true unix=false"), "{answer}");
        let stream = connect(server.connect().await, &certificate, version, "h2").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (requests, _connection) = http2::connect(stream).await;
        let answer = http2::ask(&requests, "/peer").await;
        assert!(answer.starts_with("127.0.0.1 secure=true unix=false"), "{answer}");
    }
}

#[tokio::test]
async fn a_replaced_certificate_is_used_for_new_connections_and_old_ones_go_on() {
    let (files, first) = Files::new();
    let tls = Arc::new(files.load().unwrap());
    let server = start(&listen(), Some(tls.clone()));
    let old = connect(server.connect().await, &first, &TLS13, "http/1.1").await.unwrap();
    assert!(!tls.reload_if_changed().unwrap(), "nothing changed");
    let second = files.replace();
    assert!(tls.reload_if_changed().unwrap());
    assert!(connect(server.connect().await, &first, &TLS13, "http/1.1").await.is_err());
    let new = connect(server.connect().await, &second, &TLS13, "http/1.1").await.unwrap();
    assert!(ask(new, "/peer", "").await.starts_with("HTTP/1.1 200"));
    assert!(ask(old, "/peer", "").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_broken_replacement_changes_nothing_until_it_is_mended() {
    let (files, first) = Files::new();
    let tls = Arc::new(files.load().unwrap());
    let server = start(&listen(), Some(tls.clone()));
    let (_, other_key, _) = made();
    std::fs::write(&files.tls.key, other_key).unwrap();
    let refused = tls.reload_if_changed().unwrap_err();
    assert!(matches!(refused, TlsError::Unusable(..)), "{refused}");
    assert!(!tls.reload_if_changed().unwrap(), "said once");
    std::fs::remove_file(&files.tls.certificate).unwrap();
    let message = tls.reload_if_changed().unwrap_err().to_string();
    assert!(message.contains("cert.pem"), "{message}");
    assert!(connect(server.connect().await, &first, &TLS13, "h2").await.is_ok(), "the former one stays");
    let second = files.replace();
    assert!(tls.reload_if_changed().unwrap());
    assert!(connect(server.connect().await, &second, &TLS13, "h2").await.is_ok());
}

#[tokio::test]
async fn changed_files_are_found_by_looking_now_and_then() {
    let (files, _) = Files::new();
    let tls = Arc::new(files.load().unwrap());
    let before = tls.current();
    let watching = tokio::spawn(tls.clone().watch(Arc::new(ManualClock::default()), Duration::from_secs(5)));
    files.replace();
    while Arc::ptr_eq(&before, &tls.current()) {
        tokio::task::yield_now().await;
    }
    watching.abort();
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut() {
    let (files, _) = Files::new();
    let server = start(&Listen { header_timeout: SHORT, ..listen() }, Some(Arc::new(files.load().unwrap())));
    let mut stream = server.connect().await;
    stream.write_all(&[22, 3, 1]).await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_handshake_does_not_hold_up_the_end() {
    let (files, _) = Files::new();
    let server = start(&Listen { drain_timeout: SHORT, ..listen() }, Some(Arc::new(files.load().unwrap())));
    let mut stream = server.connect().await;
    stream.write_all(&[22, 3, 1]).await.unwrap();
    // A whole second connection: the first one has been taken from the queue before it.
    let second = server.connect().await;
    assert!(connect(second, &files.replace(), &TLS13, "h2").await.is_err(), "another certificate");
    assert_eq!(server.stop().await.unwrap(), Drain::Cut { connections: 1 });
    assert_eq!(rest(&mut stream).await, "");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let (files, _) = Files::new();
    std::fs::write(&files.tls.certificate, "no PEM").unwrap();
    assert!(matches!(files.load(), Err(TlsError::NoCertificate(path)) if path == files.tls.certificate));
    std::fs::write(&files.tls.key, "no PEM").unwrap();
    files.replace();
    std::fs::write(&files.tls.key, "no PEM").unwrap();
    assert!(matches!(files.load(), Err(TlsError::Unreadable(path, _)) if path == files.tls.key));
}
