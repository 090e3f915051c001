//! The servers under measurement, each a process on core 0.

use pintle_tests::free_port;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

const CONFIG: &str = r#"
issuer = "http://127.0.0.1:{port}"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
[log]
filter = "warn"
[[clients]]
id = "machine"
type = "confidential"
secret = { value = "machine-secret" }
grants = ["client_credentials"]
scopes = ["read", "write"]
[[clients]]
id = "app"
type = "confidential"
secret = { value = "app-secret" }
trusted = true
grants = ["password", "refresh_token"]
scopes = ["read", "write"]
[plugins.local]
source = "builtin:accounts"
[users]
chain = ["local"]
"#;

pub struct Process {
    pub port: u16,
    child: Child,
    command: Vec<String>,
    _folder: TempDir,
}

/// The release binary, which `cargo bench` does not build by itself.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let build = Command::new(env!("CARGO"))
            .args(["build", "--release", "--locked", "--workspace", "--bin", "pintle"])
            .current_dir(&root)
            .status();
        assert!(build.is_ok_and(|status| status.success()), "the server cannot be built");
        root.join("target/release/pintle")
    })
}

fn on_core_0(command: &[String]) -> Child {
    let mut taskset = Command::new("taskset");
    taskset.args(["-c", "0"]).args(command).stdout(Stdio::null()).stderr(Stdio::null());
    taskset.spawn().unwrap_or_else(|error| panic!("taskset (util-linux): {error}"))
}

impl Process {
    /// The server with `more` in its configuration and these users, whose passwords are their names and `pass`.
    pub fn pintle(more: &str, users: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let config = folder.path().join("pintle.toml");
        std::fs::write(&config, CONFIG.replace("{port}", &port.to_string()) + more).unwrap();
        let binary = binary();
        for user in users {
            let mut add = Command::new(binary);
            add.arg("--config").arg(&config).args(["user", "add", user, "--password-stdin"]);
            let mut add = add.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            add.stdin.take().unwrap().write_all(format!("{user}pass").as_bytes()).unwrap();
            assert!(add.wait().unwrap().success());
        }
        let command = [binary.display().to_string(), "--config".into(), config.display().to_string(), "serve".into()];
        Self::start(port, command.to_vec(), folder)
    }

    pub fn floor() -> Self {
        let port = free_port();
        let this = std::env::current_exe().unwrap().display().to_string();
        Self::start(port, vec![this, "floor".into(), port.to_string()], tempfile::tempdir().unwrap())
    }

    fn start(port: u16, command: Vec<String>, folder: TempDir) -> Self {
        let child = on_core_0(&command);
        let process = Self { port, child, command, _folder: folder };
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        process
    }

    pub fn stop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Starts the stopped process again, without waiting for it.
    pub fn restart(&mut self) {
        self.child = on_core_0(&self.command);
    }

    /// Resident memory in MiB.
    pub fn resident_mib(&self) -> f64 {
        super::memory::resident_mib(&self.child.id().to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Hashes a second of a process on core 0 that does nothing else.
pub fn raw_argon2() -> f64 {
    let this = std::env::current_exe().unwrap();
    let output = Command::new("taskset").args(["-c", "0"]).arg(this).arg("argon2").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// Lets this program time the plugins' calls on core 0 alone. How many figures missed their bars.
pub fn calls_on_core_0() -> usize {
    let this = std::env::current_exe().unwrap();
    let status = Command::new("taskset").args(["-c", "0"]).arg(this).arg("calls").status().unwrap();
    status.code().and_then(|code| usize::try_from(code).ok()).unwrap_or(1)
}
