//! A server that gives, rotates and revokes tokens, and what of that must hold.
//!
//! Each session is known by the lines that the process wrote about it, the last one counting: `live` after an answer brought
//! a token, `ending` before a revocation is asked for, `ended` after it was acknowledged. The clock stands still, so that
//! a refresh token whose successor nobody saw still works: the grace window is open.

use crate::child::Acknowledged;
use crate::workload::{self, TASKS, mix};
use pintle::accounts::NewAccount;
use pintle::clock::{ManualClock, UnixTime};
use pintle::flow::revoke;
use pintle::keys::{MasterKey, MasterKeyOrigin};
use pintle::oauth::family::AccountRef;
use pintle_tests::{Caller, Options, TestServer};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

const NOW: UnixTime = UnixTime(1_800_000_000);
const MOST_LIVE: usize = 6;

const CONFIG: &str = r#"
issuer = "https://id.example"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
[[clients]]
id = "app"
type = "confidential"
secret = { value = "app-secret" }
trusted = true
grants = ["password", "refresh_token"]
scopes = ["read"]
[tokens.refresh]
grace = "60s"
[plugins.local]
source = "builtin:accounts"
[users]
chain = ["local"]
"#;

#[derive(Clone, Copy, PartialEq)]
enum State {
    Live,
    Ending,
    Ended,
}

#[derive(Clone)]
struct Session {
    state: State,
    refresh: String,
    access: String,
}

/// Sessions by name, `task/number`.
type Sessions = BTreeMap<String, Session>;

async fn start(folder: &Path) -> Result<TestServer, String> {
    let clock = Arc::new(ManualClock::at(NOW));
    let mut options = Options::new(CONFIG);
    options.store = Some(Arc::new(workload::open(folder)?));
    options.customize = Some(Box::new(|builder| {
        builder.clock(clock).master_key(MasterKey::new([7; 32]), MasterKeyOrigin::Env("TEST".to_owned()))
    }));
    Ok(options.start().await)
}

fn read(acknowledged: &[u8]) -> Sessions {
    let mut sessions = Sessions::new();
    for line in String::from_utf8_lossy(acknowledged).lines() {
        let [name, state, refresh, access] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line:?}") };
        let state = match state {
            "live" => State::Live,
            "ending" => State::Ending,
            "ended" => State::Ended,
            other => panic!("state {other:?}"),
        };
        sessions.insert(name.to_owned(), Session { state, refresh: refresh.to_owned(), access: access.to_owned() });
    }
    sessions
}

/// How many live and how many ended sessions the processes left.
pub fn acknowledged_in(folder: &Path) -> (usize, usize) {
    let sessions = read(&std::fs::read(folder.join("acknowledged")).unwrap());
    let count = |state| sessions.values().filter(|session| session.state == state).count();
    (count(State::Live), count(State::Ended))
}

/// One client's and one user's doings, which go on where the last process was killed.
struct Task {
    server: Arc<TestServer>,
    caller: Caller,
    acknowledged: Arc<Acknowledged>,
    user: String,
    sessions: Sessions,
}

