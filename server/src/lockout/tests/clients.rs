//! Guessing clients' secrets.

use super::*;

const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "192.0.2.2";

impl World {
    /// A wrong secret.
    async fn guess(&self, client: &str, from: &str, name: TypedName) -> Result<(), Duration> {
        let admission = match self.lockout.client(client, ip(from)).await {
            Ok(attempt) => attempt.admit().await,
            Err(error) => Err(error),
        };
        match admission {
            Ok(admission) => admission.failed(name).await.map_err(|error| panic!("{error}")),
            Err(AdmitError::Refused(refusal)) => Err(refusal.retry_after),
            Err(error) => panic!("{error}"),
        }
    }

    /// The right secret.
    async fn pass(&self, client: &str, from: &str) -> Result<(), Duration> {
        let passed = match self.lockout.client(client, ip(from)).await {
            Ok(attempt) => attempt.pass().await,
            Err(error) => Err(error),
        };
        passed.map_err(|error| match error {
            AdmitError::Refused(refusal) => refusal.retry_after,
            error => panic!("{error}"),
        })
    }

    async fn counts(&self) -> Vec<(Kind, u32)> {
        let listed = self.lockout.list(None, 100).await.unwrap();
        listed.iter().map(|entry| (entry.kind, entry.failures)).collect()
    }
}

#[tokio::test]
async fn a_client_is_held_back_where_its_secret_was_guessed_and_nowhere_else() {
    for name in [TypedName::Known, TypedName::Unknown] {
        let world = world();
        for _ in 0..5 {
            world.guess("app", HERE, name).await.unwrap();
        }
        for delay in [1, 2, 4] {
            assert_eq!(world.guess("app", HERE, name).await, Err(secs(delay)), "{name:?}");
            assert_eq!(world.pass("app", HERE).await, Err(secs(delay)), "no guess learns whether it was right");
            world.pass("app", ELSEWHERE).await.unwrap();
            world.pass("neighbour", HERE).await.unwrap();
            world.lockout.admit("dory", ip(HERE)).await.unwrap().abandoned();
            world.clock.advance(secs(delay));
            world.guess("app", HERE, name).await.unwrap();
        }
        world.clock.advance(secs(8));
        world.pass("app", HERE).await.unwrap();
        assert_eq!(world.counts().await, [], "a success forgets the client's failures");
    }
}

#[tokio::test]
async fn a_stale_secret_beside_a_right_one_holds_back_no_neighbour() {
    let world = world();
    for _ in 0..20 {
        world.guess("app", HERE, TypedName::Known).await.unwrap();
        world.pass("app", HERE).await.unwrap();
    }
    assert_eq!((world.counts().await, world.lockout.stats().entries), (vec![], 0));
    for client in ["first", "second"] {
        world.guess(client, HERE, TypedName::Known).await.unwrap();
    }
    for _ in 0..20 {
        world.guess("app", HERE, TypedName::Known).await.unwrap();
        world.pass("app", HERE).await.unwrap();
        world.pass("neighbour", HERE).await.unwrap();
    }
    assert_eq!(world.counts().await, [(Kind::Client, 1), (Kind::Client, 1), (Kind::ClientAddress, 2)]);
    assert_eq!(world.lockout.stats().entries, 3);
}

/// While the first failure is still being synced, the other guesses are neither in flight nor failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_secrets_in_a_burst_of_guesses_are_some_of_the_guesses() {
    let world = Arc::new(world());
    world.store.hold_commits(true);
    let mut guesses = JoinSet::new();
    for _ in 0..20 {
        let world = world.clone();
        guesses.spawn(async move { world.guess("app", HERE, TypedName::Known).await });
    }
    let row = {
        let address = Row::client_address(&world.lockout.hash, HERE.parse().unwrap());
        Row::client(&world.lockout.hash, "app", Some(&address))
    };
    while world.lockout.live.guesses(&row) < 20 {
        tokio::task::yield_now().await;
    }
    let mut rights = JoinSet::new();
    for _ in 0..20 {
        let world = world.clone();
        rights.spawn(async move { world.pass("app", HERE).await });
    }
    while world.lockout.live.places(&row) < 40 {
        // Of the guesses, as many as are free may have been admitted before the first failure held the turn.
        assert!(world.lockout.stats().admitted <= 5, "let through past the guesses");
        tokio::task::yield_now().await;
    }
    world.store.hold_commits(false);
    assert_eq!(guesses.join_all().await.iter().filter(|guess| guess.is_ok()).count(), 5);
    assert!(rights.join_all().await.iter().all(Result::is_err));
    world.pass("app", ELSEWHERE).await.unwrap();
    assert_eq!(world.lockout.live.len(), 0, "nothing of it stays in memory");
}

#[tokio::test]
async fn a_released_client_no_longer_counts_at_its_addresses() {
    let world = world();
    for client in ["app", "other", "third", "fourth", "fifth"] {
        world.guess(client, HERE, TypedName::Known).await.unwrap();
    }
    world.guess("app", ELSEWHERE, TypedName::Known).await.unwrap();
    assert_eq!(world.pass("neighbour", HERE).await, Err(secs(1)));
    assert_eq!(world.lockout.release(&Release::Client("app".into())).await.unwrap(), 2);
    world.pass("neighbour", HERE).await.unwrap();
    let listed = world.lockout.list(None, 100).await.unwrap();
    let of_address: Vec<_> = listed.iter().filter(|entry| entry.kind == Kind::ClientAddress).collect();
    assert_eq!(of_address.iter().map(|entry| entry.failures).collect::<Vec<_>>(), [4], "and none of elsewhere");
    let other = listed.iter().find(|entry| entry.label.as_deref() == Some("other from 192.0.2.1")).unwrap();
    assert_eq!(world.lockout.release(&Release::Entry(other.id.clone())).await.unwrap(), 1);
    assert!(world.counts().await.contains(&(Kind::ClientAddress, 3)));
    assert_eq!(world.lockout.release(&Release::Address(HERE.parse().unwrap())).await.unwrap(), 4, "with the address");
    assert_eq!((world.counts().await, world.lockout.stats().entries), (vec![], 0));
}

