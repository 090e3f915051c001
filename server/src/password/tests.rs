use super::*;
use crate::entropy::SystemEntropy;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

fn options() -> Passwords {
    Passwords {
        memory_kib: 64,
        iterations: 1,
        parallelism: 1,
        threads: 2,
        queue: 8,
        min_length: 8,
        failure_time: Duration::ZERO,
    }
}

fn start(options: &Passwords) -> Arc<PasswordHasher> {
    PasswordHasher::start(options, Arc::new(SystemEntropy)).unwrap()
}

fn secret(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}

/// A hash that takes long enough to be in the middle of it: some 0.2 s.
fn slow() -> Passwords {
    Passwords { memory_kib: 65536, iterations: 4, threads: 1, queue: 1, ..options() }
}

#[tokio::test]
async fn a_hash_matches_its_password_and_no_other() {
    let hasher = start(&options());
    let phc = hasher.hash(secret("correct horse")).await.unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{phc}");
    assert_ne!(phc, hasher.hash(secret("correct horse")).await.unwrap(), "each hash has a salt of its own");
    let right = hasher.verify(&phc, secret("correct horse")).await.unwrap();
    assert_eq!(right, Verdict { matches: true, needs_rehash: false });
    assert!(!hasher.verify(&phc, secret("correct horsE")).await.unwrap().matches);
    assert!(!hasher.verify(&phc, secret("")).await.unwrap().matches);
}

