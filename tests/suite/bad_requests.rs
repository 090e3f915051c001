//! Bad requests and what each is answered, exactly. The table is `fixtures/bad-requests.txt`:
//!
//! ```text
//! POST /token | basic app:secret; X-Header: value | body with \xNN escapes
//!   => 400 {"error":…} [header: value; …]
//! ```
//!
//! `basic id:secret` and `bearer token` stand for an Authorization header; a body is a form unless a Content-Type is given.
//! With `PINTLE_BLESS=1` the answers are written into the table, to be read before they are committed.

use base64::{Engine, engine::general_purpose::STANDARD};
use pintle_tests::{Options, TestServer};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONFIG: &str = r#"
issuer = "http://127.0.0.1:{port}"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
[authorize]
bearer_login = true
[lockout]
free_tries = 1000
[tokens.refresh]
grace = "0s"
[[clients]]
id = "app"
type = "confidential"
secret = { value = "secret" }
trusted = true
grants = ["password", "refresh_token", "client_credentials", "authorization_code"]
scopes = ["read", "write", "authorize"]
redirect_uris = ["https://app.example/cb"]
[[clients]]
id = "third"
type = "confidential"
secret = { value = "third-secret" }
grants = ["authorization_code", "refresh_token", "client_credentials"]
scopes = ["read"]
redirect_uris = ["https://third.example/cb", "https://third.example/other"]
[[clients]]
id = "spa"
type = "public"
grants = ["authorization_code", "refresh_token"]
scopes = ["read"]
redirect_uris = ["https://spa.example/cb"]
[[clients]]
id = "bare"
type = "confidential"
secret = { value = "bare-secret" }
grants = ["password"]
trusted = true
scopes = ["read"]
[plugins.local]
source = "builtin:accounts"
[users]
chain = ["local"]
"#;

/// The headers that an answer is compared by, beside its body.
const COMPARED: [&str; 5] = ["www-authenticate", "allow", "retry-after", "cache-control", "location"];

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn table() -> PathBuf {
    pintle_tests::fixtures().join("bad-requests.txt")
}

/// What cases refer to in braces: tokens and codes in every state.
async fn things(server: &TestServer) -> Vec<(&'static str, String)> {
    let caller = server.caller();
    let login = async |scope: &str| {
        let body = format!("grant_type=password&username=dory&password=dorypass&scope={scope}");
        caller.post_as("app", "secret", "/token", &body).await
    };
    let access = login("read write authorize").await.field("access_token");
    let code = async |query: &str| {
        let answer = caller.get_as(&access, &format!("/authorize?response_type=code&{query}")).await;
        let location = answer.header("location");
        location.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).unwrap_or_default().to_owned()
    };
    let third = "client_id=third&redirect_uri=https://third.example/cb&scope=read";
    let spa = format!("client_id=spa&scope=read&code_challenge_method=S256&code_challenge={CHALLENGE}");
    let redeem = async |code: &str| {
        let body = format!("grant_type=authorization_code&code={code}&redirect_uri=https://third.example/cb");
        caller.post_as("third", "third-secret", "/token", &body).await
    };
    let expired_code = code(third).await;
    server.clock.advance(Duration::from_secs(61));
    let used_code = code(third).await;
    redeem(&used_code).await;
    let third_access = redeem(&code(third).await).await.field("access_token");
    let used = login("read").await.field("refresh_token");
    caller.post_as("app", "secret", "/token", &format!("grant_type=refresh_token&refresh_token={used}")).await;
    let revoked = login("read").await.field("refresh_token");
    caller.post_as("app", "secret", "/revoke", &format!("token={revoked}")).await;
    let machine = caller.post_as("third", "third-secret", "/token", "grant_type=client_credentials").await;
    vec![
        ("expired_code", expired_code),
        ("used_code", used_code),
        ("third_code", code(third).await),
        ("spa_code", code(&spa).await),
        ("access", access.clone()),
        ("read_access", login("read").await.field("access_token")),
        ("third_access", third_access),
        ("machine_access", machine.field("access_token")),
        ("refresh", login("read").await.field("refresh_token")),
        ("used_refresh", used),
        ("revoked_refresh", revoked),
        ("verifier", VERIFIER.to_owned()),
        ("challenge", CHALLENGE.to_owned()),
        ("longish", "x".repeat(4097)),
        ("long", "x".repeat(9000)),
        ("huge", "x".repeat(17_000)),
        ("origin", server.origin.clone()),
    ]
}

