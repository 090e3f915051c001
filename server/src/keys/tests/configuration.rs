//! Keys over restarts with another configuration: nothing signs before it is known, nothing leaves before its tokens.

use super::*;
use KeyState::{Current, Next, Retired};

fn signs_with(ring: &KeyRing, wanted: Algorithm) -> Algorithm {
    ring.signing(wanted).unwrap().0
}

#[tokio::test]
async fn a_key_stays_as_long_as_the_longest_lifetime_it_was_ever_current_under() {
    let mut bench = Bench::new(&[Algorithm::EdDsa]);
    for retain in [HOUR, 30 * DAY, Duration::from_millis(1500)] {
        bench.options.retain = retain;
        bench.open().await;
    }
    let ring = bench.open().await;
    let (first, old_token) = (ed(&ring), token(&ring, Algorithm::EdDsa));
    ring.rotate(None, false).await.unwrap();
    bench.advance(&ring, DAY).await;
    assert_eq!(states(&ring), [Retired, Current]);
    bench.advance(&ring, 30 * DAY + 5 * MINUTE - Duration::from_secs(1)).await;
    assert!(verified_elsewhere(&ring.jwks(), &old_token), "a token of thirty days");
    bench.advance(&ring, Duration::from_secs(1)).await;
    assert!(!published(&ring).contains(&first));
    let second = ed(&ring);
    ring.rotate(None, false).await.unwrap();
    bench.advance(&ring, DAY).await;
    bench.advance(&ring, 5 * MINUTE + Duration::from_secs(2)).await;
    assert!(!published(&ring).contains(&second), "which has signed under the short lifetime alone");
}

