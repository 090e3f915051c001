//! The reference configuration of composed backends, as it stands: the real program over TLS, a real directory and a real
//! ERP. Laid over it are what it leaves open, and the addresses of hosts and files.

use crate::kill::{pintle, ready};
use crate::plugins::{by_department, component, library};
use crate::slapd::Slapd;
use crate::tryton::server::{PASSWORD, SERVICE_PASSWORD, Tryton, UNICODE};
use pintle_tests::{Caller, fixtures, free_port};
use rcgen::CertifiedKey;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// An operator's folder: the configuration, its plugins, and what is laid over it.
struct Operator {
    folder: TempDir,
    port: u16,
}

/// The server; ended when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Operator {
    fn new(directory: &Slapd, erp: &Tryton) -> Self {
        let operator = Self { folder: tempfile::tempdir().unwrap(), port: free_port() };
        let folder = operator.folder.path();
        let (ldap, tryton) = (library("plugins/ldap"), component("plugins/erp-tryton"));
        std::fs::create_dir(folder.join("plugins")).unwrap();
        let place = |from: &Path, name: &str| std::fs::copy(from, folder.join("plugins").join(name)).unwrap();
        place(&ldap.path, "libpintle_ldap.so");
        place(&tryton.path, "erp-tryton.wasm");
        place(&by_department(), "by-department.wasm");
        std::fs::copy(fixtures().join("reference/composed.toml"), folder.join("composed.toml")).unwrap();
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        operator.write("tls.pem", &cert.pem());
        operator.write("tls.key", &signing_key.serialize_pem());
        operator.write("ldap.secret", "of nobody: the configuration searches anonymously");
        let key: Value = serde_json::from_str(&operator.run("plugin keygen --out vendor.pem --json")).unwrap();
        let overlay = OVERLAY
            .replace("{port}", &operator.port.to_string())
            .replace("{key}", key["public_key"].as_str().unwrap())
            .replace("{sha256}", &ldap.sha256)
            .replace("{directory}", &directory.tls_url())
            .replace("{ca}", &directory.ca().display().to_string())
            .replace("{erp}", &erp.origin());
        operator.write("overlay.toml", &overlay);
        operator
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(pintle());
        command.args(words.split(' ')).current_dir(self.folder.path()).env("ERP_PASSWORD", SERVICE_PASSWORD);
        command
    }

    /// Runs a command that has to succeed, and gives what it printed.
    fn run(&self, words: &str) -> String {
        self.run_with(words, "")
    }

    fn run_with(&self, words: &str, stdin: &str) -> String {
        let mut command = self.command(words);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn caller(&self) -> Caller {
        let certificate = std::fs::read(self.folder.path().join("tls.pem")).unwrap();
        Caller::trusting(&format!("https://localhost:{}", self.port), &certificate)
    }
}

const CONFIG: &str = "--config composed.toml --overlay overlay.toml";

const OVERLAY: &str = r#"
issuer = "https://localhost:{port}"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
tls = { certificate = "tls.pem", key = "tls.key" }
[trust]
keys = ["{key}"]
[plugins.directory]
sha256 = "{sha256}"
config = { url = "{directory}", ca = "{ca}" }
secrets.bind_password.file = "ldap.secret"
[plugins.erp]
network = ["{erp}"]
[passwords]
memory_kib = 64
iterations = 1
"#;

/// Every backend is a real one and knows somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_composed_backends_log_their_users_in() {
    let directory = tokio::task::spawn_blocking(Slapd::start).await.unwrap();
    let erp = Tryton::start().await;
    let operator = tokio::task::block_in_place(|| Operator::new(&directory, &erp));
    let client =
        format!("client add shop --type confidential --trusted --grant password --scope orders --json {CONFIG}");
    let client: Value = serde_json::from_str(&operator.run(&client)).unwrap();
    let secret = client["secret"].as_str().unwrap();
    operator.run_with(&format!("user add local --password-stdin {CONFIG}"), "local-password\n");
    operator.run(&format!("check {CONFIG}"));
    let mut server = Server(
        operator.command(&format!("serve {CONFIG}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(),
    );
    let caller = operator.caller();
    ready(&caller, &mut server.0).await;
    for (username, password, expected) in [
        ("bob", "rightful", "200 "),
        ("bob", "wrong", "400 invalid_grant"),
        (UNICODE, PASSWORD, "200 "),
        (UNICODE, "wrong", "400 invalid_grant"),
        ("local", "local-password", "200 "),
        ("nobody", "wrong", "400 invalid_grant"),
    ] {
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let body = format!("grant_type=password&username={}&password={}", encoded(username), encoded(password));
        let answer = caller.post_as("shop", secret, "/token", &body).await;
        assert_eq!(answer.error(), expected, "{username}, {password}: {}", answer.text);
        assert_eq!(answer.field("scope"), if answer.status == 200 { "orders" } else { "" }, "{username}");
    }
}
