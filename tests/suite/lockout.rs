//! Brute force over HTTP: never more tries than the policy allows, however many come at once.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use futures_util::FutureExt;
use futures_util::future::join_all;
use pintle::clock::{Clock, SystemClock};
use pintle::flow::Call;
use pintle::flow::clients::authenticate;
use pintle::flow::login::by_password;
use pintle::oauth::client_auth::{ClientAuthMethod, PresentedClient};
use pintle::plugin::{CallError, UserVerifier};
use pintle_plugin_api::{Accepted, Account, CallContext, VerifyOutcome, VerifyRequest};
use pintle_tests::{Answer, Caller, Options, TestServer};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// Knows `dory` with the password `right`, and counts how often it is asked.
#[derive(Default)]
struct Counting(AtomicUsize);

#[async_trait]
impl UserVerifier for Counting {
    async fn verify(&self, _call: &CallContext, request: VerifyRequest) -> Result<VerifyOutcome, CallError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok(match (request.username.as_deref(), request.secret.as_slice()) {
            (Some("dory"), b"right") => VerifyOutcome::Accepted(Accepted {
                account: Account { id: "1".into(), username: "dory".into(), ..Account::default() },
                amr: vec!["pwd".into()],
                acr: None,
            }),
            (Some("dory"), _) => VerifyOutcome::Rejected("wrong".into()),
            _ => VerifyOutcome::UnknownUser,
        })
    }
}

async fn start(mut options: Options) -> (TestServer, Arc<Counting>) {
    let verifier = Arc::new(Counting::default());
    let own = verifier.clone();
    options.customize = Some(Box::new(move |builder| builder.user_verifier("own", own)));
    (options.start().await, verifier)
}

#[tokio::test]
async fn the_address_of_a_confidential_client_counts_where_the_operator_says_so() {
    for (counts, expected) in [(false, "400 invalid_grant"), (true, "429 temporarily_unavailable")] {
        let overlay = format!("[lockout]\ncount_client_addresses = {counts}\n");
        let (server, _) = start(Options::reference("korap").overlay(&overlay)).await;
        let caller = server.caller();
        for number in 0..5 {
            assert_eq!(login(&caller, &format!("user{number}"), "wrong").await.error(), "400 invalid_grant");
        }
        assert_eq!(login(&caller, "another", "wrong").await.error(), expected);
    }
}

/// With the default costs and queue, so that most of them wait much longer than a plugin's call may wait for its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_right_logins_at_once_all_get_their_token() {
    let options = Options::reference("korap").overlay("[lockout]\nfree_tries = 1000\n");
    let server = Options { full_cost: true, real_clock: true, ..options }.start().await;
    server.user("ann", "correct horse").await;
    let caller = server.caller();
    let answers = join_all((0..100).map(|_| login(&caller, "ann", "correct horse"))).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).map(|answer| &answer.text).collect();
    assert!(refused.is_empty(), "{} of 100: {:?}", refused.len(), refused.first());
}

/// One thread, one place to wait, and hashes that take long enough for all to come meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_hashing_queue_is_a_503_that_says_when_to_come_back() {
    let overlay = "[passwords]\nmemory_kib = 65536\niterations = 3\nthreads = 1\nqueue = 1\n";
    let options = Options { full_cost: true, real_clock: true, ..Options::reference("korap").overlay(overlay) };
    let server = options.start().await;
    server.user("ann", "correct horse").await;
    let caller = server.caller();
    for username in ["ann", "nobody"] {
        let answers = join_all((0..12).map(|_| login(&caller, username, "correct horse"))).await;
        let full: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
        assert!(full.len() >= 8, "{username}: {} of 12", full.len());
        for answer in full {
            assert_eq!(answer.error(), "503 temporarily_unavailable", "{}", answer.text);
            assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
        }
        let expected = if username == "ann" { 200 } else { 400 };
        assert!(answers.iter().any(|answer| answer.status == expected), "{username}");
    }
}

