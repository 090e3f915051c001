mod clients;

use super::policy::tests::options;
use super::*;
use crate::clock::{UnixTime, millis};
use crate::test_store::TestStore;
use sha2::{Digest, Sha256};
use std::sync::atomic::AtomicUsize;
use tokio::sync::watch;
use tokio::task::JoinSet;

const START: UnixTime = UnixTime(1_700_000_000);

/// A clock whose sleepers wait until a test moves it on.
struct PatientClock(watch::Sender<u64>);

impl PatientClock {
    fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now += millis(by));
    }
}

#[async_trait::async_trait]
impl Clock for PatientClock {
    fn now_ms(&self) -> u64 {
        *self.0.borrow()
    }

    fn monotonic_ms(&self) -> u64 {
        self.now_ms()
    }

    async fn sleep_until(&self, deadline_ms: u64) {
        self.0.subscribe().wait_for(|now| *now >= deadline_ms).await.unwrap();
    }
}

struct World {
    clock: Arc<PatientClock>,
    store: Arc<TestStore>,
    lockout: Arc<Lockout>,
}

fn keyed_hash() -> KeyedHash {
    Arc::new(|domain, parts| Sha256::digest([b"key", domain.as_bytes(), &parts.concat()].concat()).into())
}

fn world_with(options: Options) -> World {
    let clock = Arc::new(PatientClock(watch::channel(START.0 * 1000).0));
    let store = TestStore::new(clock.clone());
    let lockout = Lockout::new(store.clone(), clock.clone(), keyed_hash(), options);
    World { clock, store, lockout }
}

fn world() -> World {
    world_with(options())
}

impl World {
    /// The same store after a restart.
    fn restarted(&self) -> Arc<Lockout> {
        Lockout::new(self.store.clone(), self.clock.clone(), keyed_hash(), options())
    }

    async fn fail(&self, account: &str, ip: Option<IpAddr>, name: TypedName) -> Result<(), Duration> {
        match self.lockout.admit(account, ip).await {
            Ok(admission) => admission.failed(name).await.map_err(|error| panic!("{error}")),
            Err(AdmitError::Refused(refusal)) => Err(refusal.retry_after),
            Err(error) => panic!("{error}"),
        }
    }

    async fn lock(&self, account: &str) {
        for _ in 0..5 {
            self.fail(account, None, TypedName::Known).await.unwrap();
        }
    }
}

fn refused(result: Result<Admission, AdmitError>) -> Duration {
    match result {
        Err(AdmitError::Refused(refusal)) => refusal.retry_after,
        other => panic!("{other:?}"),
    }
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn after_five_free_tries_each_failure_doubles_the_delay() {
    let world = world();
    world.lock("alice").await;
    for delay in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        assert_eq!(refused(world.lockout.admit("alice", None).await), secs(delay));
        world.clock.advance(secs(delay) - Duration::from_millis(1));
        assert_eq!(refused(world.lockout.admit("alice", None).await), Duration::from_millis(1));
        world.clock.advance(Duration::from_millis(1));
        world.fail("alice", None, TypedName::Known).await.unwrap();
    }
    world.lockout.admit("bob", None).await.unwrap().abandoned();
    world.clock.advance(secs(3600));
    world.lock("alice").await;
}

#[tokio::test]
async fn a_name_that_nobody_has_and_other_spellings_are_counted_alike() {
    let world = world();
    for spelling in ["nobody", "NOBODY", " nobody", "ｎobody", "nob\u{200b}ody"] {
        world.fail(spelling, None, TypedName::Unknown).await.unwrap();
    }
    assert_eq!(refused(world.lockout.admit("nobody", None).await), secs(1));
}

#[tokio::test]
async fn a_success_clears_the_account_and_leaves_the_address() {
    let world = world();
    let home = ip("192.0.2.1");
    for _ in 0..4 {
        world.fail("alice", home, TypedName::Known).await.unwrap();
    }
    world.lockout.admit("alice", home).await.unwrap().succeeded().await.unwrap();
    let listed = world.lockout.list(None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|entry| (entry.kind, entry.failures)).collect::<Vec<_>>(), [(Kind::Address, 4)]);
    world.fail("bob", home, TypedName::Known).await.unwrap();
    assert_eq!(refused(world.lockout.admit("carol", home).await), secs(1));
    world.lockout.admit("carol", ip("192.0.2.2")).await.unwrap().abandoned();
}

#[tokio::test]
async fn addresses_of_one_ipv6_network_share_their_tries() {
    let world = world();
    for host in 1..=5 {
        world.fail(&format!("user{host}"), ip(&format!("2001:db8::{host}")), TypedName::Unknown).await.unwrap();
    }
    assert_eq!(refused(world.lockout.admit("alice", ip("2001:db8::ffff")).await), secs(1));
    world.lockout.admit("alice", ip("2001:db8:0:1::1")).await.unwrap().abandoned();
}

