//! A plugin that says what ends lines and steers terminals, wherever it can say anything: the real program's log, audit
//! log, answers and tables, and what commands print.

use crate::hostile_native::compiled;
use crate::kill::{pintle, ready};
use crate::plugins::{component, library};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use pintle::plugin::private_dir::sha256_hex;
use pintle::printable::is_harmful;
use pintle_tests::{Answer, Caller, free_port};
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const CONFIG: &str = r#"
issuer = "http://127.0.0.1:{port}"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
[log]
format = "{format}"
audit = "audit.log"
[[clients]]
id = "web"
type = "confidential"
secret = { value = "secret" }
trusted = true
grants = ["password", "refresh_token", "urn:example:hostile"]
scopes = ["read", "write", "admin"]
[trust]
native = true
[plugins.hostile]
{source}
required = true
[plugins.local]
source = "builtin:accounts"
[users]
chain = ["hostile", "local"]
[scopes]
policies = ["hostile"]
[claims]
sources = ["hostile"]
[grants]
extensions = ["hostile"]
[lockout]
free_tries = 1000
[passwords]
memory_kib = 64
iterations = 1
failure_time = "0s"
"#;

/// A folder with the configuration, and the server in it where one runs.
struct Ground {
    folder: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.kill());
            drop(server.wait());
        }
    }
}

impl Ground {
    fn new(config: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        std::fs::write(folder.path().join("pintle.toml"), config.replace("{port}", &port.to_string())).unwrap();
        Self { folder, port, server: None }
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(pintle());
        command.args(words.split(' ')).args(["--config", "pintle.toml"]).current_dir(self.folder.path());
        command
    }

    /// What a command prints, on both streams, and its exit code.
    fn run(&self, words: &str) -> (Option<i32>, String) {
        let output = self.command(words).stdin(Stdio::null()).output().unwrap();
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), printed)
    }

    async fn serve(&mut self) -> Caller {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.command("serve");
        let mut child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let caller = Caller::new(&format!("http://127.0.0.1:{}", self.port));
        ready(&caller, &mut child).await;
        self.server = Some(child);
        caller
    }

    /// Ends the server in order, so that everything is written, and gives its log and audit log.
    fn ended(&mut self) -> (String, String) {
        let mut server = self.server.take().unwrap();
        // SAFETY: the child is ours and has not been waited for, so its id is its own.
        assert_eq!(unsafe { libc::kill(server.id().cast_signed(), libc::SIGTERM) }, 0);
        assert!(server.wait().unwrap().success());
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name)).unwrap();
        (read("log"), read("audit.log"))
    }
}

fn assert_harmless(what: &str, text: &str) {
    let harmful: Vec<char> = text.chars().filter(|c| is_harmful(*c) && *c != '\n').collect();
    assert!(harmful.is_empty(), "{what}: {harmful:?} in {text:?}");
    // The line that the plugin would forge, were its line break one.
    assert!(!text.lines().any(|line| line.starts_with("2026-01-01T00:00:00Z")), "{what}: {text}");
}

/// The answer to a login as the plugin is asked to speak.
async fn login(caller: &Caller, what: &str) -> Answer {
    let body = format!("grant_type=password&username=say {what}&password=x&scope=read");
    let answer = caller.post_as("web", "secret", "/token", &body).await;
    assert!(answer.json().is_object(), "{what}: {}", answer.text);
    // JSON: what harms stands in it escaped, or is data; no line ends in it.
    assert!(!answer.text.chars().any(|c| c.is_ascii_control()), "{what}: {:?}", answer.text);
    for (name, value) in &answer.headers {
        assert!(value.to_str().is_ok_and(|value| !value.contains(is_harmful)), "{what}: {name}: {value:?}");
    }
    answer
}

/// The claims of an access token.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// A login of somebody with such a name, e-mail address, group and claims: they are data, and no claim of the server's own.
async fn assert_narrowed(caller: &Caller) -> String {
    let answer = login(caller, "accepted").await;
    assert_eq!((answer.error().as_str(), answer.field("scope").as_str()), ("200 ", "read"), "{}", answer.text);
    let token = answer.field("access_token");
    let claims = claims(&token);
    let introspected = caller.post_as("web", "secret", "/introspect", &format!("token={token}")).await;
    assert_eq!(introspected.json()["active"], true, "{}", introspected.text);
    for claims in [claims, introspected.json()] {
        let forged: Vec<&String> =
            claims.as_object().unwrap().iter().filter(|(_, v)| *v == "forged").map(|(k, _)| k).collect();
        assert!(forged.is_empty(), "{forged:?}");
        assert_eq!((&claims["scope"], &claims["client_id"]), (&"read".into(), &"web".into()));
    }
    token
}

