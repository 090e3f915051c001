//! A hostile plugin at every host interface, loaded into a running server as a component and as a native library: what it
//! was not granted, what is too much, and ways out of its network.

use crate::plugins::{component, library};
use pintle::plugin::outbound::{Resolved, Resolver};
use pintle_plugin_api::{CallContext, VerifyOutcome, VerifyRequest};
use pintle_tests::{Options, TestServer};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const PACKAGINGS: [&str; 2] = ["wasm", "native"];

/// The plugin in both packagings; `granted` is of each entry, in TOML.
async fn start(granted: &str) -> TestServer {
    options(granted).start().await
}

fn options(granted: &str) -> Options {
    let (wasm, native) = tokio::task::block_in_place(|| (component("tests/hostile"), library("tests/hostile")));
    let overlay = format!(
        "[trust]\nnative = true\n[plugins.wasm]\nsource = \"{}\"\nrequired = true\nlimits = {{ cpu = \"2s\", kv_keys = 8 }}\n{granted}\n\
         [plugins.native]\nsource = \"{}\"\nsha256 = \"{}\"\nrequired = true\nlimits = {{ kv_keys = 8 }}\n{granted}\n\
         [users]\nchain = [\"wasm\", \"native\", \"local\"]\n",
        wasm.path.display(),
        native.path.display(),
        native.sha256,
    );
    Options::reference("clarico").overlay(&overlay)
}

/// What came of an abuse: the plugin's own words, or how its call ended.
async fn tried(server: &TestServer, packaging: &str, abuse: &str) -> String {
    asked(server, packaging, &format!("abuse {abuse}")).await
}

async fn asked(server: &TestServer, packaging: &str, username: &str) -> String {
    let verifier = server.app.registry().user_verifier(packaging).unwrap();
    let request = VerifyRequest {
        username: Some(username.to_owned()),
        kind: "password".to_owned(),
        secret: b"x".to_vec().into(),
        ..VerifyRequest::default()
    };
    match verifier.verify(&CallContext::default(), request).await {
        Ok(VerifyOutcome::Rejected(outcome)) => outcome,
        other => format!("ended: {other:?}"),
    }
}

