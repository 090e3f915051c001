use super::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const TIME: Duration = Duration::from_secs(5);

/// A resolver that answers each question with the next of its answers, the last one for ever.
struct Scripted {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&str]) -> Self {
        let parse = |answer: &&str| answer.split(' ').map(|ip| ip.parse().unwrap()).collect();
        Self { answers: Mutex::new(answers.iter().map(parse).collect()), asked: AtomicUsize::new(0) }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn scripted(answers: &[&str]) -> Arc<dyn Resolver> {
    Arc::new(Scripted::new(answers))
}

/// A public address that was given back and is nobody's (RFC 3701): nothing answers there.
const NOBODY: &str = "3ffe::1";

impl Resolver for Scripted {
    fn resolve(&self, _host: String) -> Resolved {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move { Ok(answer) })
    }
}

fn grant(origin: &str, private: bool) -> NetworkGrant {
    NetworkGrant { origin: Url::parse(origin).unwrap(), private, ca: None }
}

fn outbound(origin: &str, resolver: &Arc<dyn Resolver>) -> Outbound {
    Outbound::new(&[grant(origin, false)], resolver).unwrap()
}

fn get(url: &str) -> HttpRequest {
    HttpRequest { method: "GET".to_owned(), url: url.to_owned(), ..HttpRequest::default() }
}

/// A server that answers every connection's first request with `answer`, and the requests that it saw.
async fn server(answer: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, seen) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<String>>>::default());
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 16 * 1024];
            let length = stream.read(&mut bytes).await.unwrap_or(0);
            log.lock().unwrap().push(String::from_utf8_lossy(&bytes[..length]).into_owned());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, seen)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\nX-Seen: yes\r\n\r\nok";

async fn denied(outbound: &Outbound, url: &str) {
    let answer = outbound.send(get(url), &Secrets::new(), TIME).await;
    assert!(matches!(answer, Err(PluginError::Denied(_))), "{url}: {answer:?}");
}

#[tokio::test]
async fn a_granted_address_is_reached_and_its_answer_read() {
    let (port, seen) = server(OK).await;
    let origin = format!("http://127.0.0.1:{port}");
    let outbound = outbound(&origin, &scripted(&["::1"]));
    let mut request = get(&format!("{origin}/a?b=c"));
    request.headers.push(("Authorization".to_owned(), HeaderValue::Secret("Bearer {key}".to_owned())));
    let secrets = Secrets::from([("key".to_owned(), Zeroizing::new(b"s3cret".to_vec()))]);
    let answer = outbound.send(request, &secrets, TIME).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice(), answer.header("x-seen")), (200, &b"ok"[..], Some("yes")));
    let seen = seen.lock().unwrap().concat();
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n") && seen.contains("authorization: Bearer s3cret\r\n"), "{seen}");
}

