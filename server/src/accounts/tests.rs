use super::*;
use crate::clock::{ManualClock, UnixTime};
use crate::config::model::Passwords;
use crate::entropy::SystemEntropy;
use crate::test_store::TestStore;
use pintle_plugin_api::{Account, AccountVerdict};
use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

struct World {
    clock: Arc<ManualClock>,
    store: Arc<TestStore>,
    hasher: Arc<PasswordHasher>,
    table: AccountTable,
}

fn options() -> Passwords {
    Passwords {
        memory_kib: 64,
        iterations: 1,
        parallelism: 1,
        threads: 2,
        queue: 64,
        min_length: 8,
        failure_time: Duration::ZERO,
    }
}

fn world() -> World {
    let clock = Arc::new(ManualClock::at(UnixTime(1_700_000_000)));
    let store = TestStore::new(clock.clone());
    let (hasher, table) = table(&store, &clock, &options());
    World { clock, store, hasher, table }
}

fn table(store: &Arc<TestStore>, clock: &Arc<ManualClock>, options: &Passwords) -> (Arc<PasswordHasher>, AccountTable) {
    let entropy = Arc::new(SystemEntropy);
    let hasher = PasswordHasher::start(options, entropy.clone()).unwrap();
    let table = AccountTable::new(store.clone(), hasher.clone(), clock.clone(), entropy, options.min_length);
    (hasher, table)
}

fn text(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

fn bytes(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}

fn named(username: &str) -> NewAccount {
    NewAccount { username: username.into(), password: Some(text("correct horse")), ..NewAccount::default() }
}

#[tokio::test]
async fn an_account_is_found_by_id_and_by_any_spelling_of_its_name() {
    let world = world();
    let new = NewAccount {
        display_name: Some("Alice".into()),
        email: Some("alice@example.org".into()),
        groups: vec!["staff".into()],
        ..named("Alice")
    };
    let made = world.table.create(new).await.unwrap();
    assert_eq!(world.table.by_id(&made.id).await.unwrap().as_ref(), Some(&made));
    assert_eq!(world.table.by_username("ＡLICE").await.unwrap().as_ref(), Some(&made));
    assert_eq!(world.table.by_username(" alice").await.unwrap(), None);
    assert_eq!(world.table.by_username("bob").await.unwrap(), None);
    let account = Account::from(made.clone());
    assert_eq!((account.id.as_str(), account.username.as_str()), (made.id.as_str(), "Alice"));
    assert_eq!(account.groups, ["staff"]);
    assert!(!format!("{made:?}").contains("argon2"), "the hash stays out of logs");
    assert!(made.export_password_hash().unwrap().starts_with("$argon2id$"));
}

#[tokio::test]
async fn a_name_has_one_owner_even_when_many_ask_at_once() {
    let world = world();
    let creations = (0..16).map(|i| world.table.create(named(if i % 2 == 0 { "alice" } else { "ALICE" })));
    let results = futures_util::future::join_all(creations).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(AccountError::NameTaken))));
    let owner = world.table.list(None, 10).await.unwrap();
    assert_eq!(owner.len(), 1);
    world.table.remove(&owner[0].id, Batch::new()).await.unwrap();
    let next = world.table.create(named("Alice")).await.unwrap();
    assert_ne!(next.id, owner[0].id, "a removed account's name is free, its id is not used again");
}

#[tokio::test]
async fn accounts_are_listed_oldest_first_in_pages() {
    let world = world();
    let mut ids = Vec::new();
    for name in ["zoe", "adam", "mia"] {
        ids.push(world.table.create(named(name)).await.unwrap().id);
        world.clock.advance(Duration::from_millis(1));
    }
    let page = |after: Option<String>| {
        let table = &world.table;
        async move { table.list(after.as_deref(), 2).await.unwrap().into_iter().map(|a| a.id).collect::<Vec<_>>() }
    };
    assert_eq!(page(None).await, ids[..2]);
    assert_eq!(page(Some(ids[1].clone())).await, ids[2..]);
}

