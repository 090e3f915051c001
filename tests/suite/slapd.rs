//! A real directory: OpenLDAP's `slapd` on ports of its own, with its data in a temporary folder.

use pintle_tests::free_port;
use rcgen::CertifiedKey;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

mod proxy;
pub use proxy::{Fate, Proxy};

/// What is in every directory; each file says who is who.
const USERS: &str = include_str!("../fixtures/slapd/users.ldif");
const CONFIG: &str = include_str!("../fixtures/slapd/slapd.conf");
/// Who searches.
pub const BIND_DN: &str = "cn=pintle,dc=example,dc=com";
/// Its password.
pub const BIND_PASSWORD: &str = "pintle-secret";
/// Where the users are.
pub const BASE: &str = "ou=people,dc=example,dc=com";

/// A directory that runs until it is dropped.
pub struct Slapd {
    folder: TempDir,
    port: u16,
    tls_port: u16,
    running: Option<Child>,
}

/// The program of a package, also where a user's `PATH` does not lead.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec"].map(PathBuf::from);
    let found = std::env::split_paths(&path).chain(more).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: the command tests/run installs it (Debian's `slapd`)"))
}

impl Slapd {
    /// Starts one with the users of the fixture.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = Self { folder, port: free_port(), tls_port: free_port(), running: None };
        directory.write("slapd.conf", &CONFIG.replace("{folder}", &directory.folder.path().display().to_string()));
        directory.write("users.ldif", USERS);
        std::fs::create_dir(directory.folder.path().join("data")).unwrap();
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        directory.write("server.pem", &cert.pem());
        directory.write("server.key", &signing_key.serialize_pem());
        let another = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        directory.write("another.pem", &another.cert.pem());
        directory.load();
        directory.started()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn load(&self) {
        // The same program by another name; not every system has the link.
        let loaded = Command::new(program("slapd"))
            .args(["-T", "add", "-f", "slapd.conf", "-l", "users.ldif"])
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    }

    fn started(mut self) -> Self {
        self.restart();
        self
    }

    /// Starts it (again), on the same ports and data, and returns once it takes connections.
    pub fn restart(&mut self) {
        self.stop();
        let urls = format!("ldap://127.0.0.1:{} ldaps://127.0.0.1:{}", self.port, self.tls_port);
        let child = Command::new(program("slapd"))
            .args(["-d", "0", "-f", "slapd.conf", "-h", &urls])
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let child = self.running.insert(child);
        let begun = Instant::now();
        while [self.port, self.tls_port].iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()) {
            assert_eq!(child.try_wait().unwrap(), None, "slapd ended while it started");
            assert!(begun.elapsed() < Duration::from_secs(20), "slapd takes no connections");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Lets it keep its connections and take new ones, and answer nothing.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it answer again.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.running.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// `ldap://` on loopback.
    pub fn url(&self) -> String {
        format!("ldap://localhost:{}", self.port)
    }

    /// For `ldap://`, as `localhost:port`.
    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// `ldaps://`.
    pub fn tls_url(&self) -> String {
        format!("ldaps://localhost:{}", self.tls_port)
    }

    /// The file that certifies it.
    pub fn ca(&self) -> PathBuf {
        self.file("server.pem")
    }

    /// A file that certifies another server of the same name.
    pub fn another_ca(&self) -> PathBuf {
        self.file("another.pem")
    }

    fn file(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}
