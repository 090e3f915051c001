//! A hostile Wasm plugin harms its own calls only.

use crate::plugins::component;
use pintle_tests::{Answer, Caller, Options, TestServer};
use std::time::Duration;

async fn start(required: bool) -> TestServer {
    let hostile = tokio::task::spawn_blocking(|| component("tests/hostile")).await.unwrap();
    let overlay = format!(
        "[plugins.hostile]\nsource = \"{}\"\nrequired = {required}\n[users]\nchain = [\"hostile\", \"local\"]\n\
         [lockout]\nfree_tries = 1000\n",
        hostile.path.display()
    );
    let server = Options::reference("clarico").overlay(&overlay).start().await;
    server.user("ann", "correct horse").await;
    server
}

async fn login(caller: &Caller, username: &str) -> Answer {
    caller.post("/token", &format!("grant_type=password&username={username}&password=correct horse")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sort_of_fault_is_a_503_for_its_own_call_while_others_log_in() {
    let server = start(true).await;
    let caller = server.caller();
    assert_eq!(login(&caller, "ann").await.status, 200);
    for fault in ["loop", "calls", "bomb", "trap", "huge"] {
        let hostile = {
            let caller = caller.clone();
            tokio::spawn(async move { login(&caller, fault).await })
        };
        let mut meanwhile = 0;
        while !hostile.is_finished() || meanwhile < 3 {
            assert_eq!(login(&caller, "ann").await.status, 200, "beside {fault}");
            meanwhile += 1;
        }
        let answer = hostile.await.unwrap();
        assert_eq!(answer.error(), "503 temporarily_unavailable", "{fault}: {}", answer.text);
        assert!(!answer.header("retry-after").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_hostile_calls_at_once_leave_room_for_others() {
    let server = start(true).await;
    let caller = server.caller();
    let hostile: Vec<_> = (0..8)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move { login(&caller, "loop").await.status })
        })
        .collect();
    let good = tokio::time::timeout(Duration::from_secs(20), login(&caller, "ann")).await.unwrap();
    assert_eq!(good.status, 200);
    for call in hostile {
        assert_eq!(call.await.unwrap(), 503);
    }
}

#[tokio::test]
async fn a_file_of_the_wrong_type_is_unavailable_and_keeps_nobody_else_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.wasm");
    std::fs::write(&file, b"(component)").unwrap();
    let overlay = |next: &str| {
        let file = file.display();
        format!(
            "[plugins.wrong]\nsource = \"{file}\"\n[users]\n\
             chain = [{{ plugin = \"wrong\", on_error = \"{next}\" }}, \"local\"]\n"
        )
    };
    let server = Options::reference("clarico").overlay(&overlay("next")).start().await;
    server.user("ann", "correct horse").await;
    assert_eq!(login(&server.caller(), "ann").await.status, 200, "the operator said: the next one");
    let unknown = login(&server.caller(), "nobody").await;
    assert_eq!(unknown.error(), "503 temporarily_unavailable", "the broken one might have known");
}
