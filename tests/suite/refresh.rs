//! Refresh tokens under concurrency: one successor, and never two live branches.

use futures_util::future::join_all;
use pintle::clock::SystemClock;
use pintle::store::Store;
use pintle::store::sled::{SledOptions, SledStore};
use pintle_tests::{Answer, Caller, Options, TestServer};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const LOGIN: &str = "grant_type=password&username=user123&password=pass456";

async fn start(overlay: &str, store: Option<Arc<dyn Store>>) -> TestServer {
    let mut options = Options::reference("clarico").overlay(overlay);
    options.store = store;
    let server = options.start().await;
    server.user("user123", "pass456").await;
    server
}

async fn use_token(caller: &Caller, token: &str) -> Answer {
    caller.post("/token", &format!("grant_type=refresh_token&refresh_token={token}")).await
}

async fn crowd(caller: &Caller, token: &str) -> (BTreeSet<String>, usize) {
    let answers = join_all((0..64).map(|_| use_token(caller, token))).await;
    let successors = answers.iter().filter(|a| a.status == 200).map(|a| a.field("refresh_token")).collect();
    (successors, answers.iter().filter(|answer| answer.status == 200).count())
}

fn disk() -> (tempfile::TempDir, Arc<dyn Store>) {
    let folder = tempfile::tempdir().unwrap();
    let options = SledOptions { path: folder.path().join("store"), cache_mib: 16 };
    let store = SledStore::open(options, Arc::new(SystemClock::new())).unwrap();
    (folder, Arc::new(store))
}

async fn all_get_one_successor(store: Option<Arc<dyn Store>>) {
    let server = start("", store).await;
    let caller = server.caller();
    let first = caller.post("/token", LOGIN).await.field("refresh_token");
    let (successors, accepted) = crowd(&caller, &first).await;
    assert_eq!((successors.len(), accepted), (1, 64));
    let successor = successors.first().unwrap();
    assert_ne!(*successor, first);
    assert_eq!(use_token(&caller, successor).await.status, 200);
}

async fn one_gets_it_and_the_replays_end_the_family(store: Option<Arc<dyn Store>>) {
    let server = start("[tokens.refresh]\ngrace = \"0s\"\n", store).await;
    let caller = server.caller();
    let first = caller.post("/token", LOGIN).await.field("refresh_token");
    let (successors, accepted) = crowd(&caller, &first).await;
    assert_eq!((successors.len(), accepted), (1, 1));
    let successor = use_token(&caller, successors.first().unwrap()).await;
    assert_eq!(successor.error(), "400 invalid_grant", "the replays have ended the family");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_the_grace_window_64_uses_at_once_get_one_successor_and_it_works() {
    all_get_one_successor(None).await;
    let (_folder, store) = disk();
    all_get_one_successor(Some(store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_grace_one_of_64_uses_gets_it_and_the_replays_end_the_family() {
    one_gets_it_and_the_replays_end_the_family(None).await;
    let (_folder, store) = disk();
    one_gets_it_and_the_replays_end_the_family(Some(store)).await;
}

#[tokio::test]
async fn an_older_generation_ends_everything() {
    let server = start("", None).await;
    let caller = server.caller();
    let first = caller.post("/token", LOGIN).await.field("refresh_token");
    let second = use_token(&caller, &first).await.field("refresh_token");
    let third = use_token(&caller, &second).await.field("refresh_token");
    assert_eq!(use_token(&caller, &first).await.error(), "400 invalid_grant");
    assert_eq!(use_token(&caller, &third).await.error(), "400 invalid_grant");
}

#[tokio::test]
async fn after_the_grace_window_a_used_token_is_a_replay() {
    let server = start("", None).await;
    let caller = server.caller();
    let first = caller.post("/token", LOGIN).await.field("refresh_token");
    let second = use_token(&caller, &first).await.field("refresh_token");
    server.clock.advance(Duration::from_secs(4));
    assert_eq!(use_token(&caller, &first).await.field("refresh_token"), second, "a lost answer is given again");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(use_token(&caller, &first).await.error(), "400 invalid_grant");
    assert_eq!(use_token(&caller, &second).await.error(), "400 invalid_grant");
}

#[tokio::test]
async fn a_narrowed_access_token_leaves_the_refresh_token_as_it_was() {
    let server = start("", None).await;
    let caller = server.caller();
    let first = caller.post("/token", LOGIN).await.field("refresh_token");
    let narrowed = caller.post("/token", &format!("grant_type=refresh_token&refresh_token={first}&scope=read")).await;
    assert_eq!(narrowed.field("scope"), "read");
    let next = use_token(&caller, &narrowed.field("refresh_token")).await;
    assert_eq!(next.field("scope"), "read write");
}

#[tokio::test]
async fn a_refresh_token_ends_with_its_lifetime_whatever_the_rotations() {
    let server = start("", None).await;
    let caller = server.caller();
    let first = caller.post("/token", LOGIN).await.field("refresh_token");
    server.clock.advance(Duration::from_secs(29 * 86_400));
    let second = use_token(&caller, &first).await.field("refresh_token");
    assert!(!second.is_empty());
    server.clock.advance(Duration::from_secs(86_400));
    assert_eq!(use_token(&caller, &second).await.error(), "400 invalid_grant");
}

#[tokio::test]
async fn a_disabled_account_a_new_password_and_a_removal_end_what_was_given() {
    use pintle::flow::{identity, revoke};
    use pintle::oauth::family::AccountRef;
    use pintle::store::Batch;
    let server = start("", None).await;
    let caller = server.caller();
    let core = &server.app.core();
    let id = core.accounts.by_username("user123").await.unwrap().unwrap().id;
    let account = AccountRef { backend: "local".into(), id: id.clone() };

    let first = caller.post("/token", LOGIN).await.field("refresh_token");
    core.accounts.set_disabled(&id, true, Batch::new()).await.unwrap();
    assert_eq!(use_token(&caller, &first).await.error(), "400 invalid_grant", "looked up at the refresh");
    core.accounts.set_disabled(&id, false, Batch::new()).await.unwrap();

    let second = caller.post("/token", LOGIN).await.field("refresh_token");
    let also = identity::end_all(core, &account, Batch::new()).await.unwrap();
    core.accounts.set_password(&id, &"a new password".to_owned().into(), also).await.unwrap();
    assert_eq!(use_token(&caller, &second).await.error(), "400 invalid_grant");

    server.clock.advance(Duration::from_secs(1));
    let login = "grant_type=password&username=user123&password=a new password";
    let third = caller.post("/token", login).await.field("refresh_token");
    revoke::client(core, "quote-web").await.unwrap();
    assert_eq!(use_token(&caller, &third).await.error(), "400 invalid_grant");
    let fourth = caller.post("/token", login).await.field("refresh_token");
    assert_eq!(use_token(&caller, &fourth).await.status, 200);
}
