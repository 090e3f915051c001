//! `kill -9` of the real server under load: what was acknowledged stays.

use pintle_tests::{Answer, Caller};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ROUNDS: u64 = 25;
const LOGINS: usize = 12;

/// A client's view of one login: only what was acknowledged.
#[derive(Clone, Debug)]
struct Session {
    /// The last refresh token that an answer brought.
    refresh: String,
    /// A revocation was acknowledged.
    revoked: bool,
    /// A revocation was asked for and not answered: either outcome is right.
    unsure: bool,
}

struct Server {
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The binary that the tests were built with.
pub fn pintle() -> PathBuf {
    let suite = std::env::current_exe().unwrap();
    let binary = suite.parent().and_then(Path::parent).unwrap().join("pintle");
    assert!(binary.is_file(), "{} is missing: run the whole workspace's tests", binary.display());
    binary
}

fn configure(folder: &Path, port: u16) -> PathBuf {
    let text = std::fs::read_to_string(pintle_tests::fixtures().join("reference/clarico.toml")).unwrap();
    let cheap =
        "\n[passwords]\nmemory_kib = 8\niterations = 1\n[tokens.refresh]\nlifetime = \"30d\"\ngrace = \"60s\"\n";
    let text = text.replace("[tokens.refresh]\nlifetime = \"30d\"\n", "").replace("18080", &port.to_string());
    let text = text.replace("RS256", "EdDSA") + cheap;
    let file = folder.join("pintle.toml");
    std::fs::write(&file, text).unwrap();
    file
}

fn start(config: &Path) -> Server {
    let mut command = Command::new(pintle());
    command.arg("--config").arg(config).arg("serve").stdout(Stdio::null()).stderr(Stdio::null());
    Server { child: command.spawn().unwrap() }
}

/// Waits for a server that has been started.
pub async fn ready(caller: &Caller, server: &mut Child) {
    for _ in 0..2000 {
        if caller.try_send(caller.request("GET", "/health/live")).await.is_some() {
            return;
        }
        assert!(server.try_wait().unwrap().is_none(), "the server ended instead of opening its store");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the server does not answer");
}

async fn refresh(caller: &Caller, token: &str) -> Option<Answer> {
    caller.try_post("/token", &format!("grant_type=refresh_token&refresh_token={token}")).await
}

async fn login(caller: &Caller) -> Option<Session> {
    let answer = caller.try_post("/token", "grant_type=password&username=user123&password=pass456").await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    Some(Session { refresh: answer.field("refresh_token"), revoked: false, unsure: false })
}

/// Refreshes its sessions until the server is gone, and revokes one now and then.
async fn load(caller: Caller, sessions: Arc<Mutex<Vec<Session>>>, index: usize, stop: Arc<AtomicBool>) {
    let mut turn = index;
    while !stop.load(Ordering::SeqCst) {
        turn += 1;
        let session = sessions.lock().unwrap()[index].clone();
        if session.revoked || session.unsure {
            let Some(fresh) = login(&caller).await else { return };
            sessions.lock().unwrap()[index] = fresh;
            continue;
        }
        if turn.is_multiple_of(17) {
            sessions.lock().unwrap()[index].unsure = true;
            let body = format!("token={}", session.refresh);
            let Some(answer) = caller.try_post("/revoke", &body).await else { return };
            assert_eq!(answer.status, 200);
            sessions.lock().unwrap()[index] = Session { revoked: true, unsure: false, ..session };
            // Left as it is: the next round looks whether the revocation holds.
            return;
        }
        let Some(answer) = refresh(&caller, &session.refresh).await else { return };
        assert_eq!(answer.status, 200, "{}", answer.text);
        sessions.lock().unwrap()[index].refresh = answer.field("refresh_token");
    }
}

/// What was acknowledged before the kill has to hold.
async fn check(caller: &Caller, sessions: &Mutex<Vec<Session>>, round: u64) {
    let all = sessions.lock().unwrap().clone();
    for (index, session) in all.into_iter().enumerate() {
        let answer = refresh(caller, &session.refresh).await.expect("an answer");
        match (session.revoked, session.unsure) {
            (true, _) => assert_eq!(answer.error(), "400 invalid_grant", "round {round}: a revocation was lost"),
            (false, true) => {}
            (false, false) => {
                assert_eq!(answer.status, 200, "round {round}: a refresh token was lost: {}", answer.text);
                sessions.lock().unwrap()[index].refresh = answer.field("refresh_token");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_25_kills() {
    let folder = tempfile::tempdir().unwrap();
    let port = pintle_tests::free_port();
    let config = configure(folder.path(), port);
    let mut add = Command::new(pintle());
    add.arg("--config").arg(&config).args(["user", "add", "user123", "--password-stdin"]).stdin(Stdio::piped());
    let mut add = add.stdout(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(add.stdin.as_mut().unwrap(), b"pass456").unwrap();
    assert!(add.wait().unwrap().success());

    let caller = Caller::new(&format!("http://127.0.0.1:{port}"));
    let sessions = Arc::new(Mutex::new(Vec::new()));
    let (mut checked, mut killed_early) = (0, 0);
    for round in 0..ROUNDS {
        // Every fifth round is killed while it starts, a little later each time.
        if round % 5 == 4 {
            let early = start(&config);
            tokio::time::sleep(Duration::from_millis(3 * round)).await;
            drop(early);
            killed_early += 1;
        }
        let mut server = start(&config);
        ready(&caller, &mut server.child).await;
        if sessions.lock().unwrap().is_empty() {
            for _ in 0..LOGINS {
                let fresh = login(&caller).await.unwrap();
                sessions.lock().unwrap().push(fresh);
            }
        }
        check(&caller, &sessions, round).await;
        checked += 1;
        let stop = Arc::new(AtomicBool::new(false));
        let running: Vec<_> = (0..LOGINS)
            .map(|index| tokio::spawn(load(caller.clone(), sessions.clone(), index, stop.clone())))
            .collect();
        tokio::time::sleep(Duration::from_millis(60 + 23 * (round * 7 % 11))).await;
        drop(server);
        stop.store(true, Ordering::SeqCst);
        for task in running {
            task.await.unwrap();
        }
    }
    assert_eq!((checked, killed_early), (ROUNDS, ROUNDS / 5));
    let mut server = start(&config);
    ready(&caller, &mut server.child).await;
    check(&caller, &sessions, ROUNDS).await;
}