async fn assert_tried(server: &TestServer, cases: &[(&str, &str)]) {
    for packaging in PACKAGINGS {
        for (abuse, expected) in cases {
            let outcome = tried(server, packaging, abuse).await;
            assert!(outcome.starts_with(expected), "{packaging}: {abuse}: {outcome}; not {expected}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_no_answer_and_the_next_call_has_one() {
    let server = start("").await;
    for packaging in PACKAGINGS {
        for _ in 0..5 {
            let ended = asked(&server, packaging, "trap").await;
            assert!(ended.starts_with("ended: Err(") && ended.contains("Trapped"), "{packaging}: {ended}");
            assert_eq!(asked(&server, packaging, "mine").await, "as asked", "{packaging}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_granted_is_denied() {
    let server = start("").await;
    let before = server.app.core().hasher.computed();
    let denied = [
        "kv-get",
        "kv-put",
        "kv-delete",
        "hash",
        "sign",
        "verify",
        "account",
        "account-verify",
        "secret key",
        "secret",
        "http http://127.0.0.1:1/",
        "http http://example.com/",
    ];
    assert_tried(&server, &denied.map(|abuse| (abuse, "denied: "))).await;
    assert_eq!(server.app.core().hasher.computed(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_is_refused() {
    let server = start("allow = [\"kv\", \"crypto\", \"accounts\"]\nsecrets = { key = { value = \"s3cret\" } }").await;
    let before = server.app.core().hasher.computed();
    let cases = [
        ("kv-key-empty", "invalid: "),
        ("kv-key-long", "invalid: "),
        ("kv-value-large", "invalid: "),
        ("kv-conflict", "invalid: conflict"),
        ("kv-key-odd", "ok [Some([0]), Some([1]), Some([2]), Some([3]), Some([4]), Some([5])]"),
        ("hash-memory", "invalid: "),
        ("hash-time", "invalid: "),
        ("hash-lanes", "invalid: "),
        ("hash-long", "invalid: "),
        ("hash-password-long", "invalid: "),
        ("sign", "denied: "),
        ("verify", "ok false"),
        // It gets all the bytes or its call ends: never fewer.
        ("random", "ended: Err("),
        ("secret key", "ok 6"),
        ("secret", "denied: "),
        ("secret ../key", "denied: "),
        ("secret KEY", "denied: "),
        ("account-by", "invalid: "),
        ("account-long", "invalid: "),
        ("account-verify-long", "invalid: "),
        ("account", "ok None"),
    ];
    assert_tried(&server, &cases).await;
    assert_eq!(server.app.core().hasher.computed(), before, "nothing was hashed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugins_table_gets_no_more_keys_than_its_entry_says() {
    let server = start("allow = [\"kv\"]").await;
    let outcome =
        "ok 8 keys, Ok(()), true, denied: the plugin's table has 8 keys, the most that `limits.kv_keys` allows";
    // The first has filled its own table, and not the other's.
    assert_tried(&server, &[("kv-fill", outcome)]).await;
}

/// A server that answers every connection so, and how many it had.
async fn origin(answer: String) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, seen) = (listener.local_addr().unwrap().port(), Arc::<AtomicUsize>::default());
    let count = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut vec![0; 16 * 1024]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, seen)
}

fn answer(status: &str, header: &str, body: usize) -> String {
    format!("HTTP/1.1 {status}\r\n{header}content-length: {body}\r\nconnection: close\r\n\r\n{}", "x".repeat(body))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_gets_out_of_the_granted_origins() {
    let (other, unreached) = origin(answer("200 OK", "", 0)).await;
    let (port, reached) = origin(answer("302 Found", &format!("location: http://127.0.0.1:{other}/\r\n"), 0)).await;
    let server =
        start(&format!("network = [\"http://127.0.0.1:{port}\", \"http://localhost:{other}\"]\nsecrets = {{}}")).await;
    let denied = |url: &str| (format!("http {url}"), "denied: ");
    let invalid = |abuse: &str, rest: &str| (format!("{abuse} http://127.0.0.1:{port}/{rest}"), "invalid: ");
    let cases = [
        // A redirect is an answer.
        (format!("http http://127.0.0.1:{port}/"), "ok 302"),
        // DNS to loopback, although the name was granted; other ports; other spellings of the address.
        denied(&format!("http://localhost:{other}/")),
        denied(&format!("http://127.0.0.1:{other}/")),
        denied("http://127.0.0.1/"),
        denied(&format!("http://2130706433:{other}/")),
        denied(&format!("http://0x7f.1:{other}/")),
        denied(&format!("http://0177.0.0.1:{other}/")),
        denied(&format!("http://[::ffff:127.0.0.1]:{port}/")),
        denied(&format!("http://[::1]:{port}/")),
        denied("http://169.254.169.254/latest/meta-data/"),
        denied(&format!("https://127.0.0.1:{port}/")),
        denied("file:///etc/passwd"),
        denied(&format!("ftp://127.0.0.1:{port}/")),
        (format!("http http://127.0.0.1:{port}@127.0.0.1:{other}/"), "invalid: "),
        invalid("http-header", " host=evil"),
        invalid("http-header", " content-length=1"),
        invalid("http-header", " transfer-encoding=chunked"),
        invalid("http-header", " x-a=a\r\nx-b: b"),
        invalid("http-header", " x\r\na=a"),
        invalid("http-many-headers", ""),
        (format!("http-secret http://127.0.0.1:{port}/"), "denied: "),
    ];
    let cases: Vec<_> = cases.iter().map(|(abuse, expected)| (abuse.as_str(), *expected)).collect();
    assert_tried(&server, &cases).await;
    assert_eq!(unreached.load(Ordering::SeqCst), 0);
    assert_eq!(reached.load(Ordering::SeqCst), PACKAGINGS.len(), "by the first alone");
}

/// A name server in an attacker's hands: each question gets the next answer, those without one get this machine.
#[derive(Default)]
struct Rebinding {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Resolver for Rebinding {
    fn resolve(&self, _host: String) -> Resolved {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers.lock().unwrap().pop().unwrap_or_else(|| addresses("127.0.0.1"));
        Box::pin(async move { Ok(answer) })
    }
}

fn addresses(text: &str) -> Vec<IpAddr> {
    text.split(' ').map(|address| address.parse().unwrap()).collect()
}

/// A public address that was given back and is nobody's (RFC 3701): nothing answers there.
const NOBODY: &str = "3ffe::1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_changes_its_mind_does_not_lead_to_this_machine() {
    let (port, unreached) = origin(answer("200 OK", "", 0)).await;
    let resolver = Arc::<Rebinding>::default();
    let used: Arc<dyn Resolver> = resolver.clone();
    let mut options = options(&format!("network = [\"http://rebound.example:{port}\"]"));
    options.customize = Some(Box::new(move |builder| builder.resolver(used)));
    let server = options.start().await;
    let url = format!("http http://rebound.example:{port}/");
    for packaging in PACKAGINGS {
        for (first, expected) in [
            // The connection goes to what was checked: nobody asks for the second answer, which is this machine.
            (NOBODY, "unavailable: "),
            // The next request asks again, and that answer is checked as well.
            ("127.0.0.1", "denied: the name leads to an address of this machine"),
            ("::ffff:127.0.0.1 ::1", "denied: the name leads to an address of this machine"),
            // Where nobody answers at the first address, the second is not tried instead.
            (&format!("{NOBODY} 127.0.0.1"), "unavailable: "),
        ] {
            *resolver.answers.lock().unwrap() = vec![addresses(first)];
            let asked = resolver.asked.load(Ordering::SeqCst);
            let outcome = tried(&server, packaging, &url).await;
            assert!(outcome.starts_with(expected), "{packaging}: {first}: {outcome}; not {expected}");
            assert_eq!(resolver.asked.load(Ordering::SeqCst), asked + 1, "{packaging}: {first}");
        }
    }
    assert_eq!(unreached.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_have_a_largest_size_both_ways() {
    let (port, reached) = origin(answer("200 OK", "", (4 << 20) + 1)).await;
    let server = start(&format!("network = [\"http://127.0.0.1:{port}\"]")).await;
    for packaging in PACKAGINGS {
        let outcome = tried(&server, packaging, &format!("http-body http://127.0.0.1:{port}/")).await;
        assert!(!outcome.starts_with("ok"), "{packaging}: {outcome}");
        assert_eq!(reached.load(Ordering::SeqCst), 0, "{packaging}: sent");
    }
    assert_tried(&server, &[(&format!("http http://127.0.0.1:{port}/"), "invalid: ")]).await;
}
