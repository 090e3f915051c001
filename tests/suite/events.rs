//! Events of a running server, through the outbox and the component webhook, at a receiver.

use crate::plugins::component;
use crate::webhook::{KEY, signature};
use async_trait::async_trait;
use pintle::admin::{self, Command, EventChoice};
use pintle::app::Builder;
use pintle::audit::{AuditEvent, AuditKind};
use pintle::clock::SystemClock;
use pintle::keys::{MasterKey, MasterKeyOrigin};
use pintle::store::memory::MemoryStore;
use pintle::store::{Batch, CommitError, Key, Store, StoreError, StoreStats, Version, Versioned};
use pintle_tests::{Answer, Options, TestServer};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use warp::Filter;
use warp::http::{HeaderMap, StatusCode};

const PASSWORD: &str = "correct horse";

/// A request that the receiver got.
struct Received {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Received {
    fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A server that answers the n-th request with the n-th status, and with 204 when there is none left.
async fn receiver(statuses: &'static [u16]) -> (String, mpsc::UnboundedReceiver<Received>) {
    receiver_after(Duration::ZERO, statuses).await
}

/// One that takes everything, and its time.
async fn slow_receiver(time: Duration) -> (String, mpsc::UnboundedReceiver<Received>) {
    receiver_after(time, &[]).await
}

async fn receiver_after(time: Duration, statuses: &'static [u16]) -> (String, mpsc::UnboundedReceiver<Received>) {
    let (told, heard) = mpsc::unbounded_channel();
    let count = Arc::new(AtomicUsize::new(0));
    let route = warp::post().and(warp::header::headers_cloned()).and(warp::body::bytes()).then(
        move |headers: HeaderMap, body: bytes::Bytes| {
            let status = statuses.get(count.fetch_add(1, Ordering::SeqCst)).copied().unwrap_or(204);
            let told = told.clone();
            async move {
                tokio::time::sleep(time).await;
                drop(told.send(Received { headers, body: body.to_vec() }));
                warp::reply::with_status("", StatusCode::from_u16(status).unwrap())
            }
        },
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(warp::serve(route).incoming(listener).run());
    (origin, heard)
}

/// Dory's server, whose webhook `hook` is a sink as `entry` says beside its name.
async fn options(origin: &str, entry: &str) -> Options {
    Options::reference("clarico").overlay(&overlay(origin, entry).await)
}

async fn overlay(origin: &str, entry: &str) -> String {
    let built = tokio::task::spawn_blocking(|| component("plugins/webhook")).await.unwrap();
    format!(
        "[plugins.hook]\nsource = \"{}\"\nrequired = true\nnetwork = [\"{origin}\"]\n\
         secrets = {{ signing_key = {{ value = \"whsec_{KEY}\" }} }}\nconfig = {{ url = \"/hook\" }}\n\
         [events]\nsinks = [{{ plugin = \"hook\", {entry} }}]\n",
        built.path.display()
    )
}

/// A server with dory, and its upkeep.
struct Running {
    server: TestServer,
    upkeep: JoinHandle<()>,
}

impl Running {
    async fn start(options: Options) -> Self {
        let server = Options { real_clock: true, ..options }.start().await;
        server.user("dory", PASSWORD).await;
        let upkeep = tokio::spawn(server.app.clone().upkeep());
        Self { server, upkeep }
    }

    async fn end_upkeep(&mut self) {
        self.upkeep.abort();
        assert!((&mut self.upkeep).await.is_err_and(|ended| ended.is_cancelled()));
    }

    async fn login(&self, password: &str) -> Answer {
        let form = format!("grant_type=password&username=dory&password={password}");
        self.server.caller().post("/token", &form).await
    }

    async fn command(&self, command: Command) -> Value {
        admin::execute_all(&self.server.app.core(), command).await.unwrap()
    }

    async fn list(&self, dead: bool) -> Vec<Value> {
        let list = self.command(Command::EventList { sink: Some("hook".to_owned()), dead, after: None }).await;
        list.as_array().unwrap().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.upkeep.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_reaches_the_receiver_signed_and_without_a_secret() {
    let (origin, mut heard) = receiver(&[]).await;
    let running = Running::start(options(&origin, "kinds = [\"login.*\", \"user.*\"]").await).await;
    let answer = running.login(PASSWORD).await;
    assert_eq!(answer.status, 200);
    let received = heard.recv().await.unwrap();
    assert_eq!(received.headers["webhook-signature"], signature(&received.headers, &received.body));
    let event = received.json();
    assert_eq!((&event["id"], &event["type"]), (&json!(received.id()), &json!("login.accepted")));
    assert_eq!((&event["data"]["username"], &event["data"]["client"]), (&json!("dory"), &json!("quote-web")));
    let text = event.to_string();
    assert!(!text.contains(PASSWORD) && !text.contains(&answer.field("refresh_token")), "{text}");

    assert_eq!(running.login("wrong").await.status, 400);
    let event = heard.recv().await.unwrap().json();
    assert_eq!((&event["type"], &event["data"]["error"]), (&json!("login.rejected"), &json!("invalid_grant")));

    // A command that only looks is no event.
    running.command(Command::UserShow { user: "dory".to_owned() }).await;
    running.command(Command::UserDisable { user: "dory".to_owned() }).await;
    let event = heard.recv().await.unwrap().json();
    assert_eq!((&event["type"], &event["data"]["username"]), (&json!("user.disable"), &json!("dory")));
}

/// Waiting for the receiver is no computing: a backlog is posted once, however slow it takes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_goes_to_a_slow_receiver_event_by_event() {
    let (origin, mut heard) = slow_receiver(Duration::from_millis(20)).await;
    let options = options(&origin, "kinds = [\"login.rejected\"], strict = true").await;
    let server = Options { real_clock: true, ..options }.start().await;
    for _ in 0..60 {
        server.app.core().events.emit(&AuditEvent::new(AuditKind::LoginRejected)).await.unwrap();
    }
    let upkeep = tokio::spawn(server.app.clone().upkeep());
    let mut ids = BTreeSet::new();
    for _ in 0..60 {
        assert!(ids.insert(heard.recv().await.unwrap().id().to_owned()), "posted twice");
    }
    let failed = "pintle_event_delivery_failures_total{sink=\"hook\"}";
    let metrics = server.caller().get("/metrics").await.text;
    assert!(!metrics.contains(failed), "{metrics}");
    upkeep.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_adds_a_sink_and_takes_it_away() {
    let (origin, mut heard) = receiver(&[]).await;
    let running = Running::start(Options::reference("clarico").overlay("")).await;
    let write = |text: &str| std::fs::write(running.server.folder.path().join("overlay.toml"), text).unwrap();
    let reload = async || {
        let done = admin::execute_live(&*running.server.app, Command::Reload { plugin: None }).await.unwrap();
        assert_eq!(done["needs_restart"], json!([]), "{done}");
    };
    assert_eq!(running.login("wrong").await.status, 400);
    write(&overlay(&origin, "kinds = [\"login.rejected\"]").await);
    reload().await;
    assert_eq!(running.login("wrong").await.status, 400);
    assert_eq!(heard.recv().await.unwrap().json()["type"], "login.rejected");
    write("");
    reload().await;
    assert_eq!(running.login("wrong").await.status, 400);
    assert!(running.list(false).await.is_empty(), "nobody wants it");
    let metrics = running.server.caller().get("/metrics").await.text;
    assert!(!metrics.contains("pintle_events_waiting{"), "{metrics}");
    assert!(heard.try_recv().is_err(), "the first login and the last were nobody's to hear");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_reload_events_go_where_the_plugins_new_entry_says() {
    let ((former, mut heard), (new, mut moved)) = (receiver(&[]).await, receiver(&[]).await);
    let kinds = "kinds = [\"login.accepted\", \"reload\"]";
    let running = Running::start(options(&former, kinds).await).await;
    assert_eq!(running.login(PASSWORD).await.status, 200);
    assert_eq!(heard.recv().await.unwrap().json()["type"], "login.accepted");
    let file = running.server.folder.path().join("overlay.toml");
    std::fs::write(file, overlay(&new, kinds).await).unwrap();
    let answer = admin::execute_live(&*running.server.app, Command::Reload { plugin: None }).await.unwrap();
    assert_eq!((&answer["plugins"][0]["name"], &answer["needs_restart"]), (&json!("hook"), &json!([])), "{answer}");
    assert_eq!(moved.recv().await.unwrap().json()["type"], "reload");
    assert_eq!(running.login(PASSWORD).await.status, 200);
    assert_eq!(moved.recv().await.unwrap().json()["type"], "login.accepted");
    assert!(heard.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_was_down_gets_each_event_once_and_nobody_waits_for_it() {
    // The second is what a proxy says for a receiver that is not deployed yet.
    for status in [503, 404] {
        is_down_with(status).await;
    }
}

async fn is_down_with(status: u16) {
    let (origin, mut heard) = receiver(Box::leak(Box::new([status]))).await;
    let running = Running::start(options(&origin, "kinds = [\"login.accepted\"]").await).await;
    assert_eq!(running.login(PASSWORD).await.status, 200);
    let refused = heard.recv().await.unwrap();
    assert_eq!(running.login(PASSWORD).await.status, 200);
    assert_eq!(running.server.caller().get("/health/ready").await.status, 200);
    let first = heard.recv().await.unwrap();
    let second = heard.recv().await.unwrap();
    assert_eq!((first.id(), &first.body), (refused.id(), &refused.body));
    assert!(first.id() < second.id());
    assert_eq!(running.login(PASSWORD).await.status, 200);
    let third = heard.recv().await.unwrap();
    assert!(second.id() < third.id(), "nothing came twice");
    assert_eq!(running.list(true).await, Vec::<Value>::new(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_refused_is_a_dead_letter_until_it_is_replayed() {
    let (origin, mut heard) = receiver(&[400]).await;
    let running = Running::start(options(&origin, "kinds = [\"login.*\"]").await).await;
    assert_eq!(running.login(PASSWORD).await.status, 200);
    let refused = heard.recv().await.unwrap();
    // In order: the next one comes when the first is done with.
    assert_eq!(running.login("wrong").await.status, 400);
    assert_eq!(heard.recv().await.unwrap().json()["type"], "login.rejected");
    let dead = running.list(true).await;
    assert_eq!((dead.len(), dead[0]["id"].as_str()), (1, Some(refused.id())), "{dead:?}");
    assert!(dead[0]["error"].as_str().unwrap().contains("400"), "{dead:?}");
    assert_eq!(dead[0]["event"]["username"], "dory");
    let text = running.server.caller().get("/metrics").await.text;
    assert!(text.contains(r#"pintle_event_dead_letters{sink="hook"} 1"#), "{text}");

    let choice = EventChoice { id: Some(refused.id().to_owned()), sink: None };
    assert_eq!(running.command(Command::EventReplay(choice)).await, json!({ "replayed": 1 }));
    let again = heard.recv().await.unwrap();
    assert_eq!((again.id(), &again.body), (refused.id(), &refused.body));
    assert_eq!(running.list(true).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_memory_at_the_end_is_delivered_by_the_next_server() {
    let (origin, mut heard) = receiver(&[]).await;
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
    let options = async || {
        let key =
            |builder: Builder| builder.master_key(MasterKey::new([7; 32]), MasterKeyOrigin::Env("TEST".to_owned()));
        let options = options(&origin, "kinds = [\"login.*\"]").await;
        Options { store: Some(store.clone()), customize: Some(Box::new(key)), ..options }
    };
    let mut running = Running::start(options().await).await;
    running.end_upkeep().await;
    assert_eq!(running.login(PASSWORD).await.status, 200);
    running.server.app.conclude().await;
    assert_eq!(running.list(false).await.len(), 1);
    drop(running);
    let server = Options { real_clock: true, ..options().await }.start().await;
    let upkeep = tokio::spawn(server.app.clone().upkeep());
    assert_eq!(heard.recv().await.unwrap().json()["type"], "login.accepted");
    upkeep.abort();
}

/// A store that takes no events while it is told so.
struct Picky {
    inner: MemoryStore,
    refuses: AtomicBool,
}

#[async_trait]
impl Store for Picky {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.inner.get(key).await
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        self.inner.scan(prefix, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version, CommitError> {
        let has_event = batch.changes.iter().any(|(key, _)| key.as_bytes().starts_with(b"event\0"));
        if has_event && self.refuses.load(Ordering::SeqCst) {
            return Err(StoreError::new("no events today").into());
        }
        self.inner.commit(batch).await
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        self.inner.sweep().await
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }
}

/// What a login is answered while the store takes no events, and its lines in the audit log.
async fn login_without_events(entry: &str) -> (Answer, Vec<Value>) {
    let (origin, _heard) = receiver(&[]).await;
    let inner = MemoryStore::new(Arc::new(SystemClock::new()));
    let store = Arc::new(Picky { inner, refuses: AtomicBool::new(false) });
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let overlay = format!("[log]\naudit = \"{}\"\n", log.display());
    let options = Options { store: Some(store.clone()), ..options(&origin, entry).await }.overlay(&overlay);
    let mut running = Running::start(options).await;
    running.end_upkeep().await;
    assert_eq!(running.login(PASSWORD).await.status, 200);
    store.refuses.store(true, Ordering::SeqCst);
    let answer = running.login(PASSWORD).await;
    let lines = async || {
        loop {
            let text = tokio::fs::read_to_string(&log).await.unwrap();
            let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            if lines.len() >= 4 {
                return lines[2..].to_vec();
            }
            tokio::task::yield_now().await;
        }
    };
    (answer, lines().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_whose_event_a_strict_sink_cannot_get_is_503() {
    let (answer, lines) = login_without_events("kinds = [\"token.issued\"], strict = true").await;
    assert_eq!(answer.error(), "503 temporarily_unavailable");
    assert_eq!((&lines[0]["event"], &lines[1]["event"]), (&json!("login.accepted"), &json!("token.refused")));
    assert_eq!(lines[1]["error"], "temporarily_unavailable", "the log has what was answered");

    let (answer, lines) = login_without_events("kinds = [\"login.accepted\"], strict = true").await;
    assert_eq!(answer.status, 503);
    assert_eq!((&lines[0]["event"], &lines[1]["event"]), (&json!("login.failed"), &json!("token.refused")));

    let (answer, lines) = login_without_events("kinds = [\"*\"]").await;
    assert_eq!((answer.status, &lines[1]["event"]), (200, &json!("token.issued")), "one that is not strict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_client_costs_no_write_unless_a_sink_wants_its_event() {
    const MACHINE: &str = "[[clients]]\nid = \"machine\"\ntype = \"confidential\"\nsecret = { value = \"s3cret-s3cret-s3cret\" }\n\
                           grants = [\"client_credentials\"]\nscopes = [\"read\"]\n";
    let (origin, _heard) = receiver(&[]).await;
    for (kind, writes) in [("login.*", 0), ("token.issued", 1)] {
        let overlay = options(&origin, &format!("kinds = [\"{kind}\"], strict = true")).await.overlay;
        let base = Options::reference("clarico");
        let config = base.config.split("[grants]").next().unwrap().to_owned()
            + "[plugins.local]\nsource = \"builtin:accounts\"\n";
        let options = Options { config, ..base }.overlay(&overlay).overlay(MACHINE);
        let server = options.start().await;
        let caller = server.caller();
        let token = async || {
            caller.post_as("machine", "s3cret-s3cret-s3cret", "/token", "grant_type=client_credentials").await.status
        };
        assert_eq!(token().await, 200);
        let before = server.app.core().store.stats().commits;
        assert_eq!(token().await, 200);
        assert_eq!(server.app.core().store.stats().commits - before, writes, "{kind}");
    }
}