#[tokio::test]
async fn an_address_gets_five_free_clients() {
    let world = world();
    for number in 0..5 {
        world.guess(&format!("client{number}"), HERE, TypedName::Unknown).await.unwrap();
    }
    assert_eq!(world.guess("another", HERE, TypedName::Unknown).await, Err(secs(1)));
    assert_eq!(world.pass("app", HERE).await, Err(secs(1)));
    world.pass("app", ELSEWHERE).await.unwrap();
    world.clock.advance(secs(1));
    world.guess("another", HERE, TypedName::Unknown).await.unwrap();
    assert_eq!(world.guess("one more", HERE, TypedName::Unknown).await, Err(secs(2)));
}

#[tokio::test]
async fn on_a_unix_socket_clients_are_counted_by_themselves() {
    let world = world();
    let attempt = async || world.lockout.client("app", None).await;
    for _ in 0..5 {
        attempt().await.unwrap().admit().await.unwrap().failed(TypedName::Known).await.unwrap();
    }
    assert!(matches!(attempt().await, Err(AdmitError::Refused(_))));
    world.pass("app", HERE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_wrong_secrets_at_once_get_the_free_tries_and_then_one_at_a_time() {
    let world = Arc::new(world());
    let crowd = async |size: usize, client: fn(usize) -> String| {
        let mut tries = JoinSet::new();
        for number in 0..size {
            let world = world.clone();
            tries.spawn(async move { world.guess(&client(number), HERE, TypedName::Known).await.is_ok() });
        }
        tries.join_all().await.into_iter().filter(|admitted| *admitted).count()
    };
    assert_eq!(crowd(200, |_| "app".into()).await, 5);
    assert_eq!(crowd(200, |_| "app".into()).await, 0);
    world.clock.advance(secs(1));
    assert_eq!(crowd(200, |_| "app".into()).await, 1);
    assert_eq!(crowd(200, |number| format!("client{number}")).await, 4, "the address's free tries, but one");
    assert_eq!(world.lockout.live.len(), 0, "nothing of it stays in memory");
}

#[tokio::test]
async fn right_secrets_wait_for_no_other_right_one_and_for_wrong_ones_in_flight() {
    let world = world();
    let mut checked = Vec::new();
    for _ in 0..5 {
        checked.push(world.lockout.client("app", ip(HERE)).await.unwrap().admit().await.unwrap());
    }
    let waiting = world.lockout.client("app", ip(HERE)).await.unwrap();
    let waiting = tokio::spawn(waiting.pass());
    while world.lockout.stats().waits == 0 {
        tokio::task::yield_now().await;
    }
    for admission in checked {
        admission.failed(TypedName::Known).await.unwrap();
    }
    assert!(matches!(waiting.await.unwrap(), Err(AdmitError::Refused(_))), "it would have been a sixth guess");

    let before = (world.store.commits(), world.lockout.stats().waits);
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(world.lockout.client("app", ip(ELSEWHERE)).await.unwrap());
    }
    for attempt in held {
        attempt.pass().await.unwrap();
    }
    assert_eq!((world.store.commits(), world.lockout.stats().waits), before);
}

#[tokio::test]
async fn the_operator_sees_clients_that_exist_and_releases_them_by_id_address_or_entry() {
    let world = world();
    for (client, from) in [("app", HERE), ("app", ELSEWHERE), ("other", HERE)] {
        world.guess(client, from, TypedName::Known).await.unwrap();
    }
    world.guess("hunter2 secret", ELSEWHERE, TypedName::Unknown).await.unwrap();
    world.fail("dory", ip(HERE), TypedName::Known).await.unwrap();
    assert!(!world.store.dump().contains("hunter"));
    let listed = world.lockout.list(None, 100).await.unwrap();
    let mut labels: Vec<_> =
        listed.iter().filter(|entry| entry.kind == Kind::Client).map(|entry| &entry.label).collect();
    labels.sort();
    let label = |text: &str| Some(text.to_owned());
    let expected = [None, label("app from 192.0.2.1"), label("app from 192.0.2.2"), label("other from 192.0.2.1")];
    assert_eq!(labels, expected.iter().collect::<Vec<_>>());

    let release = async |what: Release| world.lockout.release(&what).await.unwrap();
    assert_eq!(release(Release::Client("app".into())).await, 2);
    assert_eq!(release(Release::Client("app".into())).await, 0);
    assert_eq!(release(Release::Address(ELSEWHERE.parse().unwrap())).await, 2, "the address and the unknown client");
    let other = listed.iter().find(|entry| entry.label.as_deref() == Some("other from 192.0.2.1")).unwrap();
    assert_eq!(release(Release::Entry(other.id.clone())).await, 1);
    assert_eq!(release(Release::Address(HERE.parse().unwrap())).await, 1, "of users; no client is left there");
    assert_eq!(world.counts().await, [(Kind::Account, 1)]);
}

#[tokio::test]
async fn without_the_store_no_secret_is_checked() {
    let world = world();
    let attempt = world.lockout.client("app", ip(HERE)).await.unwrap();
    world.store.set_broken(true);
    assert!(matches!(attempt.admit().await, Err(AdmitError::Unavailable(_))));
    assert!(matches!(world.lockout.client("app", ip(HERE)).await, Err(AdmitError::Unavailable(_))));
}
