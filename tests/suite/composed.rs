//! What an operator composes: a directory first, then the ERP's accounts, then local ones, all of them real servers, each
//! of them down or slow in turn.

use crate::plugins::{component, library};
use crate::slapd::{BASE, BIND_DN, BIND_PASSWORD, Slapd};
use crate::tryton::server::{PASSWORD, SERVICE_PASSWORD, Tryton, UNICODE};
use pintle_tests::{Options, TestServer};
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

/// What each of [`LOGINS`] gets.
type Answers = [&'static str; 14];

/// `every`: 1 for all logins, 3 for a third of them, where each takes its time.
async fn assert_answers(server: &TestServer, what: &str, expected: Answers, every: usize) {
    for ((username, password), expected) in LOGINS.into_iter().zip(expected).step_by(every) {
        let answer = tokio::time::timeout(Duration::from_secs(10), login(server, username, password)).await;
        assert_eq!(answer.expect("an answer in time"), expected, "{what}: {username}, {password}");
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_login_gets_the_answer_of_the_table_whatever_is_down() {
    let mut directory = tokio::task::spawn_blocking(Slapd::start).await.unwrap();
    let mut erp = Tryton::start().await;
    let next = pintle(&directory, &erp, "next", "8s").await;
    let stop = pintle(&directory, &erp, "stop", "8s").await;
    assert_answers(&next, "all up, next", ALL_UP, 1).await;
    assert_answers(&stop, "all up, stop", ALL_UP, 1).await;
    directory.stop();
    assert_answers(&next, "no directory, next", NO_DIRECTORY_NEXT, 1).await;
    assert_answers(&stop, "no directory, stop", NO_DIRECTORY_STOP, 1).await;
    directory.restart();
    // The circuit breakers have opened, and let a call through after five seconds.
    for server in [&next, &stop] {
        server.clock.advance(Duration::from_secs(5));
    }
    assert_answers(&next, "directory back, next", ALL_UP, 1).await;
    assert_answers(&stop, "directory back, stop", ALL_UP, 1).await;
    erp.stop();
    assert_answers(&next, "no ERP, next", NO_ERP_NEXT, 1).await;
    assert_answers(&stop, "no ERP, stop", NO_ERP_STOP, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_login_gets_the_same_answer_in_time_when_a_backend_is_slow() {
    let directory = tokio::task::spawn_blocking(Slapd::start).await.unwrap();
    let erp = Tryton::start().await;
    // A hanging backend costs a call's whole time; the healthy one needs some of it on a busy machine.
    let next = pintle(&directory, &erp, "next", "3s").await;
    let stop = pintle(&directory, &erp, "stop", "3s").await;
    directory.pause();
    assert_answers(&next, "slow directory, next", NO_DIRECTORY_NEXT, 3).await;
    directory.go_on();
    erp.signal(libc::SIGSTOP);
    assert_answers(&stop, "slow ERP, stop", NO_ERP_STOP, 3).await;
    erp.signal(libc::SIGCONT);
}