#[tokio::test]
async fn a_key_of_the_layout_without_lifetimes_stays_as_long_as_any_configuration_allows() {
    let mut bench = Bench::new(&[Algorithm::EdDsa]);
    let old_token = token(&bench.open().await, Algorithm::EdDsa);
    bench
        .store
        .edit("signing-keys", |value| {
            let text = String::from_utf8_lossy(&value[1..]).replace(r#""retain_s":3600,"#, "");
            assert!(!text.contains("retain_s"), "{text}");
            *value = [b"\x01", text.as_bytes()].concat();
        })
        .await;
    bench.options.algorithms = vec![];
    let ring = bench.open().await;
    assert_eq!(states(&ring), [Retired]);
    bench.advance(&ring, 365 * DAY).await;
    assert!(verified_elsewhere(&ring.jwks(), &old_token));
    bench.advance(&ring, 5 * MINUTE).await;
    assert!(!ring.publishes_any());
}

#[tokio::test]
async fn another_algorithm_is_published_before_it_signs_and_the_former_one_signs_till_then() {
    let mut bench = Bench::new(&[Algorithm::Es256]);
    let old = bench.open().await;
    let old_token = token(&old, Algorithm::Es256);
    bench.options.algorithms = vec![Algorithm::EdDsa];
    let ring = bench.open().await;
    let at = bench.clock.now().plus(DAY);
    // (time passed since the last row, algorithm that signs, states of EdDSA's and ES256's keys)
    let table = [
        (Duration::ZERO, Algorithm::Es256, &[Next, Current][..]),
        (DAY - MINUTE, Algorithm::Es256, &[Next, Current]),
        (MINUTE, Algorithm::EdDsa, &[Current, Retired]),
        (HOUR + 5 * MINUTE - Duration::from_secs(1), Algorithm::EdDsa, &[Current, Retired]),
        (Duration::from_secs(1), Algorithm::EdDsa, &[Current]),
    ];
    for (row, (passed, signs, expected)) in table.into_iter().enumerate() {
        bench.advance(&ring, passed).await;
        let restarted = bench.open().await;
        for ring in [&ring, &restarted] {
            assert_eq!((signs_with(ring, Algorithm::EdDsa), &*states(ring)), (signs, expected), "row {row}");
            let is_waiting = signs == Algorithm::Es256;
            assert_eq!(ring.takes_over_at(Algorithm::EdDsa), is_waiting.then_some(at), "row {row}");
            assert_eq!(verified_elsewhere(&ring.jwks(), &old_token), expected.len() == 2, "row {row}");
            assert!(verified_elsewhere(&ring.jwks(), &token(ring, signs)), "row {row}");
        }
        let former = ring.list().into_iter().find(|key| key.algorithm == Algorithm::Es256 && key.state == Current);
        assert!(former.is_none_or(|key| key.retire_at == Some(at)), "row {row}");
    }
    assert!(bench.store.get(&ring_key(Algorithm::Es256)).await.unwrap().is_none());
}

#[tokio::test]
async fn the_former_algorithm_signs_under_the_new_lifetime_and_stays_for_it() {
    let mut bench = Bench::new(&[Algorithm::Es256]);
    bench.open().await;
    bench.options = KeyOptions { algorithms: vec![Algorithm::EdDsa], retain: 30 * DAY, ..bench.options };
    let ring = bench.open().await;
    let late_token = token(&ring, Algorithm::Es256);
    bench.advance(&ring, DAY).await;
    assert_eq!(signs_with(&ring, Algorithm::EdDsa), Algorithm::EdDsa);
    bench.advance(&ring, 30 * DAY).await;
    assert!(verified_elsewhere(&ring.jwks(), &late_token));
    bench.advance(&ring, 5 * MINUTE).await;
    assert_eq!(states(&ring), [Current]);
}

#[tokio::test]
async fn an_operator_who_goes_back_before_the_change_keeps_the_key() {
    let mut bench = Bench::new(&[Algorithm::Es256]);
    let first = bench.open().await.current(Algorithm::Es256);
    bench.options.algorithms = vec![Algorithm::EdDsa];
    bench.open().await;
    bench.options.algorithms = vec![Algorithm::Es256];
    let ring = bench.open().await;
    assert_eq!((ring.current(Algorithm::Es256), states(&ring)), (first, vec![Current]));
}

#[tokio::test]
async fn without_a_lead_another_algorithm_signs_at_once() {
    let mut bench = Bench::new(&[Algorithm::Es256]);
    bench.open().await;
    bench.options = KeyOptions { algorithms: vec![Algorithm::EdDsa], publish_before: Duration::ZERO, ..bench.options };
    let ring = bench.open().await;
    assert_eq!(states(&ring), [Current, Retired]);
}

#[tokio::test]
async fn a_former_algorithms_compromised_key_is_withdrawn_and_the_new_one_signs_at_once() {
    for order in [None, Some(Algorithm::Es256)] {
        let mut bench = Bench::new(&[Algorithm::Es256]);
        let old_token = token(&bench.open().await, Algorithm::Es256);
        bench.options.algorithms = vec![Algorithm::EdDsa];
        let ring = bench.open().await;
        let former = ring.current(Algorithm::Es256).unwrap();
        let refused = ring.rotate(Some(Algorithm::Es256), false).await;
        assert!(matches!(refused, Err(KeyError::NotConfigured("ES256"))), "{refused:?}");
        let done = ring.rotate(order, true).await.unwrap();
        let [rotation] = done.as_slice() else { panic!("{done:?}") };
        assert!(rotation.withdrawn.contains(&former), "{rotation:?}");
        assert_eq!((rotation.algorithm, rotation.signs_from), (Algorithm::EdDsa, bench.clock.now()));
        assert_eq!(ring.signing(Algorithm::EdDsa), Some((Algorithm::EdDsa, rotation.key_id.clone())));
        assert!(!verified_elsewhere(&ring.jwks(), &old_token));
        assert_eq!(states(&ring), [Current]);
    }
}

#[tokio::test]
async fn opaque_tokens_need_no_key_and_those_that_were_signed_keep_theirs() {
    let mut bench = Bench::new(&[Algorithm::EdDsa]);
    let old_token = token(&bench.open().await, Algorithm::EdDsa);
    bench.options.algorithms = vec![];
    let ring = bench.open().await;
    assert_eq!((ring.signing(Algorithm::EdDsa), states(&ring)), (None, vec![Retired]));
    assert!(ring.publishes_any() && verified_elsewhere(&ring.jwks(), &old_token));
    bench.advance(&ring, HOUR + 5 * MINUTE).await;
    assert!(!ring.publishes_any());
}
