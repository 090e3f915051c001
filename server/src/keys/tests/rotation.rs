//! Keys over time: next, current, retired, removed.

use super::*;

#[tokio::test]
async fn another_task_may_tick_and_rotate() {
    let ring = Arc::new(Bench::new(&[Algorithm::EdDsa]).open().await);
    let shared = ring.clone();
    let task = tokio::spawn(async move { (shared.tick().await, shared.rotate(None, false).await) });
    let (ticked, rotated) = task.await.unwrap();
    assert!(ticked.is_ok() && rotated.is_ok());
    assert_eq!(states(&ring), [KeyState::Current, KeyState::Next]);
}

#[tokio::test]
async fn the_next_key_is_published_before_it_signs_and_the_last_until_its_tokens_expired() {
    use KeyState::{Current, Next, Retired};
    let bench = Bench::new(&[Algorithm::EdDsa]);
    let ring = bench.open().await;
    let (first, old_token) = (ed(&ring), token(&ring, Algorithm::EdDsa));
    // (time passed since the last row, states, whether the first key still signs, whether its token is accepted)
    let table = [
        (Duration::ZERO, &[Current][..], true, true),
        (89 * DAY - MINUTE, &[Current], true, true),
        (MINUTE, &[Current, Next], true, true),
        (DAY - MINUTE, &[Current, Next], true, true),
        (MINUTE, &[Retired, Current], false, true),
        (HOUR, &[Retired, Current], false, true),
        (5 * MINUTE - Duration::from_secs(1), &[Retired, Current], false, true),
        (Duration::from_secs(1), &[Current], false, false),
        (89 * DAY, &[Current, Next], false, false),
    ];
    let mut seen_as_next = BTreeSet::new();
    for (at, (passed, expected, first_signs, first_accepted)) in table.into_iter().enumerate() {
        bench.advance(&ring, passed).await;
        assert_eq!(states(&ring), expected, "row {at}");
        assert_eq!(ed(&ring) == first, first_signs, "row {at}");
        assert_eq!(verified_elsewhere(&ring.jwks(), &old_token), first_accepted, "row {at}");
        assert!(first_signs || seen_as_next.contains(&ed(&ring)), "row {at}: a key signs that was never published");
        let next = ring.list().into_iter().find(|key| key.state == Next);
        if let Some(next) = next {
            assert!(published(&ring).contains(&next.id));
            assert!(matches!(ring.sign(&next.id, Algorithm::EdDsa, b"x"), Err(KeyError::NotSigning(_))));
            seen_as_next.insert(next.id);
        }
    }
}