pub async fn write(folder: &Path, operations: u64) {
    let known = read(&std::fs::read(folder.join("acknowledged")).unwrap_or_default());
    let server = Arc::new(start(folder).await.unwrap());
    let acknowledged = Arc::new(Acknowledged::open(folder));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let user = format!("user{task}");
            let is_own = |name: &str| name.split('/').next() == Some(&user);
            let sessions = known.clone().into_iter().filter(|(name, _)| is_own(name)).collect();
            let (server, acknowledged) = (server.clone(), acknowledged.clone());
            let caller = server.caller();
            tokio::spawn(Task { server, caller, acknowledged, user, sessions }.run(mix(task), operations))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

impl Task {
    async fn run(mut self, seed: u64, operations: u64) {
        let accounts = &self.server.app.core.accounts;
        if accounts.by_username(&self.user).await.unwrap().is_none() {
            let (username, password) = (self.user.clone(), Some(Zeroizing::new("password".to_owned())));
            accounts.create(NewAccount { username, password, ..NewAccount::default() }).await.unwrap();
        }
        for number in 0..operations {
            let random = mix(seed ^ number ^ (self.sessions.len() as u64) << 32);
            let live: Vec<String> = self.live();
            match random % 16 {
                0..3 if live.len() < MOST_LIVE => self.log_in().await,
                3 if !live.is_empty() => self.end(&pick(&live, random)).await,
                4 => self.end_all().await,
                _ if live.len() == MOST_LIVE && random & 256 == 0 => self.end(&pick(&live, random)).await,
                _ if !live.is_empty() => self.refresh(&pick(&live, random)).await,
                _ => self.log_in().await,
            }
        }
    }

    fn live(&self) -> Vec<String> {
        let live = self.sessions.iter().filter(|(_, session)| session.state == State::Live);
        live.map(|(name, _)| name.clone()).collect()
    }

    /// Tells the world, then itself.
    fn note(&mut self, name: &str, session: Session) {
        let state = match session.state {
            State::Live => "live",
            State::Ending => "ending",
            State::Ended => "ended",
        };
        self.acknowledged.add(&format!("{name} {state} {} {}", session.refresh, session.access));
        self.sessions.insert(name.to_owned(), session);
    }

    fn note_state(&mut self, name: &str, state: State) {
        let session = self.sessions[name].clone();
        self.note(name, Session { state, ..session });
    }

    async fn ask(&mut self, name: &str, body: &str) {
        let answer = self.caller.post_as("app", "app-secret", "/token", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let (refresh, access) = (answer.field("refresh_token"), answer.field("access_token"));
        self.note(name, Session { state: State::Live, refresh, access });
    }

    async fn log_in(&mut self) {
        let name = format!("{}/{}", self.user, self.sessions.len());
        let body = format!("grant_type=password&username={}&password=password", self.user);
        self.ask(&name, &body).await;
    }

    async fn refresh(&mut self, name: &str) {
        let body = format!("grant_type=refresh_token&refresh_token={}", self.sessions[name].refresh);
        self.ask(name, &body).await;
    }

    async fn end(&mut self, name: &str) {
        self.note_state(name, State::Ending);
        let body = format!("token={}", self.sessions[name].refresh);
        assert_eq!(self.caller.post_as("app", "app-secret", "/revoke", &body).await.status, 200);
        self.note_state(name, State::Ended);
    }

    /// What `token revoke --user` does.
    async fn end_all(&mut self) {
        let live = self.live();
        live.iter().for_each(|name| self.note_state(name, State::Ending));
        let core = &self.server.app.core;
        let account = core.accounts.by_username(&self.user).await.unwrap().unwrap();
        let account = AccountRef { backend: "local".to_owned(), id: account.id };
        revoke::account(core, &account).await.unwrap();
        live.iter().for_each(|name| self.note_state(name, State::Ended));
    }
}

fn pick(names: &[String], random: u64) -> String {
    names[(random >> 16) as usize % names.len()].clone()
}

/// Starts a server on what the disk kept and uses every token that was acknowledged.
pub async fn verify(folder: &Path, acknowledged: &[u8]) -> Result<(), String> {
    let server = start(folder).await?;
    let caller = server.caller();
    for (name, session) in read(acknowledged) {
        if session.state == State::Ending {
            continue;
        }
        let body = format!("token={}", session.access);
        let active = caller.post_as("app", "app-secret", "/introspect", &body).await.json()["active"] == true;
        let body = format!("grant_type=refresh_token&refresh_token={}", session.refresh);
        let refreshed = caller.post_as("app", "app-secret", "/token", &body).await;
        let found = (active, refreshed.status, refreshed.field("error"));
        let expected = match session.state {
            State::Live => (true, 200, String::new()),
            _ => (false, 400, "invalid_grant".to_owned()),
        };
        if found != expected {
            return Err(format!("session {name}: access token active, refresh {found:?} instead of {expected:?}"));
        }
    }
    Ok(())
}
