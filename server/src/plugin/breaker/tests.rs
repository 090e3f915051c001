use super::*;

/// Opens at half of at least four calls, for five seconds.
fn breaker() -> Breaker {
    Breaker::new(BreakerLimits { share: 50, calls: 4, open_for: Duration::from_secs(5) })
}

/// A breaker that calls with these signs have gone through, all at the time 0.
fn after(signs: &[Sign]) -> Breaker {
    let mut breaker = breaker();
    for sign in signs {
        let pass = breaker.admit(0).unwrap();
        breaker.record(0, pass, *sign);
    }
    breaker
}

fn opened() -> Breaker {
    after(&[Sign::Down; 4])
}

#[test]
fn it_opens_at_its_share_of_enough_calls() {
    let cases: [(&[Sign], BreakerState); 6] = [
        (&[Sign::Down, Sign::Down, Sign::Down], BreakerState::Closed),
        (&[Sign::Down, Sign::Down, Sign::Down, Sign::Down], BreakerState::Open),
        (&[Sign::Up, Sign::Down, Sign::Up, Sign::Down], BreakerState::Open),
        (&[Sign::Up, Sign::Up, Sign::Up, Sign::Down], BreakerState::Closed),
        // An answer never opens it, even where the share is reached.
        (&[Sign::Down, Sign::Down, Sign::Down, Sign::Up], BreakerState::Closed),
        (&[Sign::None; 8], BreakerState::Closed),
    ];
    for (signs, expected) in cases {
        assert_eq!(after(signs).state(), expected, "{signs:?}");
    }
}

#[test]
fn calls_of_more_than_ten_seconds_ago_do_not_count() {
    let mut breaker = after(&[Sign::Down; 3]);
    breaker.record(10_001, Pass::Ordinary, Sign::Down);
    assert_eq!(breaker.state(), BreakerState::Closed);
    breaker.record(10_001, Pass::Ordinary, Sign::Down);
    breaker.record(10_001, Pass::Ordinary, Sign::Down);
    breaker.record(10_001, Pass::Ordinary, Sign::Down);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn a_busy_plugin_is_judged_by_its_last_calls() {
    let mut breaker = after(&[Sign::Up; 1000]);
    for _ in 0..10 {
        breaker.record(0, Pass::Ordinary, Sign::Down);
    }
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn while_open_no_call_gets_through_and_then_one_does() {
    let mut breaker = opened();
    assert_eq!(breaker.admit(4_999), None);
    assert_eq!(breaker.admit(5_000), Some(Pass::Probe));
    assert_eq!((breaker.admit(5_000), breaker.state()), (None, BreakerState::HalfOpen));
}

#[test]
fn the_probe_decides() {
    for (sign, state, admitted) in [
        (Sign::Up, BreakerState::Closed, Some(Pass::Ordinary)),
        (Sign::Down, BreakerState::Open, None),
        // Given up, or trapped: the next one probes.
        (Sign::None, BreakerState::Open, Some(Pass::Probe)),
    ] {
        let mut breaker = opened();
        let probe = breaker.admit(5_000).unwrap();
        breaker.record(6_000, probe, sign);
        assert_eq!((breaker.state(), breaker.admit(6_001)), (state, admitted), "{sign:?}");
    }
}

#[test]
fn a_call_from_before_it_opened_decides_nothing() {
    let mut breaker = opened();
    breaker.record(1_000, Pass::Ordinary, Sign::Up);
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker.admit(5_000).unwrap();
    breaker.record(5_001, Pass::Ordinary, Sign::Up);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
}

#[test]
fn a_successor_goes_on_and_probes_itself() {
    let mut successor = opened().successor();
    assert_eq!((successor.state(), successor.admit(4_999)), (BreakerState::Open, None));
    let mut probing = opened();
    assert_eq!(probing.admit(5_000), Some(Pass::Probe));
    let mut successor = probing.successor();
    assert_eq!(successor.admit(5_000), Some(Pass::Probe), "it does not wait for an answer that the other one gets");
    let mut counting = after(&[Sign::Down; 3]).successor();
    counting.record(0, Pass::Ordinary, Sign::Down);
    assert_eq!(counting.state(), BreakerState::Open);
}
