//! The examples as real programs: an embedding one, and an API that checks tokens.

use pintle::clock::{Clock, ManualClock, SystemClock, UnixTime};
use pintle_tests::{Answer, Caller, Options, TestServer};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn example(name: &str) -> PathBuf {
    let suite = std::env::current_exe().unwrap();
    let program = suite.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(program.is_file(), "{} is missing: `cargo build --workspace --examples` makes it", program.display());
    program
}

/// Starts a program and waits for its first line.
async fn start(name: &str, arguments: &[&str]) -> (Program, String) {
    let mut child = Command::new(example(name)).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let output = tokio::process::ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
    let program = Program(child);
    let mut lines = BufReader::new(output).lines();
    let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await.unwrap().unwrap();
    (program, line.expect("the program prints where it listens"))
}

#[tokio::test]
async fn an_embedded_server_logs_its_own_users_in() {
    let folder = tempfile::tempdir().unwrap();
    let port = pintle_tests::free_port().to_string();
    let text = std::fs::read_to_string(pintle_tests::fixtures().join("reference/clarico.toml")).unwrap();
    let text = text.replace("18080", &port).replace("[\"local\"]", "[\"appliance\"]").replace("RS256", "ES256");
    let text = text.replace("[plugins.local]\nsource = \"builtin:accounts\"\n", "");
    let file = folder.path().join("pintle.toml");
    std::fs::write(&file, text).unwrap();
    let (_program, line) = start("embedded", &[file.to_str().unwrap()]).await;
    assert!(line.contains(&port), "{line}");
    let caller = Caller::new(&format!("http://127.0.0.1:{port}"));
    let login =
        async |code: &str| caller.post("/token", &format!("grant_type=password&username=owner&password={code}")).await;
    assert_eq!(login("4711-0815").await.field("scope"), "read write");
    assert_eq!(login("0000-0000").await.error(), "400 invalid_grant");
}

const CONFIG: &str = r#"
issuer = "http://127.0.0.1:{port}"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
[tokens.access]
audience = ["https://api.example"]
[[clients]]
id = "app"
type = "confidential"
secret = { value = "app-secret" }
trusted = true
grants = ["password", "refresh_token"]
scopes = ["read"]
[[clients]]
id = "api"
type = "confidential"
secret = { value = "api-secret" }
introspect = true
grants = ["client_credentials"]
scopes = ["read"]
[plugins.local]
source = "builtin:accounts"
[users]
chain = ["local"]
"#;

async fn login(server: &TestServer) -> Answer {
    let body = "grant_type=password&username=dory&password=dorypass";
    server.caller().post_as("app", "app-secret", "/token", body).await
}

async fn api(format: &str, introspect: bool) {
    let overlay = format!("[tokens.access]\nformat = \"{format}\"\n");
    let server = Options { real_clock: true, ..Options::new(CONFIG) }.overlay(&overlay).start().await;
    server.user("dory", "dorypass").await;
    let mut arguments = vec!["--issuer", &server.origin, "--audience", "https://api.example", "--scope", "read"];
    if introspect {
        arguments.extend(["--introspect", "api:api-secret"]);
    }
    let (_program, line) = start("resource_server", &arguments).await;
    let caller = Caller::new(line.strip_prefix("listening on ").unwrap());
    let tokens = login(&server).await;
    let me = caller.get_as(&tokens.field("access_token"), "/me").await;
    assert_eq!(me.status, 200, "{format}: {}", me.text);
    assert_eq!(caller.get("/me").await.status, 401);
    let mut altered = tokens.field("access_token");
    altered.replace_range(10..11, if altered.as_bytes()[10] == b'A' { "B" } else { "A" });
    assert_eq!(caller.get_as(&altered, "/me").await.status, 401);
    let revoke = format!("token={}", tokens.field("refresh_token"));
    assert_eq!(server.caller().post_as("app", "app-secret", "/revoke", &revoke).await.status, 200);
    // A key set cannot know of a revocation; introspection does.
    let after = caller.get_as(&tokens.field("access_token"), "/me").await.status;
    assert_eq!(after, if introspect { 401 } else { 200 });
}

/// A token that a server gave two hours ago.
async fn expired(format: &str, introspect: bool) {
    let overlay = format!("[tokens.access]\nformat = \"{format}\"\nlifetime = \"1h\"\n");
    let mut options = Options::new(CONFIG).overlay(&overlay);
    let earlier = UnixTime(SystemClock::new().now().0 - 7200);
    let clock = Arc::new(ManualClock::at(earlier));
    let servers = clock.clone();
    options.customize = Some(Box::new(|builder| builder.clock(servers)));
    let server = options.start().await;
    server.user("dory", "dorypass").await;
    let token = login(&server).await.field("access_token");
    clock.advance(Duration::from_secs(7200));
    let mut arguments = vec!["--issuer", &server.origin, "--audience", "https://api.example", "--scope", "read"];
    if introspect {
        arguments.extend(["--introspect", "api:api-secret"]);
    }
    let (_program, line) = start("resource_server", &arguments).await;
    let caller = Caller::new(line.strip_prefix("listening on ").unwrap());
    assert_eq!(caller.get_as(&token, "/me").await.status, 401, "{format}: it has expired");
    let fresh = login(&server).await.field("access_token");
    assert_eq!(caller.get_as(&fresh, "/me").await.status, 200, "{format}");
}

#[tokio::test]
async fn an_api_refuses_an_expired_token() {
    expired("jwt", false).await;
    expired("jwt", true).await;
    expired("opaque", true).await;
}

#[tokio::test]
async fn an_api_checks_tokens_by_the_key_set() {
    api("jwt", false).await;
}

#[tokio::test]
async fn an_api_checks_tokens_by_introspection() {
    api("jwt", true).await;
    api("opaque", true).await;
}