async fn speak(caller: &Caller) {
    for (what, expected) in [
        ("rejected", "400 invalid_grant"),
        ("unavailable", "503 temporarily_unavailable"),
        ("invalid", "503 temporarily_unavailable"),
        ("denied", "503 temporarily_unavailable"),
        ("internal", "503 temporarily_unavailable"),
        ("panic", "503 temporarily_unavailable"),
        ("panic-elsewhere", "400 invalid_grant"),
        ("log", "400 invalid_grant"),
        ("flood", "400 invalid_grant"),
        ("id", "503 temporarily_unavailable"),
        ("challenge", "400 insufficient_authorization"),
        ("long-challenge", "503 temporarily_unavailable"),
    ] {
        assert_eq!(login(caller, what).await.error(), expected, "{what}");
    }
    // A requirement that nobody can meet, and an error that is none of OAuth's.
    let body = "grant_type=password&username=say accepted&password=x&scope=write";
    assert_eq!(caller.post_as("web", "secret", "/token", body).await.error(), "400 invalid_grant");
    let refused = caller.post_as("web", "secret", "/token", "grant_type=urn:example:hostile").await;
    assert_eq!(refused.error(), "400 invalid_grant");
    // RFC 6749 §5.2: what an error_description is made of.
    let allowed = |c: char| matches!(c, ' '..='!' | '#'..='[' | ']'..='~');
    assert!(refused.field("error_description").chars().all(allowed), "{}", refused.text);
    let metadata = caller.get("/.well-known/oauth-authorization-server").await;
    assert!(metadata.json().is_object() && !metadata.text.chars().any(|c| c.is_ascii_control()), "{}", metadata.text);
}

/// One run of the program with the plugin in one packaging and one form of the log.
async fn run(source: &str, format: &str) -> String {
    let mut ground = Ground::new(&CONFIG.replace("{source}", source).replace("{format}", format));
    let caller = ground.serve().await;
    speak(&caller).await;
    let token = assert_narrowed(&caller).await;
    for words in ["check", "lockout list", "lockout list --json", "user list", &format!("token inspect {token}")] {
        let (code, printed) = ground.run(words);
        assert_eq!(code, Some(0), "{words}: {printed}");
        assert_harmless(words, &printed);
    }
    let (log, audit) = ground.ended();
    assert_harmless("the log", &log);
    assert_harmless("the audit log", &audit);
    assert!(audit.lines().count() > 10 && audit.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    // A hundred at once, and then twenty a second.
    let flood = log.lines().filter(|line| line.contains("flood")).count();
    assert!((50..1000).contains(&flood), "{flood} lines of a flood of 10,000");
    for expected in ["forged", "\\u{1b}", "INFO"] {
        let expected = if format == "json" { expected.replace("\\u{1b}", "u{1b}") } else { expected.to_owned() };
        assert!(log.contains(&expected), "{expected} is not in the log, which has it escaped: {log}");
    }
    log
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_plugin_says_forges_a_line_or_steers_a_terminal() {
    let (wasm, native) = tokio::task::block_in_place(|| (component("tests/hostile"), library("tests/hostile")));
    run(&format!("source = \"{}\"", wasm.path.display()), "pretty").await;
    let log = run(&format!("source = \"{}\"\nsha256 = \"{}\"", native.path.display(), native.sha256), "json").await;
    // A panic is told by the server's log, in its form; one of the plugin's own threads on stderr.
    let told: Vec<&str> = log.lines().filter(|line| line.contains("panicked x")).collect();
    assert!(told.len() == 2 && told.iter().any(|line| line.starts_with('{')), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_faults_that_a_plugin_finds_in_its_config_are_printed_escaped() {
    let (wasm, native) = tokio::task::block_in_place(|| (component("tests/hostile"), library("tests/hostile")));
    let native = format!("source = \"{}\"\nsha256 = \"{}\"", native.path.display(), native.sha256);
    for source in [format!("source = \"{}\"", wasm.path.display()), native] {
        let source = format!("{source}\nconfig = {{ faulty = 1 }}");
        let ground = Ground::new(&CONFIG.replace("{source}", &source).replace("{format}", "pretty"));
        for words in ["check", "serve"] {
            let (code, printed) = ground.run(words);
            assert!(code == Some(3) && printed.contains("forged"), "{words}: {code:?}: {printed}");
            assert_harmless(words, &printed);
        }
    }
}

/// A manifest whose name, version and wishes are such.
fn manifest(folder: &Path) -> String {
    let evil = r#"x\\u001b[2J\\n2026-01-01T00:00:00Z\\u202e\\u009b"#.replace("\\\\", "\\");
    let json = format!(r#"{{"name": "{evil}", "version": "{evil}", "kinds": ["user-verifier"], "wants": ["{evil}"]}}"#);
    let definition = format!("-DMANIFEST=R\"MANIFEST({json})MANIFEST\"");
    let library = compiled(folder, "manifest", &[definition]);
    let sha256 = sha256_hex(&std::fs::read(&library).unwrap());
    format!("source = \"{}\"\nsha256 = \"{sha256}\"", library.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_manifest_says_is_printed_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let source = tokio::task::block_in_place(|| manifest(folder.path()));
    let config = CONFIG.replace("{source}", &source).replace("{format}", "pretty");
    let only_users = [
        "[scopes]\npolicies = [\"hostile\"]\n",
        "[claims]\nsources = [\"hostile\"]\n",
        "[grants]\nextensions = [\"hostile\"]\n",
    ];
    let config = only_users.iter().fold(config, |config, section| config.replace(section, ""));
    let mut ground = Ground::new(&config.replace(", \"urn:example:hostile\"", ""));
    for words in ["check", "check --json"] {
        let (code, printed) = ground.run(words);
        assert!(code == Some(0) && printed.contains("[2J"), "{words}: {code:?}: {printed}");
        assert_harmless(words, &printed);
    }
    let caller = ground.serve().await;
    assert_eq!(login(&caller, "nothing").await.error(), "400 invalid_grant");
    let (log, audit) = ground.ended();
    assert_harmless("the log", &log);
    assert_harmless("the audit log", &audit);
}
