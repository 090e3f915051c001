//! A real Tryton server: `trytond` of Debian's package `tryton-server`, on a port and a database of its own.

use pintle_tests::{Caller, free_port};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

pub const ADMIN_PASSWORD: &str = "adm1n of tests";
pub const SERVICE_PASSWORD: &str = "s3rv:ice_Pw";
/// Of every user that the tests log in.
pub const PASSWORD: &str = "pässwörd & 🔑";
/// A login with what breaks HTTP Basic and URLs in it.
pub const UNICODE: &str = "zoë:müller/ü";

const STARTING: Duration = Duration::from_secs(60);
const CHEAP_HASHES: &str = "[passlib]\nschemes = pbkdf2_sha512\npbkdf2_sha512__default_rounds = 1\n";

/// A running server; stopped and removed when it is dropped.
pub struct Tryton {
    pub port: u16,
    folder: TempDir,
    child: Child,
}

impl Tryton {
    /// With the users of [`database`].
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// With further lines in the section `[session]` of its configuration.
    pub async fn with(session: &'static str) -> Self {
        let base = tokio::task::spawn_blocking(database).await.unwrap();
        Self::on(base, session).await
    }

    async fn on(database: PathBuf, session: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        std::fs::copy(database, folder.path().join("erp.sqlite")).unwrap();
        configure(folder.path(), port, session);
        let child = command("trytond", folder.path()).spawn().unwrap();
        let mut server = Self { port, folder, child };
        server.wait().await;
        server
    }

    async fn wait(&mut self) {
        let waited = tokio::time::timeout(STARTING, self.answers()).await.is_ok_and(|answers| answers);
        let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(waited, "trytond does not start: {}", log());
    }

    /// Whether it answers before it ends.
    async fn answers(&mut self) -> bool {
        let version = json!({"id": 1, "method": "common.server.version", "params": []});
        let caller = self.caller();
        while caller.try_send(caller.request("POST", "/").json(&version)).await.is_none() {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }

    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn caller(&self) -> Caller {
        Caller::new(&self.origin())
    }

    /// Calls a method as the administrator; the context is added.
    pub async fn rpc(&self, method: &str, mut params: Vec<Value>) -> Value {
        params.push(json!({}));
        let body = json!({"id": 1, "method": method, "params": params});
        let caller = self.caller();
        let request = caller.request("POST", "/erp/").basic_auth("admin", Some(ADMIN_PASSWORD)).json(&body);
        let answer = caller.send(request).await;
        let json = answer.json();
        assert!(answer.status == 200 && json["error"].is_null(), "{method}: {}", answer.text);
        json["result"].clone()
    }

    /// The id of the user with this login, active or not.
    pub async fn id(&self, login: &str) -> i64 {
        let domain = json!([["login", "=", login], ["active", "in", [true, false]]]);
        let found = self.rpc("model.res.user.search", vec![domain]).await;
        found[0].as_i64().unwrap_or_else(|| panic!("there is no user {login}"))
    }

    /// Changes a user.
    pub async fn write(&self, login: &str, values: Value) {
        let id = self.id(login).await;
        self.rpc("model.res.user.write", vec![json!([id]), values]).await;
    }

    /// What SQL says to the database, beside Tryton: `users` cannot be deleted through it.
    pub fn sql(&self, statement: &str) -> Vec<String> {
        let script = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1], timeout=10) as db:\n    \
                      print('\\n'.join(str(row[0]) for row in db.execute(sys.argv[2])))";
        let database = self.folder.path().join("erp.sqlite");
        let output = Command::new("python3").args(["-c", script]).arg(database).arg(statement).output().unwrap();
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Sends a signal to the server.
    pub fn signal(&self, signal: libc::c_int) {
        let sent = unsafe { libc::kill(libc::pid_t::try_from(self.child.id()).unwrap(), signal) };
        assert_eq!(sent, 0);
    }

    /// Ends the server.
    pub fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Tryton {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A database with users, made once: installing Tryton's modules in it takes some seconds.
fn database() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let installed = Command::new("trytond").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(installed.is_ok(), "trytond is not installed: the command tests/run installs it");
        let folder = tempfile::tempdir().unwrap();
        configure(folder.path(), 0, "");
        File::create(folder.path().join("erp.sqlite")).unwrap();
        let mut admin = command("trytond-admin", folder.path());
        let admin = admin.args(["--all", "--email", "admin@example.com"]).status().unwrap();
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        assert!(admin.success(), "trytond-admin: {}", log());
        let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tryton.sqlite");
        std::fs::copy(folder.path().join("erp.sqlite"), &made).unwrap();
        std::thread::spawn(move || add_users(made)).join().unwrap()
    })
    .clone()
}

/// `ann` in the groups Sales and Old, which is deactivated; one whose name is hard to write; `eve`, who is deactivated.
#[tokio::main(flavor = "current_thread")]
async fn add_users(database: PathBuf) -> PathBuf {
    let mut server = Tryton::on(database.clone(), "").await;
    let groups = server.rpc("model.res.group.create", vec![json!([{"name": "Sales"}, {"name": "Old"}])]).await;
    let user = |login: &str, name: &str, rest: Value| {
        let mut user = json!({"login": login, "name": name, "password": PASSWORD});
        user.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        user
    };
    let users = json!([
        user("pintle", "Pintle", json!({"password": SERVICE_PASSWORD})),
        user("ann", "Ann Ónÿmous", json!({"email": "ann@example.com", "groups": [["add", groups]]})),
        user(UNICODE, "Zoë", json!({})),
        user("eve", "Eve", json!({"active": false})),
    ]);
    server.rpc("model.res.user.create", vec![users]).await;
    server.rpc("model.res.group.write", vec![json!([groups[1]]), json!({"active": false})]).await;
    server.stop();
    std::fs::copy(server.folder.path().join("erp.sqlite"), &database).unwrap();
    database
}

/// Writes what `trytond` reads. Hashes of passwords are cheap, as a test of something else is not to wait for them.
fn configure(folder: &Path, port: u16, session: &str) {
    let path = folder.display();
    let conf = format!(
        "[database]\nuri = sqlite://\npath = {path}\n[web]\nlisten = 127.0.0.1:{port}\nroot = {path}\n\
         [password]\npasslib = {path}/passlib.ini\n[session]\n{session}\n"
    );
    std::fs::write(folder.join("trytond.conf"), conf).unwrap();
    std::fs::write(folder.join("passlib.ini"), CHEAP_HASHES).unwrap();
    std::fs::write(folder.join("password"), ADMIN_PASSWORD).unwrap();
}

fn command(program: &str, folder: &Path) -> Command {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = Command::new(program);
    command.arg("-c").arg(folder.join("trytond.conf")).args(["-d", "erp"]);
    command.env("TRYTONPASSFILE", folder.join("password"));
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command
}