#[tokio::test]
async fn bad_input_is_refused_with_its_reason() {
    let world = world();
    let long = "x".repeat(513);
    let table: Vec<(NewAccount, &str)> = vec![
        (named(""), "BadUsername(Empty)"),
        (named(" alice"), "BadUsername(Untrimmed)"),
        (NewAccount { password: Some(text("short12")), ..named("a") }, "PasswordTooShort { min: 8 }"),
        (NewAccount { password: Some(text("")), ..named("a") }, "PasswordTooShort { min: 8 }"),
        (NewAccount { password: Some(text(&"é".repeat(513))), ..named("a") }, "PasswordTooLong { max: 1024 }"),
        (NewAccount { display_name: Some(long.clone()), ..named("a") }, "BadField(\"display name\")"),
        (NewAccount { email: Some("a\r\nb".into()), ..named("a") }, "BadField(\"email\")"),
        (NewAccount { groups: vec![String::new(); 257], ..named("a") }, "BadField(\"groups\")"),
    ];
    for (new, expected) in table {
        assert_eq!(format!("{:?}", world.table.create(new).await.unwrap_err()), expected);
    }
    let eight_characters = NewAccount { password: Some(text("éééééééé")), ..named("a") };
    world.table.create(eight_characters).await.unwrap();
    for error in [
        world.table.set_password("none", &text("correct horse"), Batch::new()).await.unwrap_err(),
        world.table.set_disabled("none", true, Batch::new()).await.unwrap_err(),
        world.table.remove("none", Batch::new()).await.unwrap_err(),
    ] {
        assert!(matches!(error, AccountError::NotFound));
    }
}