/// `count` tries at once; returns how many were admitted and the most that were in flight at a time.
async fn at_once(world: &World, count: usize, right: bool, name: impl Fn(usize) -> String) -> (usize, usize) {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tries = JoinSet::new();
    for i in 0..count {
        let (lockout, now, most, name) = (world.lockout.clone(), now.clone(), most.clone(), name(i));
        tries.spawn(async move {
            let Ok(admission) = lockout.admit(&name, ip("192.0.2.1")).await else { return false };
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            now.fetch_sub(1, Ordering::SeqCst);
            match right {
                true => admission.succeeded().await.unwrap(),
                false => admission.failed(TypedName::Known).await.unwrap(),
            }
            true
        });
    }
    let admitted = tries.join_all().await.into_iter().filter(|admitted| *admitted).count();
    (admitted, most.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_wrong_passwords_at_once_get_the_free_tries_and_then_one_at_a_time() {
    let world = world();
    assert_eq!(at_once(&world, 200, false, |_| "alice".into()).await.0, 5);
    for delay in [1, 2, 4] {
        assert_eq!(at_once(&world, 50, false, |_| "alice".into()).await.0, 0);
        world.clock.advance(secs(delay));
        assert_eq!(at_once(&world, 200, false, |_| "alice".into()).await, (1, 1));
    }
    assert_eq!(world.lockout.live.len(), 0, "nothing of it stays in memory");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_names_from_one_address_get_no_more_tries() {
    let world = world();
    assert_eq!(at_once(&world, 200, false, |i| format!("user{i}")).await.0, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_of_right_passwords_is_let_through_without_a_write() {
    let world = world();
    let (admitted, most) = at_once(&world, 64, true, |_| "alice".into()).await;
    assert_eq!((admitted, world.store.commits()), (64, 0));
    assert!(most <= 5, "{most} in flight");

    for _ in 0..3 {
        world.fail("alice", None, TypedName::Known).await.unwrap();
    }
    assert_eq!(at_once(&world, 64, true, |_| "alice".into()).await.0, 64);
    assert_eq!(world.store.commits(), 4, "only the first success has something to clear");
    assert!(world.lockout.stats().waits > 0);
}

#[tokio::test]
async fn a_failure_is_stored_before_its_answer_and_outlives_a_restart() {
    let world = world();
    world.lock("alice").await;
    let restarted = world.restarted();
    assert_eq!(refused(restarted.admit("alice", None).await), secs(1));
    world.clock.advance(secs(1));
    restarted.admit("alice", None).await.unwrap().failed(TypedName::Known).await.unwrap();
    assert_eq!(refused(world.restarted().admit("alice", None).await), secs(2));
}

#[tokio::test]
async fn a_try_whose_caller_left_counts_and_one_without_verdict_does_not() {
    let world = world();
    for _ in 0..20 {
        world.lockout.admit("alice", None).await.unwrap().abandoned();
    }
    for _ in 0..4 {
        drop(world.lockout.admit("alice", None).await.unwrap());
    }
    drop(world.lockout.admit("alice", None).await.unwrap().failed(TypedName::Known));
    // The sixth waits for the five to be stored.
    assert_eq!(refused(world.lockout.admit("alice", None).await), secs(1));
    assert_eq!(world.lockout.list(None, 10).await.unwrap()[0].failures, 5);
}

#[tokio::test]
async fn who_waits_is_admitted_when_another_try_ends() {
    let world = world();
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(world.lockout.admit("alice", None).await.unwrap());
    }
    let lockout = world.lockout.clone();
    let waiting = tokio::spawn(async move { lockout.admit("ALICE", None).await.unwrap().abandoned() });
    while world.lockout.stats().waits == 0 {
        tokio::task::yield_now().await;
    }
    held.pop().unwrap().abandoned();
    waiting.await.unwrap();
}

#[tokio::test]
async fn who_waits_too_long_or_in_too_long_a_line_is_refused() {
    let world = world();
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(world.lockout.admit("alice", None).await.unwrap());
    }
    let mut line = JoinSet::new();
    for _ in 0..MAX_WAITING {
        let lockout = world.lockout.clone();
        line.spawn(async move { refused(lockout.admit("alice", None).await) });
    }
    while world.lockout.stats().waits < u64::from(MAX_WAITING) {
        tokio::task::yield_now().await;
    }
    assert_eq!(refused(world.lockout.admit("alice", None).await), secs(1), "the line is full");
    world.clock.advance(MAX_WAIT);
    assert!(line.join_all().await.into_iter().all(|retry_after| retry_after == secs(1)));
    held.into_iter().for_each(Admission::abandoned);
    world.lockout.admit("alice", None).await.unwrap().abandoned();
    assert_eq!(world.lockout.live.len(), 0);
}

#[tokio::test]
async fn without_the_store_there_is_no_try_and_no_verdict() {
    let world = world();
    let admission = world.lockout.admit("alice", None).await.unwrap();
    world.store.set_broken(true);
    assert!(admission.failed(TypedName::Known).await.is_err());
    assert!(matches!(world.lockout.admit("alice", None).await, Err(AdmitError::Unavailable(_))));
    world.store.set_broken(false);
    world.lock("alice").await;
    assert_eq!(world.lockout.live.len(), 0);
}

#[tokio::test]
async fn a_failure_is_counted_on_top_of_what_another_server_stored_meanwhile() {
    let world = world();
    world.fail("alice", None, TypedName::Known).await.unwrap();
    let key = Subject::account(&world.lockout.hash, "alice").row.key();
    let entry = LockoutEntry { label: None, failures: 4, last_ms: START.0 * 1000 };
    world.store.before_next_commit(Batch::new().put_record(key, &entry, None).unwrap());
    world.fail("alice", None, TypedName::Known).await.unwrap();
    assert_eq!(refused(world.lockout.admit("alice", None).await), secs(1));
}

#[tokio::test]
async fn only_names_of_accounts_are_readable() {
    let world = world();
    world.fail("Alice", ip("192.0.2.1"), TypedName::Known).await.unwrap();
    world.fail("hunter2 secret", None, TypedName::Unknown).await.unwrap();
    drop(world.lockout.admit("hunter3 secret", None).await.unwrap());
    while world.store.len() < 4 {
        tokio::task::yield_now().await;
    }
    let stored = world.store.dump();
    assert!(stored.contains("alice") && stored.contains("192.0.2.1") && !stored.contains("hunter"), "{stored}");
    world.fail("alice", None, TypedName::Unknown).await.unwrap();
    let listed = world.lockout.list(None, 10).await.unwrap();
    let known: Vec<_> = listed.iter().filter_map(|entry| entry.label.as_deref()).collect();
    assert!(known.contains(&"alice") && known.contains(&"192.0.2.1") && known.len() == 2, "{known:?}");
}

#[tokio::test]
async fn the_operator_sees_and_releases_entries() {
    let world = world();
    world.lock("alice").await;
    world.lock("bob").await;
    world.fail("carol", ip("2001:db8::1"), TypedName::Unknown).await.unwrap();
    let listed = world.lockout.list(None, 2).await.unwrap();
    let rest = world.lockout.list(Some(&listed[1].id), 10).await.unwrap();
    assert_eq!((listed.len(), rest.len()), (2, 2));
    let all = [listed, rest].concat();
    let alice = all.iter().find(|entry| entry.label.as_deref() == Some("alice")).unwrap();
    assert_eq!((alice.failures, alice.last_failure), (5, START));
    assert_eq!(alice.locked_until, Some(START.plus(secs(1))));
    assert_eq!(alice.expires_at, START.plus(secs(3600)));

    assert_eq!(world.lockout.release(&Release::Account("ALICE ".into())).await.unwrap(), 1);
    world.lockout.admit("alice", None).await.unwrap().abandoned();
    assert_eq!(world.lockout.release(&Release::Account("alice".into())).await.unwrap(), 0);
    assert_eq!(world.lockout.release(&Release::Address("2001:db8::2".parse().unwrap())).await.unwrap(), 1);
    let bob = all.iter().find(|entry| entry.label.as_deref() == Some("bob")).unwrap();
    assert_eq!(world.lockout.release(&Release::Entry(bob.id.clone())).await.unwrap(), 1);
    assert_eq!(world.lockout.release(&Release::Entry("nonsense".into())).await.unwrap(), 0);
    assert_eq!(world.lockout.release(&Release::All).await.unwrap(), 1);
    assert_eq!((world.store.len(), world.lockout.stats().entries), (0, 0));
}

#[tokio::test]
async fn the_table_stays_within_its_bound_and_keeps_who_is_locked() {
    let world = world_with(Options { max_entries: 10, base_delay: secs(600), ..options() });
    world.lock("alice").await;
    for i in 0..100 {
        world.fail(&format!("made up {i}"), None, TypedName::Unknown).await.unwrap();
        world.clock.advance(secs(1));
        assert!(world.store.len() <= 10, "{} entries", world.store.len());
    }
    assert_eq!(refused(world.lockout.admit("alice", None).await), secs(500));
    assert_eq!((world.lockout.stats().entries, world.lockout.stats().evicted), (10, 91));

    let restarted = Lockout::new(
        world.store.clone(),
        world.clock.clone(),
        keyed_hash(),
        Options { max_entries: 5, base_delay: secs(600), ..options() },
    );
    restarted.admit("one more", None).await.unwrap().failed(TypedName::Unknown).await.unwrap();
    assert_eq!(world.store.len(), 5, "what was stored before the start counts too");
    assert_eq!(refused(restarted.admit("alice", None).await), secs(500));
}
