//! Workers on a store in memory, with sinks that do as they are told and a clock that stands still.

use super::worker::Next;
use super::*;
use crate::audit::AuditKind;
use crate::clock::{ManualClock, SystemClock, UnixTime};
use crate::config::EVENT_KINDS;
use crate::config::model::SinkEntry;
use crate::entropy::SystemEntropy;
use crate::plugin::{CallError, EventSink, Fault};
use crate::store::Batch;
use crate::store::record::Record;
use crate::test_store::TestStore;
use async_trait::async_trait;
use pintle_plugin_api::{CallContext, PluginError};
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::mpsc;

type Answer = Box<dyn FnOnce(&[String]) -> Result<Vec<String>, CallError> + Send>;

/// Takes everything, once it has given the answers that it was told to give.
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<Vec<Event>>>,
    told: mpsc::UnboundedSender<String>,
}

#[async_trait]
impl EventSink for Script {
    async fn deliver(&self, _call: &CallContext, batch: Vec<Event>) -> Result<Vec<String>, CallError> {
        let ids: Vec<String> = batch.iter().map(|event| event.id.clone()).collect();
        batch.iter().for_each(|event| drop(self.told.send(event.kind.clone())));
        self.seen.lock().unwrap().push(batch);
        let answer = self.answers.lock().unwrap().pop_front();
        answer.map_or_else(|| Ok(ids.clone()), |answer| answer(&ids))
    }
}

/// No jitter, so that pauses are exact.
struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

struct Fixture {
    events: Events,
    worker: Worker,
    clock: Arc<ManualClock>,
    store: Arc<TestStore>,
    metrics: Metrics,
    script: Arc<Script>,
}

const LIMITS: Limits = Limits {
    max_age: Duration::from_secs(7 * 24 * 3600),
    max_entries: 1000,
    keep_dead: Duration::from_secs(30 * 24 * 3600),
};

fn script() -> (Arc<Script>, mpsc::UnboundedReceiver<String>) {
    let (told, heard) = mpsc::unbounded_channel();
    (Arc::new(Script { answers: Mutex::default(), seen: Mutex::default(), told }), heard)
}

fn sink(kinds: &[&str], strict: bool, plugin: Arc<Script>) -> NamedSink {
    let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    NamedSink { entry: SinkEntry { plugin: "hook".to_owned(), kinds, strict }, plugin }
}

impl Fixture {
    async fn new() -> Self {
        Self::with(LIMITS, false).await
    }

    async fn with(limits: Limits, strict: bool) -> Self {
        let clock = Arc::new(ManualClock::at(UnixTime(1_700_000_000)));
        Self::on(TestStore::new(clock.clone()), clock, limits, strict).await
    }

    async fn on(store: Arc<TestStore>, clock: Arc<ManualClock>, limits: Limits, strict: bool) -> Self {
        let metrics = Metrics::new();
        let ground = Ground {
            store: store.clone(),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            metrics: metrics.clone(),
        };
        let script = script().0;
        let events = Events::open(ground, limits, vec![sink(&["login.*"], strict, script.clone())]).await.unwrap();
        let worker = Worker::new(events.outbox.clone(), Arc::new(Zeros), events.sinks.load()[0].clone());
        Self { events, worker, clock, store, metrics, script }
    }

    /// The process ends, and another one starts.
    async fn restarted(self) -> Self {
        Self::on(self.store, self.clock, LIMITS, false).await
    }

    /// As many logins, of users named by their number.
    async fn logins(&self, count: usize) {
        for number in 0..count {
            self.events.emit(&login(&number.to_string())).await.unwrap();
        }
        self.events.flush().await.unwrap();
    }

    fn answers(&self, answer: impl FnOnce(&[String]) -> Result<Vec<String>, CallError> + Send + 'static) {
        self.script.answers.lock().unwrap().push_back(Box::new(answer));
    }

    fn fails(&self, error: PluginError) {
        self.answers(|_| Err(error.into()));
    }

    /// The users of each delivery since the last look.
    fn seen(&self) -> Vec<String> {
        let user = |event: &Event| {
            let json: serde_json::Value = serde_json::from_str(&event.json).unwrap();
            json["username"].as_str().unwrap().to_owned()
        };
        let seen = std::mem::take(&mut *self.script.seen.lock().unwrap());
        seen.iter().map(|batch| batch.iter().map(user).collect::<Vec<_>>().join(" ")).collect()
    }