#[tokio::test]
async fn a_path_is_of_the_only_granted_origin_whatever_is_in_it() {
    let (port, seen) = server(OK).await;
    let origin = format!("http://127.0.0.1:{port}");
    let one = outbound(&origin, &scripted(&["8.8.8.8"]));
    for path in ["/a?b=/c", "//evil.example/a", "/\\evil.example/a", "/@evil.example/", "/:80@evil.example/"] {
        assert_eq!(one.send(get(path), &Secrets::new(), TIME).await.unwrap().status, 200, "{path}");
    }
    assert!(seen.lock().unwrap().iter().all(|seen| seen.contains(&format!("host: 127.0.0.1:{port}\r\n"))));
    assert_eq!(seen.lock().unwrap().len(), 5);
    let grants = [grant(&origin, false), grant("http://erp.example", false)];
    let two = Outbound::new(&grants, &scripted(&["8.8.8.8"])).unwrap();
    for (outbound, url) in [(&two, "/a"), (&one, "a"), (&one, "")] {
        let answer = outbound.send(get(url), &Secrets::new(), TIME).await;
        assert!(matches!(answer, Err(PluginError::Invalid(_))), "{url}: {answer:?}");
    }
    assert_eq!(seen.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn another_scheme_host_or_port_is_denied_in_every_spelling() {
    let (port, seen) = server(OK).await;
    let outbound = outbound("http://erp.example:8080", &scripted(&["8.8.8.8"]));
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://localhost:{port}/"),
        "http://erp.example/".to_owned(),
        "http://erp.example:8081/".to_owned(),
        "https://erp.example:8080/".to_owned(),
        "http://erp.example.evil:8080/".to_owned(),
        "http://evil:8080/http://erp.example:8080/".to_owned(),
        "ftp://erp.example:8080/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        denied(&outbound, &url).await;
    }
    let user_info = outbound.send(get("http://erp.example:8080@127.0.0.1/"), &Secrets::new(), TIME).await;
    assert!(matches!(user_info, Err(PluginError::Invalid(_))), "{user_info:?}");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_granted_name_that_leads_to_this_machine_or_its_network_is_denied() {
    let (port, seen) = server(OK).await;
    let origin = format!("http://erp.example:{port}");
    for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "0.0.0.0", "10.0.0.1", "fd00:ec2::254"] {
        denied(&outbound(&origin, &scripted(&[address])), &origin).await;
    }
    denied(
        &outbound(&format!("http://localhost:{port}"), &(Arc::new(SystemResolver) as _)),
        &format!("http://localhost:{port}"),
    )
    .await;
    assert!(seen.lock().unwrap().is_empty());
}

/// The second answer is this machine: it is never asked for between the check and the connection, and when it is asked
/// for by the next request, that one is checked as well.
#[tokio::test]
async fn a_name_that_is_rebound_is_checked_at_every_connection() {
    let (port, seen) = server(OK).await;
    let origin = format!("http://erp.example:{port}");
    let resolver = Arc::new(Scripted::new(&[NOBODY, "127.0.0.1"]));
    let outbound = outbound(&origin, &(resolver.clone() as Arc<dyn Resolver>));
    let answer = outbound.send(get(&origin), &Secrets::new(), Duration::from_millis(200)).await;
    assert!(matches!(answer, Err(PluginError::Unavailable(_))), "{answer:?}");
    assert_eq!(resolver.asked(), 1, "the connection goes to what was checked");
    denied(&outbound, &origin).await;
    assert_eq!(resolver.asked(), 2);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_nobody_follows_it() {
    let (inner_port, inner) = server(OK).await;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{inner_port}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let (port, _) = server(redirect.leak()).await;
    let origin = format!("http://127.0.0.1:{port}");
    let answer = outbound(&origin, &scripted(&["::1"])).send(get(&origin), &Secrets::new(), TIME).await.unwrap();
    assert_eq!(answer.status, 302);
    assert!(inner.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_frames_the_message_or_breaks_the_line_is_not_the_plugins_to_set() {
    let outbound = outbound("http://erp.example", &scripted(&["8.8.8.8"]));
    for (name, value) in
        [("Host", "evil"), ("content-length", "1"), ("Proxy-Authorization", "x"), ("X-A", "a\r\nX-B: b"), ("X\nA", "a")]
    {
        let mut request = get("http://erp.example/");
        request.headers.push((name.to_owned(), HeaderValue::Text(value.to_owned())));
        let answer = outbound.send(request, &Secrets::new(), TIME).await;
        assert!(matches!(answer, Err(PluginError::Invalid(_))), "{name:?}: {answer:?}");
    }
    for method in ["CONNECT", "TRACE", "get", "GET /"] {
        let request = HttpRequest { method: method.to_owned(), ..get("http://erp.example/") };
        assert!(
            matches!(outbound.send(request, &Secrets::new(), TIME).await, Err(PluginError::Invalid(_))),
            "{method}"
        );
    }
}

#[tokio::test]
async fn an_unknown_secret_is_denied_before_anything_is_sent() {
    let (port, seen) = server(OK).await;
    let origin = format!("http://127.0.0.1:{port}");
    let mut request = get(&origin);
    request.headers.push(("Authorization".to_owned(), HeaderValue::Secret("Bearer {other}".to_owned())));
    let answer = outbound(&origin, &scripted(&["::1"])).send(request, &Secrets::new(), TIME).await;
    assert!(matches!(answer, Err(PluginError::Denied(_))));
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time_and_a_closed_port_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let outbound = outbound(&origin, &scripted(&["::1"]));
    let request = HttpRequest { timeout_ms: 50, ..get(&origin) };
    let answer = outbound.send(request, &Secrets::new(), TIME).await;
    assert_eq!(answer, Err(PluginError::Unavailable("no answer within 50 ms".to_owned())));
    drop(listener);
    assert!(matches!(outbound.send(get(&origin), &Secrets::new(), TIME).await, Err(PluginError::Unavailable(_))));
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let size = MAX_PAYLOAD_BYTES + 1;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n{}", "x".repeat(size));
    let (port, _) = server(answer.leak()).await;
    let origin = format!("http://127.0.0.1:{port}");
    let answer = outbound(&origin, &scripted(&["::1"])).send(get(&origin), &Secrets::new(), TIME).await;
    assert!(matches!(answer, Err(PluginError::Invalid(_))), "{:?}", answer.map(|answer| answer.status));
}
