//! A native library that breaks the header's rules, in a running server: C++ that throws, buffers that are not what they say.
//! It harms its own call, where that can be had; it runs with the server's rights.

use pintle::admin::{self, Command as Admin};
use pintle::plugin::private_dir::sha256_hex;
use pintle_plugin_api::{CallContext, VerifyRequest};
use pintle_tests::{Caller, Options, TestServer, fixtures};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Compiles the library. Its name within keeps the loader from taking one test's for another's.
pub fn compiled(folder: &Path, name: &str, definitions: &[String]) -> PathBuf {
    let (include, library) = (fixtures().join("../../plugin-api/include"), folder.join("libhostile.so"));
    let output = Command::new("c++")
        .args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o"])
        .arg(&library)
        .arg(format!("-Wl,-soname,{name}"))
        .arg(format!("-I{}", include.display()))
        .args(definitions)
        .arg(fixtures().join("plugins/hostile.cpp"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

async fn try_start(name: &str, config: &str) -> (TempDir, Result<TestServer, String>) {
    let folder = tempfile::tempdir().unwrap();
    let overlay = overlay(folder.path(), name, &[], config);
    (folder, Options::reference("clarico").overlay(&overlay).try_start().await)
}

/// The entry of a library that is compiled for it.
fn overlay(folder: &Path, name: &str, definitions: &[String], config: &str) -> String {
    let library = tokio::task::block_in_place(|| compiled(folder, name, definitions));
    let sha256 = sha256_hex(&std::fs::read(&library).unwrap());
    format!(
        "[trust]\nnative = true\n[plugins.hostile]\nsource = \"{}\"\nsha256 = \"{sha256}\"\nrequired = true\n\
         limits = {{ timeout = \"1s\" }}\nconfig = {{ {config} }}\n[users]\nchain = [\"hostile\", \"local\"]\n[lockout]\nfree_tries = 1000\n",
        library.display()
    )
}

async fn start(name: &str) -> (TempDir, TestServer) {
    let (folder, server) = try_start(name, "").await;
    let server = server.unwrap();
    server.user("ann", "correct horse").await;
    (folder, server)
}

async fn login(caller: &Caller, username: &str) -> String {
    caller.post("/token", &format!("grant_type=password&username={username}&password=correct horse")).await.error()
}

const OK: &str = "200 ";
const NO: &str = "400 invalid_grant";
const DOWN: &str = "503 temporarily_unavailable";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_ends_its_own_call_and_the_third_one_the_use_of_the_plugin() {
    let (_folder, server) = start("throwing").await;
    let caller = server.caller();
    for (fault, after) in [("throw", OK), ("throw-in-release", OK), ("throw-a-number", DOWN)] {
        assert_eq!(login(&caller, fault).await, DOWN, "{fault}");
        assert_eq!(login(&caller, "ann").await, after, "after {fault}");
    }
    assert_eq!(caller.get("/health/live").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_that_the_header_stops_costs_an_instance_and_nothing_else() {
    let (_folder, server) = start("guarded").await;
    let caller = server.caller();
    for _ in 0..5 {
        assert_eq!(login(&caller, "guarded").await, DOWN);
        assert_eq!(login(&caller, "ann").await, OK);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_out_of_create_or_destroy_leaves_the_server_running() {
    let (_folder, server) = try_start("create", "throw = true").await;
    let error = server.err().unwrap();
    assert!(error.contains("it let an exception out of a call"), "{error}");

    let (_folder, server) = start("destroy").await;
    let caller = server.caller();
    assert_eq!(login(&caller, "destroy-throws").await, NO);
    for round in 1..=3 {
        assert_eq!(login(&caller, "fatal").await, DOWN, "{round}");
        if round < 3 {
            assert_eq!(login(&caller, "ann").await, OK, "by a new instance");
        }
    }
    until_disabled(&server).await;
    assert_eq!(caller.get("/health/live").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_out_of_cancel_counts_as_one_out_of_a_call() {
    let (_folder, server) = start("cancel").await;
    let caller = server.caller();
    for round in 1..=3 {
        assert_eq!(login(&caller, "cancel-throws").await, DOWN, "{round}");
        if round < 3 {
            assert_eq!(login(&caller, "ann").await, OK, "after {round}");
        }
    }
    until_disabled(&server).await;
    assert_eq!(caller.get("/health/live").await.status, 200);
}

/// What `destroy` and `cancel` throw comes on threads that nobody waits for.
async fn until_disabled(server: &TestServer) {
    let verifier = server.app.registry().user_verifier("hostile").unwrap();
    let asking = async {
        loop {
            let request = VerifyRequest { username: Some("ann".into()), kind: "password".into(), ..Default::default() };
            match verifier.verify(&CallContext::default(), request).await {
                Err(ended) if ended.error.to_string().contains("disabled") => return,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asking).await.expect("the plugin is not called any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_out_of_the_entry_refuses_the_library_and_leaves_the_server_running() {
    let (_folder, server) = start("before-entry").await;
    let broken = tempfile::tempdir().unwrap();
    let config = overlay(broken.path(), "entry", &["-DTHROW_IN_ENTRY".to_owned()], "");
    std::fs::write(server.folder.path().join("overlay.toml"), &config).unwrap();
    let reload = Admin::Reload { plugin: None };
    let message = admin::execute_live(&*server.app, reload).await.unwrap_err().message;
    assert!(message.contains("it let an exception out of a call"), "{message}");
    assert_eq!(login(&server.caller(), "ann").await, OK, "by the library that was there");

    let started = Options::reference("clarico").overlay(&config).try_start().await;
    let error = started.err().unwrap();
    assert!(error.contains("it let an exception out of a call"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_hangs_is_given_up_and_others_are_answered_meanwhile() {
    let (_folder, server) = start("hanging").await;
    let caller = server.caller();
    assert_eq!(login(&caller, "hang").await, DOWN);
    assert_eq!(login(&caller, "ann").await, OK, "while it still hangs");
    assert_eq!(login(&caller, "go-on").await, NO);
    assert_eq!(login(&caller, "hang").await, NO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_buffer_that_lies_is_no_answer_and_every_answer_is_released_once() {
    let (_folder, server) = start("buffers").await;
    let caller = server.caller();
    for fault in ["null", "endless", "too-long", "no-text"] {
        assert_eq!(login(&caller, fault).await, DOWN, "{fault}");
        assert_eq!(login(&caller, "ann").await, OK, "after {fault}");
    }
    // The same static buffer every time, here and for ann.
    for odd in ["release-thrice", "never-released", "somebody"] {
        assert_eq!(login(&caller, odd).await, NO, "{odd}");
    }
    let verifier = server.app.registry().user_verifier("hostile").unwrap();
    let request =
        VerifyRequest { username: Some("releases".to_owned()), kind: "password".to_owned(), ..Default::default() };
    let answer = verifier.verify(&CallContext::default(), request).await.unwrap();
    // Four that lied, four of ann's, one after the host's own was released thrice, one of somebody's.
    assert_eq!(answer, pintle_plugin_api::VerifyOutcome::Rejected("10".to_owned()));
}