/// `\xNN` as a byte, so that a case can have bytes that are no UTF-8.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        bytes.extend(&rest.as_bytes()[..at]);
        bytes.push(u8::from_str_radix(&rest[at + 2..at + 4], 16).unwrap());
        rest = &rest[at + 4..];
    }
    bytes.extend(rest.as_bytes());
    bytes
}

fn header(spec: &str) -> String {
    match spec.split_once(' ') {
        Some(("basic", pair)) => format!("Authorization: Basic {}", STANDARD.encode(pair)),
        Some(("bearer", token)) => format!("Authorization: Bearer {token}"),
        _ => spec.to_owned(),
    }
}

/// The request's bytes, as written: no library stands between the case and the server.
fn request(case: &str) -> Vec<u8> {
    let mut parts = case.splitn(3, '|').map(str::trim);
    let line = parts.next().unwrap();
    let specs: Vec<String> =
        parts.next().unwrap_or("").split("; ").filter(|spec| !spec.is_empty()).map(header).collect();
    let body = unescape(parts.next().unwrap_or(""));
    let mut head = format!("{line} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    let has = |name: &str| specs.iter().any(|spec| spec.to_ascii_lowercase().starts_with(name));
    if !has("content-type") && line.starts_with("POST") {
        head.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
    }
    let chunked = has("transfer-encoding");
    for spec in specs.iter().filter(|spec| *spec != "Content-Type:") {
        write!(head, "{spec}\r\n").unwrap();
    }
    if !chunked {
        write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
    }
    let mut bytes = head.into_bytes();
    bytes.extend(b"\r\n");
    if chunked {
        bytes.extend(format!("{:x}\r\n", body.len()).as_bytes());
        bytes.extend(&body);
        bytes.extend(b"\r\n0\r\n\r\n");
    } else {
        bytes.extend(&body);
    }
    bytes
}

async fn answer(server: &TestServer, case: &str) -> String {
    let mut stream = TcpStream::connect(server.origin.strip_prefix("http://").unwrap()).await.unwrap();
    // A server that refuses a long body may close before it has read it all.
    let _ = stream.write_all(&request(case)).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).unwrap_or("none");
    let mut shown = Vec::new();
    for name in COMPARED {
        for line in head.lines().filter(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:"))) {
            shown.push(line.to_owned());
        }
    }
    format!("{status} {body} [{}]", shown.join("; "))
}

#[tokio::test]
async fn every_bad_request_gets_exactly_its_answer() {
    let server = Options::new(CONFIG).start().await;
    server.user("dory", "dorypass").await;
    let things = things(&server).await;
    let text = std::fs::read_to_string(table()).unwrap();
    let (mut cases, mut wrong, mut blessed) = (0, Vec::new(), String::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            writeln!(blessed, "{line}").unwrap();
            continue;
        }
        let expected = lines.next_if(|line| line.starts_with("  => ")).map_or("", |line| &line[5..]);
        let case =
            things.iter().fold(line.to_owned(), |case, (name, value)| case.replace(&format!("{{{name}}}"), value));
        let seen = answer(&server, &case).await.replace(&server.origin, "{origin}");
        let seen = seen.replace(&server.origin.replace(':', "%3A").replace('/', "%2F"), "{origin}");
        writeln!(blessed, "{line}\n  => {seen}").unwrap();
        if seen != expected {
            wrong.push(format!("{line}\n  expected {expected}\n  found    {seen}"));
        }
        cases += 1;
    }
    if std::env::var_os("PINTLE_BLESS").is_some() {
        std::fs::write(table(), blessed).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= 100, "only {cases} cases");
}