async fn login(caller: &Caller, username: &str, password: &str) -> Answer {
    let body = format!("grant_type=password&username={username}&password={password}");
    caller.post_as("dRJnpFH6RHTr6L7bNhrn7F", "_IGaQqvUUrPTzRKJvqPYnA", "/api/oauth2/token", &body).await
}

/// On the machine's clock, as tries wait for each other; no delay passes within the test.
async fn crowd(username: &str, password: &str, size: usize) -> (Vec<Answer>, usize) {
    let overlay = "[passwords]\nfailure_time = \"0s\"\n[lockout]\nbase_delay = \"10m\"\nmax_delay = \"1h\"\n";
    let (server, verifier) = start(Options { real_clock: true, ..Options::reference("korap").overlay(overlay) }).await;
    let caller = server.caller();
    let answers = join_all((0..size).map(|_| login(&caller, username, password))).await;
    (answers, verifier.0.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_wrong_passwords_at_once_get_no_more_tries_than_allowed() {
    for username in ["dory", "nobody"] {
        let (answers, asked) = crowd(username, "wrong", 200).await;
        let refused = answers.iter().filter(|answer| answer.status == 429).collect::<Vec<_>>();
        let wrong = answers.iter().filter(|answer| answer.error() == "400 invalid_grant").count();
        assert_eq!((wrong, refused.len(), asked), (5, 195, 5), "{username}");
        assert!(refused.iter().all(|answer| answer.header("retry-after").parse::<u64>().is_ok()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_with_the_right_password_is_not_locked_out() {
    let (answers, asked) = crowd("dory", "right", 64).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(asked, 64);
}

#[tokio::test]
async fn delays_double_and_the_right_password_works_once_they_have_passed() {
    let (server, verifier) = start(Options::reference("korap")).await;
    let caller = server.caller();
    for _ in 0..5 {
        assert_eq!(login(&caller, "dory", "wrong").await.error(), "400 invalid_grant");
    }
    let mut waits = Vec::new();
    for _ in 0..3 {
        let refused = login(&caller, "dory", "wrong").await;
        assert_eq!(refused.error(), "429 temporarily_unavailable");
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        waits.push(wait);
        server.clock.advance(Duration::from_secs(wait));
        assert_eq!(login(&caller, "dory", "wrong").await.error(), "400 invalid_grant");
    }
    assert_eq!(verifier.0.load(Ordering::SeqCst), 8);
    assert!(waits[0] <= 1 && waits[1] == 2 && waits[2] == 4, "{waits:?}");
    assert_eq!(login(&caller, "dory", "right").await.status, 429, "held back, even with the right password");
    server.clock.advance(Duration::from_secs(8));
    assert_eq!(login(&caller, "dory", "right").await.status, 200);
    for _ in 0..5 {
        assert_eq!(login(&caller, "dory", "wrong").await.error(), "400 invalid_grant", "forgotten by a success");
    }
}

#[tokio::test]
async fn one_address_gets_five_free_tries_over_all_names() {
    let server = Options::reference("clarico").start().await;
    let caller = server.caller();
    for index in 0..5 {
        let body = format!("grant_type=password&username=user{index}&password=wrong");
        assert_eq!(caller.post("/token", &body).await.error(), "400 invalid_grant");
    }
    let body = "grant_type=password&username=another&password=wrong";
    assert_eq!(caller.post("/token", body).await.error(), "429 temporarily_unavailable");
}

const APP: &str = r#"
issuer = "http://127.0.0.1:{port}"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
trusted_proxies = ["127.0.0.1"]
[[clients]]
id = "hashed"
type = "confidential"
secret = { hash = "{phc}" }
grants = ["client_credentials"]
[[clients]]
id = "keyed"
type = "confidential"
secret = { value = "a-secret-of-a-machine" }
grants = ["client_credentials"]
"#;

const SECRET: &str = "a-secret-of-a-machine";

fn app() -> Options {
    let params = argon2::Params::new(8, 1, 1, Some(32)).unwrap();
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let (salt, mut hash) = ([7; 16], [0; 32]);
    hasher.hash_password_into(SECRET.as_bytes(), &salt, &mut hash).unwrap();
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    Options::new(APP.replace("{phc}", &format!("$argon2id$v=19$m=8,t=1,p=1${salt}${hash}")))
}

async fn machine(caller: &Caller, from: &str, path: &str, client: &str, secret: &str) -> Answer {
    let request = caller.request("POST", path).header("X-Forwarded-For", from).basic_auth(client, Some(secret));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    caller.send(request.body("grant_type=client_credentials&token=x")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_wrong_client_secrets_at_once_get_no_more_tries_than_allowed() {
    for client in ["hashed", "keyed", "unknown"] {
        let overlay = "[lockout]\nbase_delay = \"10m\"\nmax_delay = \"1h\"\n";
        let server = Options { real_clock: true, ..app().overlay(overlay) }.start().await;
        let caller = server.caller();
        let guess = |number: usize| {
            let path = ["/token", "/introspect", "/revoke"][number % 3];
            machine(&caller, "192.0.2.1", path, client, "wrong")
        };
        let answers = join_all((0..200).map(guess)).await;
        let wrong: Vec<_> = answers.iter().filter(|answer| answer.error() == "401 invalid_client").collect();
        let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
        assert_eq!((wrong.len(), refused.len()), (5, 195), "{client}");
        assert!(wrong.iter().all(|answer| answer.field("error_description") == "client authentication failed"));
        for answer in refused {
            assert_eq!(answer.error(), "429 temporarily_unavailable");
            assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 500), "{client}");
        }
        if client != "unknown" {
            for path in ["/token", "/introspect", "/revoke"] {
                assert_eq!(machine(&caller, "192.0.2.1", path, client, SECRET).await.status, 429, "{client} {path}");
                assert_eq!(machine(&caller, "192.0.2.2", path, client, SECRET).await.status, 200, "{client} {path}");
            }
        }
    }
}

#[tokio::test]
async fn the_right_client_secret_works_once_the_delay_has_passed_and_is_then_free_again() {
    let server = app().start().await;
    let caller = server.caller();
    for client in ["hashed", "keyed"] {
        for _ in 0..2 {
            for _ in 0..5 {
                let wrong = machine(&caller, "192.0.2.1", "/token", client, "wrong").await;
                assert_eq!(wrong.error(), "401 invalid_client", "{client}");
            }
            let refused = machine(&caller, "192.0.2.1", "/token", client, SECRET).await;
            assert_eq!((refused.status, refused.header("retry-after").as_str()), (429, "1"), "{client}");
            server.clock.advance(Duration::from_secs(1));
            assert_eq!(machine(&caller, "192.0.2.1", "/token", client, SECRET).await.status, 200, "{client}");
        }
    }
}

#[tokio::test]
async fn who_hangs_up_while_a_secret_is_hashed_has_failed_only_if_it_was_wrong() {
    let server = Options { real_clock: true, ..app() }.start().await;
    let core = &server.app.core();
    let call = Call::new("r".into(), None);
    let attempt = |secret: &str| {
        let (method, secret) = (ClientAuthMethod::ClientSecretBasic, Some(secret.to_owned().into()));
        authenticate(core, &call, PresentedClient { id: "hashed".into(), method, secret })
    };
    for _ in 0..5 {
        for _ in 0..4 {
            assert!(attempt(SECRET).now_or_never().is_none(), "hashing takes longer than no time");
        }
        assert!(attempt(SECRET).await.is_ok());
    }
    assert_eq!(core.lockout.stats().failures, 0);
    assert!(attempt("wrong").now_or_never().is_none());
    until(|| core.lockout.stats().failures == 1).await;
}

/// Each of these names a client and proves nothing: there is nothing to count.
#[tokio::test]
async fn a_request_without_a_secret_is_no_guess() {
    let server = app().start().await;
    let caller = server.caller();
    for _ in 0..20 {
        let answer = caller.post("/token", "grant_type=client_credentials&client_id=keyed").await;
        assert_eq!(answer.error(), "401 invalid_client");
    }
    assert_eq!(caller.post_as("keyed", SECRET, "/token", "grant_type=client_credentials").await.status, 200);
}

/// A clock whose sleepers wait until the test moves it on, and are counted by when they want to wake.
struct PatientClock {
    now_ms: watch::Sender<u64>,
    sleepers: Mutex<Vec<u64>>,
}

impl PatientClock {
    fn sleepers(&self, until_ms: u64) -> usize {
        self.sleepers.lock().unwrap().iter().filter(|deadline_ms| **deadline_ms == until_ms).count()
    }
}

#[async_trait]
impl Clock for PatientClock {
    fn now_ms(&self) -> u64 {
        *self.now_ms.borrow()
    }

    fn monotonic_ms(&self) -> u64 {
        self.now_ms()
    }

    async fn sleep_until(&self, deadline_ms: u64) {
        self.sleepers.lock().unwrap().push(deadline_ms);
        self.now_ms.subscribe().wait_for(|now_ms| *now_ms >= deadline_ms).await.unwrap();
    }
}

async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
}

/// A second backend makes the chain longer for a name that the first one does not know. Who waits for those tries must
/// not learn when the chain ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_waited_for_other_tries_does_not_tell_how_long_the_chain_took() {
    for (username, asked) in [("dory", (5, 0)), ("nobody", (5, 5))] {
        let start_ms = SystemClock::new().now_ms();
        let clock = Arc::new(PatientClock { now_ms: watch::channel(start_ms).0, sleepers: Mutex::default() });
        let (first, second) = (Arc::new(Counting::default()), Arc::new(Counting::default()));
        let (own_clock, own_first, own_second) = (clock.clone(), first.clone(), second.clone());
        let mut options = Options::reference("korap");
        options.customize = Some(Box::new(move |builder| {
            builder.clock(own_clock).user_verifier("first", own_first).user_verifier("second", own_second)
        }));
        let server = options.start().await;
        let lockout = server.app.core().lockout.clone();
        let caller = server.caller();
        let tries = |count: usize| {
            let tries = (0..count).map(|_| {
                let (caller, username) = (caller.clone(), username.to_owned());
                tokio::spawn(async move { login(&caller, &username, "wrong").await })
            });
            tries.collect::<Vec<_>>()
        };
        let in_flight = tries(5);
        until(|| clock.sleepers(start_ms + 500) == 5).await;
        assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), asked, "{username}");
        assert_eq!(lockout.stats().failures, 0, "{username}: no try has ended, though the chain has");
        let waiting = tries(1);
        until(|| lockout.stats().waits == 1).await;
        clock.now_ms.send_replace(start_ms + 500);
        for (answers, expected) in [(in_flight, "400 invalid_grant"), (waiting, "429 temporarily_unavailable")] {
            for answer in join_all(answers).await {
                assert_eq!(answer.unwrap().error(), expected, "{username}");
            }
        }
    }
}

#[tokio::test]
async fn a_name_with_an_empty_password_is_not_taken_for_an_accounts() {
    let (server, verifier) = start(Options::reference("korap")).await;
    let core = &server.app.core();
    let client = core.clients.find_configured("dRJnpFH6RHTr6L7bNhrn7F").unwrap();
    let call = Call::new("r".into(), None);
    let login = by_password(core, &call, client, "hunter2", &String::new().into()).await;
    assert!(login.is_err());
    assert_eq!(verifier.0.load(Ordering::SeqCst), 0);
    assert_eq!(call.trail.facts().username, None);
    let listed = core.lockout.list(None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.label.clone()).collect::<Vec<_>>(), [None]);
}