#[tokio::test]
async fn a_key_that_just_retired_may_finish_what_began_and_its_private_half_is_then_forgotten() {
    let bench = Bench::new(&[Algorithm::EdDsa]);
    let ring = bench.open().await;
    let first = ed(&ring);
    bench.advance(&ring, 89 * DAY).await;
    bench.advance(&ring, DAY).await;
    assert_ne!(ed(&ring), first);
    let signature = ring.sign(&first, Algorithm::EdDsa, b"x").unwrap();
    bench.advance(&ring, 5 * MINUTE).await;
    for ring in [&ring, &bench.open().await] {
        assert!(matches!(ring.sign(&first, Algorithm::EdDsa, b"x"), Err(KeyError::NotSigning(_))));
        assert!(ring.verify(&first, Algorithm::EdDsa, b"x", &signature));
    }
    assert_eq!(bench.store.text().await.matches(r#""material":"public""#).count(), 1);
}

#[tokio::test]
async fn a_server_that_slept_through_the_rotation_still_publishes_first() {
    let bench = Bench::new(&[Algorithm::EdDsa]);
    let ring = bench.open().await;
    let first = ed(&ring);
    bench.advance(&ring, 200 * DAY).await;
    assert_eq!(states(&ring), [KeyState::Current, KeyState::Next]);
    assert_eq!(ed(&ring), first);
    bench.advance(&ring, DAY).await;
    assert_ne!(ed(&ring), first);
}

#[tokio::test]
async fn rotation_by_command_publishes_now_and_signs_after_the_lead() {
    let bench = Bench::new(&[Algorithm::EdDsa]);
    let ring = bench.open().await;
    let first = ed(&ring);
    let done = ring.rotate(None, false).await.unwrap();
    let [rotation] = done.as_slice() else { panic!("{done:?}") };
    assert_eq!(rotation.signs_from, bench.clock.now().plus(DAY));
    assert!(rotation.withdrawn.is_empty() && published(&ring).contains(&rotation.key_id));
    assert_eq!(ring.rotate(None, false).await.unwrap(), done, "a second command changes nothing");
    bench.advance(&ring, DAY - MINUTE).await;
    assert_eq!(ed(&ring), first);
    bench.advance(&ring, MINUTE).await;
    assert_eq!(ed(&ring), rotation.key_id);
    assert_eq!(states(&ring), [KeyState::Retired, KeyState::Current]);
}

#[tokio::test]
async fn rotation_by_command_brings_a_planned_key_forward() {
    let mut bench = Bench::new(&[Algorithm::EdDsa]);
    bench.options.publish_before = 10 * DAY;
    let ring = bench.open().await;
    bench.advance(&ring, 80 * DAY).await;
    let planned = ring.list()[1].clone();
    assert_eq!((planned.state, planned.signs_from), (KeyState::Next, bench.clock.now().plus(10 * DAY)));
    bench.options.publish_before = DAY;
    let ring = bench.open().await;
    bench.advance(&ring, 2 * DAY).await;
    let done = ring.rotate(Some(Algorithm::EdDsa), false).await.unwrap();
    assert_eq!((&done[0].key_id, done[0].signs_from), (&planned.id, bench.clock.now()));
    assert_eq!(ed(&ring), planned.id);
}

#[tokio::test]
async fn a_compromised_key_is_withdrawn_at_once_with_its_successor_and_its_tokens() {
    let bench = Bench::new(&[Algorithm::EdDsa, Algorithm::Es256]);
    let ring = bench.open().await;
    bench.advance(&ring, 89 * DAY).await;
    let (before, old_token) = (ring.list(), token(&ring, Algorithm::EdDsa));
    let done = ring.rotate(Some(Algorithm::EdDsa), true).await.unwrap();
    let ids: Vec<_> = before.iter().filter(|key| key.algorithm == Algorithm::EdDsa).map(|key| &key.id).collect();
    assert_eq!(done[0].withdrawn.iter().collect::<Vec<_>>(), ids);
    assert_eq!((done.len(), ids.len()), (1, 2));
    assert_eq!((ed(&ring), done[0].signs_from), (done[0].key_id.clone(), bench.clock.now()));
    assert!(!verified_elsewhere(&ring.jwks(), &old_token));
    assert!(verified_elsewhere(&ring.jwks(), &token(&ring, Algorithm::EdDsa)));
    assert_eq!(ring.current(Algorithm::Es256).as_ref(), Some(&before[2].id), "the other algorithm stays as it was");
}

#[tokio::test]
async fn rotations_without_end_are_refused_and_the_keys_go_on() {
    let mut bench = Bench::new(&[Algorithm::EdDsa]);
    bench.options.publish_before = Duration::ZERO;
    let ring = bench.open().await;
    let mut last = Ok(Vec::new());
    for _ in 0..1000 {
        last = ring.rotate(None, false).await;
        if last.is_err() {
            break;
        }
    }
    assert!(matches!(last, Err(KeyError::TooMany)), "{last:?}");
    assert!(verified_elsewhere(&ring.jwks(), &token(&ring, Algorithm::EdDsa)));
    bench.advance(&ring, HOUR + 5 * MINUTE).await;
    assert_eq!(states(&ring), [KeyState::Current]);
}

#[tokio::test]
async fn two_servers_that_rotate_at_once_take_one_step_and_both_see_it() {
    let bench = Bench::new(&[Algorithm::EdDsa]);
    let (first, second) = (bench.open().await, bench.open().await);
    let (one, two) = tokio::join!(first.rotate(None, false), second.rotate(None, false));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(first.list(), second.list());
    assert_eq!(states(&first), [KeyState::Current, KeyState::Next]);
    bench.clock.advance(DAY);
    let (one, two) = tokio::join!(first.tick(), second.tick());
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(first.jwks(), second.jwks());
    assert_eq!(states(&first), [KeyState::Retired, KeyState::Current]);
}