    /// Turns until nothing is due.
    async fn work(&mut self) -> Next {
        loop {
            match self.worker.turn().await.unwrap() {
                Next::Again => {}
                next => return next,
            }
        }
    }

    async fn letters(&self, dead: bool) -> Vec<Letter> {
        self.events.list(dead, None, None, 1000).await.unwrap()
    }

    fn assert_metric(&self, line: &str) {
        let text = self.metrics.encode();
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}

fn login(user: &str) -> AuditEvent {
    AuditEvent::new(AuditKind::LoginRejected).request("r1", None).username(user).error("invalid_grant")
}

fn down() -> PluginError {
    PluginError::Unavailable("down".to_owned())
}

fn refused() -> PluginError {
    PluginError::Invalid("no".to_owned())
}

fn after(seconds: u64) -> Next {
    Next::After(Duration::from_secs(seconds))
}

const ALL: Which<'static> = Which { id: None, sink: None };

#[tokio::test]
async fn events_arrive_in_order_a_hundred_at_a_time_and_leave_nothing_behind() {
    let mut fixture = Fixture::new().await;
    fixture.logins(250).await;
    fixture.assert_metric(r#"pintle_events_waiting{sink="hook"} 250"#);
    assert_eq!(fixture.work().await, Next::Idle);
    let expected: Vec<String> = (0..250).map(|number: usize| number.to_string()).collect();
    assert_eq!(fixture.script.seen.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    assert_eq!(fixture.seen().join(" "), expected.join(" "));
    assert_eq!(fixture.store.len(), 0);
    fixture.assert_metric(r#"pintle_events_total{sink="hook",outcome="delivered"} 250"#);
    fixture.assert_metric(r#"pintle_events_waiting{sink="hook"} 0"#);
}

#[tokio::test]
async fn an_event_is_the_audit_logs_object_with_an_id_kind_and_time() {
    let mut fixture = Fixture::new().await;
    fixture.logins(1).await;
    fixture.work().await;
    let seen = fixture.script.seen.lock().unwrap().concat();
    let expected = r#"{"event":"login.rejected","request":"r1","username":"0","error":"invalid_grant"}"#;
    assert_eq!((seen[0].kind.as_str(), seen[0].at_ms), ("login.rejected", 1_700_000_000_000));
    assert_eq!((seen[0].json.as_str(), seen[0].id.len()), (expected, 32));
}

#[tokio::test]
async fn nothing_is_stored_that_no_sink_wants() {
    let fixture = Fixture::new().await;
    fixture.events.emit(&AuditEvent::new(AuditKind::TokenIssued)).await.unwrap();
    fixture.events.emit_durably(&AuditEvent::new(AuditKind::Admin).action("user.add")).await.unwrap();
    fixture.events.flush().await.unwrap();
    assert_eq!((fixture.store.len(), fixture.store.commits()), (0, 0));
}

#[tokio::test]
async fn many_events_share_a_commit() {
    let fixture = Fixture::new().await;
    fixture.logins(200).await;
    assert_eq!((fixture.store.len(), fixture.store.commits()), (200, 1));
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_at_once() {
    let mut fixture = Fixture::new().await;
    fixture.logins(3).await;
    fixture.answers(|ids| Ok(vec![ids[1].clone(), "of nobody".to_owned()]));
    assert_eq!(fixture.work().await, Next::Idle);
    assert_eq!(fixture.seen(), ["0 1 2", "0 2"]);
}

#[tokio::test]
async fn a_sink_that_takes_nothing_is_left_alone_ever_longer() {
    let mut fixture = Fixture::new().await;
    fixture.logins(2).await;
    for seconds in [1, 2, 4] {
        fixture.fails(down());
        assert_eq!(fixture.work().await, after(seconds));
        fixture.clock.advance(Duration::from_secs(seconds - 1));
        assert_eq!(fixture.work().await, after(1));
        assert_eq!(fixture.seen(), ["0 1"]);
        fixture.clock.advance(Duration::from_secs(1));
    }
    fixture.answers(|_| Ok(Vec::new()));
    assert_eq!(fixture.work().await, after(8));
    let letters = fixture.letters(false).await;
    assert_eq!((letters[0].tries, letters[1].tries), (4, 0));
    assert_eq!(letters[0].error.as_deref(), Some("it acknowledged nothing"));
    fixture.clock.advance(Duration::from_secs(8));
    assert_eq!(fixture.work().await, Next::Idle);
    // Counted anew after a success.
    fixture.logins(1).await;
    fixture.fails(down());
    assert_eq!(fixture.work().await, after(1));
    fixture.assert_metric(r#"pintle_event_delivery_failures_total{sink="hook"} 5"#);
}

#[tokio::test]
async fn a_refused_event_is_found_among_others_and_given_up_alone() {
    let mut fixture = Fixture::new().await;
    fixture.logins(3).await;
    let bad = fixture.letters(false).await[1].id.clone();
    for _ in 0..5 {
        let bad = bad.clone();
        let answer = move |ids: &[String]| if ids.contains(&bad) { Err(refused().into()) } else { Ok(ids.to_vec()) };
        fixture.answers(answer);
    }
    assert_eq!(fixture.work().await, Next::Idle);
    assert_eq!(fixture.seen(), ["0 1 2", "0", "1 2", "1", "2"]);
    let dead = fixture.letters(true).await;
    assert_eq!((dead.len(), &dead[0].id, dead[0].died_at), (1, &bad, Some(1_700_000_000)));
    assert!(dead[0].error.as_deref().unwrap().contains("no"), "{dead:?}");
    assert_eq!(fixture.letters(false).await, []);
    fixture.assert_metric(r#"pintle_event_dead_letters{sink="hook"} 1"#);
}

#[tokio::test]
async fn a_sink_that_runs_out_of_time_over_many_gets_one() {
    let mut fixture = Fixture::new().await;
    fixture.logins(4).await;
    fixture.answers(|_| Err(CallError { error: down(), fault: Fault::TimedOut }));
    assert_eq!(fixture.work().await, after(1));
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.work().await, Next::Idle);
    assert_eq!(fixture.seen(), ["0 1 2 3", "0", "1 2", "3"]);
}

#[tokio::test]
async fn what_is_too_old_is_given_up_after_another_try_and_the_pause_goes_on() {
    let mut fixture = Fixture::new().await;
    fixture.logins(2).await;
    fixture.fails(down());
    assert_eq!(fixture.work().await, after(1));
    fixture.clock.advance(LIMITS.max_age);
    fixture.logins(1).await;
    fixture.fails(down());
    assert_eq!(fixture.work().await, after(2));
    assert_eq!(fixture.work().await, after(2));
    assert_eq!((fixture.letters(true).await.len(), fixture.letters(false).await.len()), (2, 1));
    assert!(fixture.letters(true).await[1].error.as_deref().unwrap().starts_with("too old; "));
    assert_eq!(fixture.seen(), ["0 1", "0 1 0"]);
}

#[tokio::test]
async fn a_restart_forgets_neither_events_nor_pauses() {
    let mut fixture = Fixture::new().await;
    fixture.logins(2).await;
    fixture.fails(down());
    fixture.work().await;
    let before = fixture.letters(false).await;
    let mut fixture = fixture.restarted().await;
    assert_eq!(fixture.letters(false).await, before);
    fixture.assert_metric(r#"pintle_events_waiting{sink="hook"} 2"#);
    assert_eq!(fixture.work().await, after(1));
    fixture.clock.advance(Duration::from_secs(1));
    fixture.fails(down());
    assert_eq!(fixture.work().await, after(2), "the second failure");
}

#[tokio::test]
async fn what_was_delivered_and_not_removed_comes_again_with_its_id() {
    let mut fixture = Fixture::new().await;
    fixture.logins(1).await;
    let store = fixture.store.clone();
    fixture.answers(move |ids| {
        store.set_broken(true);
        Ok(ids.to_vec())
    });
    assert!(fixture.worker.turn().await.is_err());
    fixture.store.set_broken(false);
    let first = fixture.script.seen.lock().unwrap().concat();
    let mut fixture = fixture.restarted().await;
    assert_eq!(fixture.work().await, Next::Idle);
    assert_eq!(fixture.script.seen.lock().unwrap().concat(), first);
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_stop_deliveries() {
    let mut fixture = Fixture::new().await;
    fixture.clock.advance(Duration::from_secs(3600));
    fixture.logins(1).await;
    fixture.fails(down());
    fixture.work().await;
    let clock = Arc::new(ManualClock::at(UnixTime(1_700_000_000)));
    let mut fixture = Fixture::on(fixture.store, clock, LIMITS, false).await;
    assert_eq!(fixture.work().await, Next::Idle);
    assert_eq!(fixture.seen(), ["0"]);
}

#[tokio::test]
async fn a_full_outbox_loses_the_newest_and_says_so() {
    let mut fixture = Fixture::with(Limits { max_entries: 3, ..LIMITS }, false).await;
    fixture.logins(5).await;
    fixture.logins(1).await;
    fixture.assert_metric(r#"pintle_events_total{sink="hook",outcome="lost"} 3"#);
    fixture.work().await;
    assert_eq!(fixture.seen(), ["0 1 2"]);
    fixture.logins(1).await;
    assert_eq!(fixture.letters(false).await.len(), 1);
}

#[tokio::test]
async fn a_full_queue_loses_rather_than_waits() {
    let fixture = Fixture::new().await;
    let queue = Queue::with_room(2);
    let event = fixture.events.event("login.rejected", &login("0"));
    for _ in 0..5 {
        fixture.events.addressed(&event).1.into_iter().for_each(|new| queue.offer(new));
    }
    fixture.assert_metric(r#"pintle_events_total{sink="hook",outcome="lost"} 3"#);
    fixture.store.set_broken(true);
    assert!(queue.flush(&fixture.events.outbox).await.is_err());
    fixture.store.set_broken(false);
    queue.flush(&fixture.events.outbox).await.unwrap();
    assert_eq!(fixture.letters(false).await.len(), 1, "one id is one row");
}

#[tokio::test]
async fn a_strict_sinks_event_is_stored_before_the_decision_holds() {
    let fixture = Fixture::with(Limits { max_entries: 2, ..LIMITS }, true).await;
    fixture.events.emit(&login("0")).await.unwrap();
    assert_eq!(fixture.store.len(), 1);
    fixture.store.set_broken(true);
    assert!(matches!(fixture.events.emit(&login("1")).await, Err(NotStored::Store(_))));
    fixture.store.set_broken(false);
    fixture.events.emit(&login("1")).await.unwrap();
    assert!(matches!(fixture.events.emit(&login("2")).await, Err(NotStored::Full(name)) if name == "hook"));
    fixture.events.emit(&AuditEvent::new(AuditKind::TokenIssued)).await.unwrap();
}

#[tokio::test]
async fn a_broken_store_holds_up_nobody_for_an_ordinary_sink() {
    let fixture = Fixture::new().await;
    fixture.store.set_broken(true);
    fixture.events.emit(&login("0")).await.unwrap();
    fixture.events.emit_durably(&login("1")).await.unwrap();
    fixture.store.set_broken(false);
    fixture.events.flush().await.unwrap();
    assert_eq!(fixture.letters(false).await.len(), 1);
    fixture.assert_metric(r#"pintle_events_total{sink="hook",outcome="lost"} 1"#);
}

async fn with_dead(count: usize, limits: Limits) -> Fixture {
    let mut fixture = Fixture::with(limits, false).await;
    for number in 0..count {
        fixture.events.emit(&login(&number.to_string())).await.unwrap();
        fixture.events.flush().await.unwrap();
        fixture.fails(refused());
        fixture.work().await;
    }
    fixture.seen();
    fixture
}

#[tokio::test]
async fn dead_letters_are_replayed_with_their_ids_and_a_new_age() {
    let mut fixture = with_dead(3, LIMITS).await;
    let dead = fixture.letters(true).await;
    let one = Which { id: Some(&dead[1].id), sink: None };
    assert_eq!(fixture.events.replay(one).await.unwrap(), Done { events: 1, full: false });
    fixture.clock.advance(LIMITS.max_age);
    assert_eq!(fixture.events.replay(ALL).await.unwrap(), Done { events: 2, full: false });
    assert_eq!(fixture.events.replay(ALL).await.unwrap(), Done::default());
    fixture.fails(down());
    assert_eq!(fixture.work().await, after(1));
    let waiting: Vec<String> = fixture.letters(false).await.into_iter().map(|letter| letter.id).collect();
    assert_eq!(waiting, [dead[0].id.clone(), dead[2].id.clone()], "the first one's age has run out");
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.work().await, Next::Idle);
    assert_eq!(fixture.seen(), ["0 1 2", "0 2"]);
}

#[tokio::test]
async fn a_replay_finds_no_more_room_than_there_is() {
    let fixture = with_dead(3, Limits { max_entries: 3, ..LIMITS }).await;
    fixture.logins(1).await;
    assert_eq!(fixture.events.replay(ALL).await.unwrap(), Done { events: 0, full: true });
    assert_eq!(fixture.letters(true).await.len(), 3);
}

#[tokio::test]
async fn what_is_dropped_is_gone_and_the_rest_stays() {
    let fixture = with_dead(3, LIMITS).await;
    fixture.logins(2).await;
    let dead = fixture.letters(true).await;
    let one = Which { id: Some(&dead[1].id), sink: Some("hook") };
    assert_eq!(fixture.events.discard(true, one).await.unwrap().events, 0);
    assert_eq!(fixture.events.discard(false, one).await.unwrap().events, 1);
    assert_eq!(fixture.letters(true).await, [dead[0].clone(), dead[2].clone()]);
    assert_eq!(fixture.events.discard(false, Which { id: None, sink: Some("other") }).await.unwrap().events, 0);
    assert_eq!(fixture.events.discard(true, ALL).await.unwrap().events, 2);
    assert_eq!((fixture.store.len(), fixture.events.sinks.load()[0].dead()), (2, 2));
}

#[tokio::test]
async fn the_oldest_dead_letters_make_room_and_old_ones_expire() {
    let fixture = with_dead(5, Limits { max_entries: 3, ..LIMITS }).await;
    let users = |letters: &[Letter]| letters.iter().map(|letter| letter.event["username"].clone()).collect::<Vec<_>>();
    assert_eq!(users(&fixture.letters(true).await), ["2", "3", "4"]);
    fixture.clock.advance(LIMITS.keep_dead);
    assert_eq!(fixture.letters(true).await, []);
}

#[tokio::test]
async fn an_operators_change_amid_a_delivery_is_no_conflict() {
    let mut fixture = Fixture::new().await;
    fixture.logins(2).await;
    let first = fixture.letters(false).await[0].id.clone();
    let key = records::Waiting::key(&[b"hook", first.as_bytes()]);
    fixture.store.before_next_commit(Batch::new().delete(key));
    assert_eq!(fixture.work().await, Next::Idle);
    assert_eq!((fixture.store.len(), fixture.seen()), (0, vec!["0 1".to_owned()]));
}

#[tokio::test]
async fn a_running_worker_wakes_for_new_events_and_for_an_operator() {
    let clock = Arc::new(SystemClock::new());
    let store = TestStore::new(clock.clone());
    let ground = Ground { store: store.clone(), clock, entropy: Arc::new(SystemEntropy), metrics: Metrics::new() };
    let (script, mut heard) = script();
    script.answers.lock().unwrap().push_back(Box::new(|_| Err(refused().into())));
    let events = Arc::new(Events::open(ground, LIMITS, vec![sink(&["*"], false, script)]).await.unwrap());
    let running = tokio::spawn({
        let events = events.clone();
        async move { events.run().await }
    });
    for kind in [AuditKind::LoginRejected, AuditKind::Lockout] {
        events.emit(&AuditEvent::new(kind)).await.unwrap();
        assert_eq!(heard.recv().await.as_deref(), Some(kind.name()));
    }
    assert_eq!(events.replay(ALL).await.unwrap().events, 1);
    assert_eq!(heard.recv().await.as_deref(), Some("login.rejected"));
    running.abort();
}

/// Nobody's pause ends by itself.
struct StillClock;

#[async_trait]
impl Clock for StillClock {
    fn now_ms(&self) -> u64 {
        1_700_000_000_000
    }

    fn monotonic_ms(&self) -> u64 {
        self.now_ms()
    }

    async fn sleep_until(&self, _deadline_ms: u64) {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_reload_adds_changes_and_removes_sinks_while_others_go_on() {
    let (clock, entropy) = (Arc::new(StillClock), Arc::new(SystemEntropy));
    let ground = Ground { store: TestStore::new(clock.clone()), clock, entropy, metrics: Metrics::new() };
    let events = Arc::new(Events::open(ground, LIMITS, Vec::new()).await.unwrap());
    let running = tokio::spawn({
        let events = events.clone();
        async move { events.run().await }
    });
    let reload = async |sinks: Vec<NamedSink>| events.install(events.prepare(sinks).await.unwrap());
    let emit = async |kind: AuditKind| events.emit(&AuditEvent::new(kind)).await.unwrap();
    let named = |name: &str, sink: NamedSink| NamedSink {
        entry: SinkEntry { plugin: name.to_owned(), ..sink.entry },
        plugin: sink.plugin,
    };
    emit(AuditKind::Lockout).await;

    let (first, mut heard_first) = script();
    first.answers.lock().unwrap().push_back(Box::new(|_| Err(down().into())));
    reload(vec![sink(&["login.*"], true, first)]).await;
    emit(AuditKind::Lockout).await;
    emit(AuditKind::LoginRejected).await;
    assert_eq!(heard_first.recv().await.as_deref(), Some("login.rejected"), "added, and takes nothing");

    // Another plugin under the same name gets what waits, at once, and then what it wants.
    let ((second, mut heard_second), (other, mut heard_other)) = (script(), script());
    let beside = || named("other", sink(&["*"], false, other.clone()));
    reload(vec![sink(&["lockout"], true, second), beside()]).await;
    assert_eq!(heard_second.recv().await.as_deref(), Some("login.rejected"));
    emit(AuditKind::LoginRejected).await;
    emit(AuditKind::Lockout).await;
    assert_eq!(heard_second.recv().await.as_deref(), Some("lockout"));

    // Without it the other one goes on; nothing is kept for who is not there.
    reload(vec![beside()]).await;
    assert!(!events.knows("hook") && events.knows("other"));
    emit(AuditKind::Lockout).await;
    for expected in ["login.rejected", "lockout", "lockout"] {
        assert_eq!(heard_other.recv().await.as_deref(), Some(expected));
    }
    assert_eq!(heard_first.try_recv().ok(), None);
    assert_eq!(heard_second.try_recv().ok(), None);
    running.abort();
}

#[tokio::test]
async fn what_waits_for_a_sink_is_there_when_the_sink_is_back() {
    let fixture = Fixture::with(LIMITS, true).await;
    fixture.logins(2).await;
    fixture.events.install(fixture.events.prepare(Vec::new()).await.unwrap());
    fixture.logins(1).await;
    let back = sink(&["login.*"], true, fixture.script.clone());
    fixture.events.install(fixture.events.prepare(vec![back]).await.unwrap());
    assert_eq!(fixture.events.sinks.load()[0].waiting(), 2, "counted when it came");
    let sink = fixture.events.sinks.load()[0].clone();
    let mut worker = Worker::new(fixture.events.outbox.clone(), Arc::new(Zeros), sink);
    assert_eq!((worker.turn().await.unwrap(), fixture.seen()), (Next::Again, vec!["0 1".to_owned()]));
}

#[test]
fn the_configuration_knows_every_kind() {
    let commands = include_str!("../admin/mod.rs").lines().filter_map(|line| {
        let (_, name) = line.trim().strip_suffix("\",")?.split_once("=> \"")?;
        Some(name)
            .filter(|name| !["list", "show", "inspect", "explain.login", "diff"].iter().any(|end| name.ends_with(end)))
    });
    let commands: Vec<&str> = commands.collect();
    assert!(commands.contains(&"user.add"), "{commands:?}");
    let log = AuditKind::ALL.iter().map(|kind| kind.name()).filter(|name| *name != AuditKind::Admin.name());
    let missing: Vec<&str> = log.chain(commands).filter(|kind| !EVENT_KINDS.contains(kind)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
