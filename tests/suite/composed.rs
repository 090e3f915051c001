//! What an operator composes: a directory first, then the ERP's accounts, then local ones, all of them real servers, each
//! of them down or slow in turn.

use crate::plugins::{component, library};
use crate::slapd::{BASE, BIND_DN, BIND_PASSWORD, Slapd};
use crate::tryton::server::{PASSWORD, SERVICE_PASSWORD, Tryton, UNICODE};
use futures_util::future::join_all;
use pintle::admin::{self, Command};
use pintle_tests::{Options, TestServer};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const OK: &str = "200 ";
const NO: &str = "400 invalid_grant";
const DOWN: &str = "503 temporarily_unavailable";

/// `on_error` of the directory and the ERP; each has `timeout` for a call.
async fn pintle(directory: &Slapd, erp: &Tryton, on_error: &str, timeout: &str) -> TestServer {
    let (ldap, tryton) =
        tokio::task::spawn_blocking(|| (library("plugins/ldap"), component("plugins/erp-tryton"))).await.unwrap();
    let overlay = format!(
        r#"
[trust]
native = true
[lockout]
free_tries = 1000
[plugins.directory]
source = "{}"
sha256 = "{}"
limits = {{ timeout = "{timeout}" }}
secrets = {{ bind_password = {{ value = "{BIND_PASSWORD}" }} }}
config = {{ url = "{}", bind_dn = "{BIND_DN}", base = "{BASE}", filter = "(uid={{username}})", blocked = "(employeeType=blocked)" }}
[plugins.erp]
source = "{}"
network = ["{}"]
limits = {{ timeout = "{timeout}" }}
secrets = {{ service_password = {{ value = "{SERVICE_PASSWORD}" }} }}
config = {{ database = "erp", service_user = "pintle" }}
[users]
chain = [{{ plugin = "directory", on_error = "{on_error}" }}, {{ plugin = "erp", on_error = "{on_error}" }}, "local"]
"#,
        ldap.path.display(),
        ldap.sha256,
        directory.url(),
        tryton.path.display(),
        erp.origin(),
    );
    let server = Options::reference("clarico").overlay(&overlay).start().await;
    for user in ["local", "disabled", "ann"] {
        server.user(user, "local-password").await;
    }
    let disabled = server.app.core().accounts.by_username("disabled").await.unwrap().unwrap();
    let batch = pintle::store::Batch::new();
    server.app.core().accounts.set_disabled(&disabled.id, true, batch).await.unwrap();
    server
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn login(server: &TestServer, username: &str, password: &str) -> String {
    let body = format!("grant_type=password&username={}&password={}", encoded(username), encoded(password));
    server.caller().post("/token", &body).await.error()
}

async fn command(server: &TestServer, command: Command) {
    admin::execute(&server.app.core(), command).await.unwrap();
}

/// A user and password of each sort.
const LOGINS: [(&str, &str); 14] = [
    ("bob", "rightful"),
    ("bob", "wrong"),
    ("blocked", "rightful"),
    (UNICODE, PASSWORD),
    (UNICODE, "wrong"),
    ("eve", PASSWORD),
    ("local", "local-password"),
    ("local", "wrong"),
    ("disabled", "local-password"),
    ("nobody", "wrong"),
    // Three backends know this name: the first one that answers decides.
    ("ann", "rightful"),
    ("ann", PASSWORD),
    ("ann", "local-password"),
    ("ann", "wrong"),
];

/// A call's time where a backend is slow: a hanging one costs all of it. A healthy Tryton sleeps after up to three wrong
/// passwords of one login at once, even before a right one: at random, for less than eight seconds.
const SLOW: Duration = Duration::from_secs(10);
/// Far less than the logins would take by turns.
const IN_TIME: Duration = Duration::from_secs(20);

/// What each of [`LOGINS`] gets.
type Answers = [&'static str; 14];

async fn assert_answers(server: &TestServer, what: &str, expected: Answers) {
    for ((username, password), expected) in LOGINS.into_iter().zip(expected) {
        let answer = tokio::time::timeout(IN_TIME, login(server, username, password)).await;
        assert_eq!(answer.expect("an answer in time"), expected, "{what}: {username}, {password}");
    }
}

/// As [`assert_answers`], all at once, and none waits for another one's slow backend: those that `do_not_wait` have their
/// answers before any of the others.
async fn assert_answers_at_once(server: &TestServer, what: &str, expected: Answers, do_not_wait: &[&str]) {
    let answered = AtomicUsize::new(0);
    let all = join_all(LOGINS.map(async |(username, password)| {
        let answer = login(server, username, password).await;
        (answer, answered.fetch_add(1, Ordering::Relaxed))
    }));
    let answers = tokio::time::timeout(IN_TIME, all).await.unwrap_or_else(|_| panic!("{what}: no answers in time"));
    let (mut quick, mut slow) = (Vec::new(), Vec::new());
    for (((username, password), expected), (answer, place)) in LOGINS.into_iter().zip(expected).zip(answers) {
        assert_eq!(answer, expected, "{what}: {username}, {password}");
        if do_not_wait.contains(&username) { &mut quick } else { &mut slow }.push(place);
    }
    assert!(quick.iter().max() < slow.iter().min(), "{what}: {quick:?} {slow:?}");
}

/// With every backend there, it does not matter what an error would do.
const ALL_UP: Answers = [OK, NO, NO, OK, NO, NO, OK, NO, NO, NO, OK, NO, NO, NO];
/// Whoever the directory has not spoken for may be its user: only who proves to be another's is let in, or refused by
/// whom the ERP or the server itself knows.
const NO_DIRECTORY_NEXT: Answers = [DOWN, DOWN, DOWN, OK, NO, NO, OK, NO, NO, DOWN, NO, OK, NO, NO];
const NO_DIRECTORY_STOP: Answers = [DOWN; 14];
/// The directory's users never get to the ERP.
const NO_ERP_NEXT: Answers = [OK, NO, NO, DOWN, DOWN, DOWN, OK, NO, NO, DOWN, OK, NO, NO, NO];
const NO_ERP_STOP: Answers = [OK, NO, NO, DOWN, DOWN, DOWN, DOWN, DOWN, DOWN, DOWN, OK, NO, NO, NO];
/// What the others say does not hang on the last one, whatever an error of theirs would do.
const NO_LOCAL: Answers = [OK, NO, NO, OK, NO, NO, DOWN, DOWN, DOWN, DOWN, OK, NO, NO, NO];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_login_gets_the_answer_of_the_table_whatever_is_down() {
    let mut directory = tokio::task::spawn_blocking(Slapd::start).await.unwrap();
    let mut erp = Tryton::start().await;
    let next = pintle(&directory, &erp, "next", "8s").await;
    let stop = pintle(&directory, &erp, "stop", "8s").await;
    assert_answers(&next, "all up, next", ALL_UP).await;
    assert_answers(&stop, "all up, stop", ALL_UP).await;
    for server in [&next, &stop] {
        command(server, Command::PluginDisable { plugin: "local".to_owned() }).await;
        assert_answers(server, "no local", NO_LOCAL).await;
        command(server, Command::PluginEnable { plugin: "local".to_owned() }).await;
        assert_answers(server, "local back", ALL_UP).await;
    }
    directory.stop();
    assert_answers(&next, "no directory, next", NO_DIRECTORY_NEXT).await;
    assert_answers(&stop, "no directory, stop", NO_DIRECTORY_STOP).await;
    directory.restart();
    // The circuit breakers have opened, and let a call through after five seconds.
    for server in [&next, &stop] {
        server.clock.advance(Duration::from_secs(5));
    }
    assert_answers(&next, "directory back, next", ALL_UP).await;
    assert_answers(&stop, "directory back, stop", ALL_UP).await;
    erp.stop();
    assert_answers(&next, "no ERP, next", NO_ERP_NEXT).await;
    assert_answers(&stop, "no ERP, stop", NO_ERP_STOP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_login_gets_the_same_answer_in_time_when_a_backend_is_slow() {
    let directory = tokio::task::spawn_blocking(Slapd::start).await.unwrap();
    let erp = Tryton::start().await;
    let timeout = format!("{}s", SLOW.as_secs());
    let next = pintle(&directory, &erp, "next", &timeout).await;
    let stop = pintle(&directory, &erp, "stop", &timeout).await;
    directory.pause();
    // It is asked first: everybody waits for it.
    assert_answers_at_once(&next, "slow directory, next", NO_DIRECTORY_NEXT, &[]).await;
    assert_answers_at_once(&stop, "slow directory, stop", NO_DIRECTORY_STOP, &[]).await;
    directory.go_on();
    // Of the failures the circuit breakers forget; there were too few of them to open one.
    for server in [&next, &stop] {
        server.clock.advance(Duration::from_secs(11));
    }
    erp.signal(libc::SIGSTOP);
    let of_the_directory = ["bob", "blocked", "ann"];
    assert_answers_at_once(&next, "slow ERP, next", NO_ERP_NEXT, &of_the_directory).await;
    assert_answers_at_once(&stop, "slow ERP, stop", NO_ERP_STOP, &of_the_directory).await;
    erp.signal(libc::SIGCONT);
}