fn argon2d(password: &str) -> String {
    use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
    let argon2 = Argon2::new(Algorithm::Argon2d, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
    argon2.hash_password_with_salt(password.as_bytes(), b"sixteen bytes ok").unwrap().to_string()
}

#[tokio::test]
async fn foreign_variants_and_costs_are_verified_and_want_a_rehash() {
    // From the reference implementation: `echo -n password | argon2 somesalt …`.
    let table = [
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
        "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
    ];
    let hasher = start(&options());
    for phc in table.map(String::from).into_iter().chain([argon2d("password")]) {
        let phc = &phc;
        let right = hasher.verify(phc, secret("password")).await;
        assert_eq!(right, Ok(Verdict { matches: true, needs_rehash: true }), "{phc}");
        assert!(!hasher.verify(phc, secret("passwort")).await.unwrap().matches, "{phc}");
    }
    assert!(hasher.resident_kib() <= 2 * 64, "what a foreign hash took beyond our own is given back");
}

#[tokio::test]
async fn changed_costs_want_a_rehash() {
    let phc = start(&options()).hash(secret("correct horse")).await.unwrap();
    for changed in [
        Passwords { memory_kib: 128, ..options() },
        Passwords { iterations: 2, ..options() },
        Passwords { parallelism: 2, ..options() },
    ] {
        let verdict = start(&changed).verify(&phc, secret("correct horse")).await.unwrap();
        assert_eq!(verdict, Verdict { matches: true, needs_rehash: true }, "{changed:?}");
    }
}

#[tokio::test]
async fn malformed_and_costly_strings_are_refused_before_anything_is_computed() {
    const TAIL: &str = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let malformed = [
        String::new(),
        "password".into(),
        "$".into(),
        "$2y$12$abcdefghijklmnopqrstuv".into(),
        format!("$scrypt$ln=15,r=8,p=1{TAIL}"),
        format!("argon2id$v=19$m=64,t=1,p=1{TAIL}"),
        format!("$argon2id$v=18$m=64,t=1,p=1{TAIL}"),
        format!("$argon2id$v=x$m=64,t=1,p=1{TAIL}"),
        format!("$argon2id$v=19{TAIL}"),
        format!("$argon2id$v=19$m=64,t=1{TAIL}"),
        format!("$argon2id$v=19$m=64,t=1,p=1,x=1{TAIL}"),
        format!("$argon2id$v=19$m=64,m=64,t=1,p=1{TAIL}"),
        format!("$argon2id$v=19$m=64,t=0,p=1{TAIL}"),
        format!("$argon2id$v=19$m=64,t=1,p=0{TAIL}"),
        format!("$argon2id$v=19$m=7,t=1,p=1{TAIL}"),
        format!("$argon2id$v=19$m=64,t=1,p=9{TAIL}"),
        format!("$argon2id$v=19$m=-64,t=1,p=1{TAIL}"),
        format!("$argon2id$v=19$m=99999999999,t=1,p=1{TAIL}"),
        format!("$argon2id$v=19$m=64,t=1,p=1{TAIL}$more"),
        "$argon2id$v=19$m=64,t=1,p=1".into(),
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ".into(),
        "$argon2id$v=19$m=64,t=1,p=1$c29t$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".into(),
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFh".into(),
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$not base64 at all, no".into(),
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc=".into(),
    ];
    let costly = [
        format!("$argon2id$v=19$m=4194304,t=1,p=1{TAIL}"),
        format!("$argon2id$v=19$m=262145,t=1,p=1{TAIL}"),
        format!("$argon2id$v=19$m=4294967295,t=4294967295,p=1{TAIL}"),
        format!("$argon2id$v=19$m=64,t=4294967295,p=1{TAIL}"),
        format!("$argon2id$v=19$m=65536,t=17,p=1{TAIL}"),
        format!("$argon2id$v=19$m=65536,t=1,p=17{TAIL}"),
        format!("$argon2id$v=19$m=64,t=1,p=4294967295{TAIL}"),
    ];
    let hasher = start(&options());
    for phc in &malformed {
        let error = hasher.verify(phc, secret("password")).await.unwrap_err();
        assert!(matches!(error, HashError::Malformed(_)), "{phc}: {error:?}");
    }
    for phc in &costly {
        assert_eq!(hasher.verify(phc, secret("password")).await, Err(HashError::TooCostly), "{phc}");
        assert_eq!(hasher.check(phc), Err(HashError::TooCostly), "{phc}");
    }
    assert_eq!((hasher.computed(), hasher.resident_kib()), (0, 0));
}

#[tokio::test]
async fn the_dummy_costs_one_hash_with_the_same_memory() {
    let hasher = start(&Passwords { threads: 1, ..options() });
    hasher.verify_dummy(secret("whatever")).await.unwrap();
    assert_eq!((hasher.computed(), hasher.resident_kib()), (1, 64));
}

#[test]
fn costs_that_argon2_does_not_take_are_an_error_of_the_start() {
    for bad in [
        Passwords { memory_kib: 7, ..options() },
        Passwords { iterations: 0, ..options() },
        Passwords { parallelism: 9, ..options() },
        Passwords { parallelism: u32::MAX, ..options() },
    ] {
        let error = PasswordHasher::start(&bad, Arc::new(SystemEntropy)).unwrap_err();
        assert!(matches!(error, StartError::Costs), "{bad:?}");
    }
}

#[tokio::test]
async fn memory_is_taken_at_the_first_hash_reused_and_freed_when_idle() {
    let hasher = PasswordHasher::start_with(&options(), Arc::new(SystemEntropy), Duration::from_millis(1)).unwrap();
    assert_eq!(hasher.resident_kib(), 0);
    hasher.hash(secret("correct horse")).await.unwrap();
    while hasher.resident_kib() > 0 {
        tokio::task::yield_now().await;
    }
    let hasher = start(&options());
    for _ in 0..20 {
        hasher.hash(secret("correct horse")).await.unwrap();
    }
    assert!((64..=2 * 64).contains(&hasher.resident_kib()), "at most one piece of memory a thread");
}

#[tokio::test]
async fn a_full_queue_is_busy_and_those_who_gave_up_make_room_and_cost_nothing() {
    let hasher = start(&slow());
    let mut context = Context::from_waker(Waker::noop());
    let mut running = Box::pin(hasher.hash(secret("running")));
    assert!(running.as_mut().poll(&mut context).is_pending());
    while hasher.queued() > 0 {
        tokio::task::yield_now().await;
    }
    let mut waiting = Box::pin(hasher.hash(secret("waiting")));
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    assert_eq!(hasher.queued(), 1);
    let mut refused = pin!(hasher.hash(secret("one too many")));
    assert_eq!(refused.as_mut().poll(&mut context), Poll::Ready(Err(HashError::Busy)));

    drop(waiting);
    let mut later = Box::pin(hasher.verify_dummy(secret("later")));
    assert!(later.as_mut().poll(&mut context).is_pending(), "the one who gave up made room");
    drop(later);
    running.await.unwrap();
    hasher.verify_dummy(secret("last")).await.unwrap();
    assert_eq!(hasher.computed(), 2, "abandoned jobs are not computed");
}

#[tokio::test]
async fn who_gave_up_in_a_queue_with_room_costs_nothing_either() {
    let hasher = start(&Passwords { queue: 8, ..slow() });
    let mut context = Context::from_waker(Waker::noop());
    let mut running = Box::pin(hasher.verify_dummy(secret("running")));
    assert!(running.as_mut().poll(&mut context).is_pending());
    while hasher.queued() > 0 {
        tokio::task::yield_now().await;
    }
    let mut waiting = Box::pin(hasher.verify_dummy(secret("waiting")));
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    drop(waiting);
    hasher.verify_dummy(secret("last")).await.unwrap();
    assert_eq!(hasher.computed(), 2);
}

#[tokio::test]
async fn dropping_the_pool_joins_the_threads() {
    let hasher = start(&options());
    let shared = std::sync::Arc::downgrade(&hasher);
    hasher.hash(secret("correct horse")).await.unwrap();
    drop(hasher);
    assert!(shared.upgrade().is_none());
}

#[tokio::test]
async fn a_plugins_hash_has_a_lower_ceiling_unless_the_servers_own_is_higher() {
    const TAIL: &str = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let hasher = start(&options());
    let phc = hasher.hash(secret("correct horse")).await.unwrap();
    assert_eq!(hasher.verify_for_plugin(&phc, secret("correct horse")).await, Ok(true));
    assert_eq!(hasher.verify_for_plugin(&phc, secret("wrong")).await, Ok(false));
    let before = hasher.computed();
    for costs in ["m=65537,t=1,p=1", "m=65536,t=5,p=1", "m=64,t=4097,p=1", "m=8192,t=1,p=17"] {
        let phc = format!("$argon2id$v=19${costs}{TAIL}");
        assert_eq!(hasher.verify_for_plugin(&phc, secret("x")).await, Err(HashError::TooCostly), "{costs}");
    }
    assert_eq!(hasher.computed(), before);
    let costly = start(&Passwords { memory_kib: 65537, ..options() });
    let phc = format!("$argon2id$v=19$m=65537,t=1,p=1{TAIL}");
    assert_eq!(costly.verify_for_plugin(&phc, secret("x")).await, Ok(false));
}

#[test]
fn the_capacity_covers_a_full_queue() {
    let usual = Passwords { memory_kib: 19456, iterations: 2, queue: 256, ..options() };
    let capacity = start(&usual).capacity();
    assert_eq!(capacity.callers, 258);
    let on_this_machine = Duration::from_millis(26) * 256 / 2;
    assert!(capacity.longest > 3 * on_this_machine && capacity.longest < LONGEST_WAIT, "{capacity:?}");
    let endless = start(&Passwords { queue: 100_000, ..usual }).capacity();
    assert_eq!(endless.longest, LONGEST_WAIT);
}