#[tokio::test]
async fn every_login_costs_one_hash_and_only_the_right_password_is_accepted() {
    let world = world();
    let alice = world.table.create(named("alice")).await.unwrap();
    let disabled = world.table.create(named("disabled")).await.unwrap();
    world.table.set_disabled(&disabled.id, true, Batch::new()).await.unwrap();
    world.table.create(NewAccount { password: None, ..named("passwordless") }).await.unwrap();
    let accepted = AccountVerdict::Accepted(alice.into());
    for (username, password, expected) in [
        ("alice", "correct horse", accepted.clone()),
        ("ALICE", "correct horse", accepted),
        ("alice", "wrong", AccountVerdict::Rejected),
        ("alice", "", AccountVerdict::Rejected),
        ("disabled", "correct horse", AccountVerdict::Rejected),
        ("passwordless", "", AccountVerdict::Rejected),
        ("nobody", "correct horse", AccountVerdict::UnknownUser),
        ("", "", AccountVerdict::UnknownUser),
    ] {
        let before = world.hasher.computed();
        assert_eq!(world.table.verify(username, bytes(password)).await.unwrap(), expected, "{username} {password}");
        assert_eq!(world.hasher.computed(), before + 1, "{username} {password}");
    }
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one_together_with_what_comes_along() {
    let world = world();
    let id = world.table.create(named("alice")).await.unwrap().id;
    let family = Key::new(*b"family");
    let also = Batch::new().expect_absent(family.clone()).put(family.clone(), b"revoked".to_vec(), None);
    world.table.set_password(&id, &text("battery staple"), also.clone()).await.unwrap();
    assert!(world.store.get(&family).await.unwrap().is_some());
    assert_eq!(world.table.verify("alice", bytes("correct horse")).await.unwrap(), AccountVerdict::Rejected);
    let accepted = world.table.verify("alice", bytes("battery staple")).await.unwrap();
    assert!(matches!(accepted, AccountVerdict::Accepted(_)));

    let stale = world.table.set_disabled(&id, true, also.clone()).await.unwrap_err();
    assert!(matches!(stale, AccountError::Conflict), "`also` no longer fits: {stale:?}");
    assert!(!world.table.by_id(&id).await.unwrap().unwrap().disabled, "nothing was changed");
    assert!(matches!(world.table.remove(&id, also).await.unwrap_err(), AccountError::Conflict));
}

#[tokio::test]
async fn a_change_is_tried_again_when_another_one_was_first() {
    let world = world();
    let account = world.table.create(named("alice")).await.unwrap();
    let other = AccountRecord { email: Some("new@example.org".into()), ..account.clone() };
    let first = Batch::new().put_record(account_key(&account.id), &other, None).unwrap();
    world.store.before_next_commit(first);
    let changed = world.table.set_disabled(&account.id, true, Batch::new()).await.unwrap();
    assert_eq!((changed.disabled, changed.email), (true, Some("new@example.org".into())));
}

#[tokio::test]
async fn a_login_renews_a_hash_of_other_costs() {
    let world = world();
    let made = world.table.create(named("alice")).await.unwrap();
    let (_, stronger) = table(&world.store, &world.clock, &Passwords { memory_kib: 128, ..options() });
    let rejected = stronger.verify("alice", bytes("wrong")).await.unwrap();
    assert_eq!(rejected, AccountVerdict::Rejected);
    assert_eq!(stronger.by_id(&made.id).await.unwrap().unwrap(), made, "a wrong password renews nothing");
    assert!(matches!(stronger.verify("alice", bytes("correct horse")).await.unwrap(), AccountVerdict::Accepted(_)));
    let renewed = stronger.by_id(&made.id).await.unwrap().unwrap();
    assert!(renewed.export_password_hash().unwrap().contains("m=128"));
    assert_eq!(renewed.password_set_at, made.password_set_at);
    assert!(matches!(stronger.verify("alice", bytes("correct horse")).await.unwrap(), AccountVerdict::Accepted(_)));
}

#[tokio::test]
async fn a_rehash_does_not_undo_a_password_change() {
    let world = world();
    let made = world.table.create(named("alice")).await.unwrap();
    let (_, stronger) = table(&world.store, &world.clock, &Passwords { memory_kib: 128, ..options() });
    let phc = world.hasher.hash(bytes("battery staple")).await.unwrap();
    let changed = AccountRecord { password: Some(StoredPassword(phc)), ..made.clone() };
    let change = Batch::new().put_record(account_key(&made.id), &changed, None).unwrap();
    world.store.before_next_commit(change);
    stronger.verify("alice", bytes("correct horse")).await.unwrap();
    assert_eq!(stronger.by_id(&made.id).await.unwrap().unwrap(), changed);
    assert_eq!(stronger.verify("alice", bytes("correct horse")).await.unwrap(), AccountVerdict::Rejected);
}

#[tokio::test]
async fn a_login_does_not_outlive_what_happens_during_its_hash() {
    let world = world();
    let id = world.table.create(named("alice")).await.unwrap().id;
    let one_thread = Passwords { memory_kib: 65536, iterations: 4, threads: 1, ..options() };
    let (hasher, slow) = table(&world.store, &world.clock, &one_thread);
    let mut context = Context::from_waker(Waker::noop());
    let mut first = Box::pin(hasher.verify_dummy(bytes("first in the line")));
    assert!(first.as_mut().poll(&mut context).is_pending());
    while hasher.queued() > 0 {
        tokio::task::yield_now().await;
    }
    // The login has read the account once its hash waits behind the first one.
    let mut login = Box::pin(slow.verify("alice", bytes("correct horse")));
    while hasher.queued() == 0 {
        assert!(login.as_mut().poll(&mut context).is_pending());
    }
    world.table.set_disabled(&id, true, Batch::new()).await.unwrap();
    assert_eq!(login.await.unwrap(), AccountVerdict::Rejected);
}

#[tokio::test]
async fn a_broken_store_and_a_full_queue_are_no_verdict() {
    let world = world();
    world.table.create(named("alice")).await.unwrap();
    let (_, full) = table(&world.store, &world.clock, &Passwords { queue: 0, ..options() });
    for username in ["alice", "nobody"] {
        let error = full.verify(username, bytes("correct horse")).await.unwrap_err();
        assert!(matches!(error, AccountError::Busy), "{username}: {error:?}");
    }
    world.store.set_broken(true);
    let error = world.table.verify("alice", bytes("correct horse")).await.unwrap_err();
    assert!(matches!(error, AccountError::Unavailable(_)));
    assert!(matches!(world.table.create(named("bob")).await.unwrap_err(), AccountError::Unavailable(_)));
}
