//! A hostile Wasm plugin harms its own calls only.

use crate::plugins::component;
use pintle_tests::{Answer, Caller, Options, TestServer};

/// `limits` of the plugin, in TOML.
async fn start(limits: &str) -> TestServer {
    start_allowed("", limits).await
}

/// `allow` is what of the host the plugin may use, in TOML.
async fn start_allowed(allow: &str, limits: &str) -> TestServer {
    let hostile = tokio::task::spawn_blocking(|| component("tests/hostile")).await.unwrap();
    let overlay = format!(
        "[plugins.hostile]\nsource = \"{}\"\nrequired = true\nallow = [{allow}]\nlimits = {{ {limits} }}\n\
         [users]\nchain = [\"hostile\", \"local\"]\n[lockout]\nfree_tries = 1000\n[passwords]\nthreads = 2\n",
        hostile.path.display()
    );
    let server = Options::reference("clarico").overlay(&overlay).start().await;
    server.user("ann", "correct horse").await;
    server
}

async fn login(caller: &Caller, username: &str) -> Answer {
    caller.post("/token", &format!("grant_type=password&username={username}&password=correct horse")).await
}

async fn hostile_answer(caller: &Caller, fault: &'static str) -> tokio::task::JoinHandle<Answer> {
    let caller = caller.clone();
    tokio::spawn(async move { login(&caller, fault).await })
}

fn assert_unavailable(answer: &Answer, fault: &str) {
    assert_eq!(answer.error(), "503 temporarily_unavailable", "{fault}: {}", answer.text);
    assert!(!answer.header("retry-after").is_empty(), "{fault}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sort_of_fault_is_a_503_for_its_own_call_and_leaves_the_plugin_usable() {
    let server = start("").await;
    let caller = server.caller();
    for fault in ["loop", "calls", "bomb", "trap", "huge"] {
        let hostile = hostile_answer(&caller, fault).await;
        assert_eq!(login(&caller, "ann").await.status, 200, "beside {fault}");
        assert_unavailable(&hostile.await.unwrap(), fault);
        assert_eq!(login(&caller, "ann").await.status, 200, "after {fault}");
    }
}

/// Each ordinary login asks the hostile plugin first, and is answered while that plugin's other call still runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_logins_are_answered_before_a_hostile_call_ends() {
    let server = start("timeout = \"30s\", cpu = \"8s\"").await;
    let caller = server.caller();
    for fault in ["loop", "calls"] {
        let hostile = hostile_answer(&caller, fault).await;
        for _ in 0..30 {
            assert_eq!(login(&caller, "ann").await.status, 200, "beside {fault}");
        }
        assert!(!hostile.is_finished(), "{fault} ended before the others were answered");
        assert_unavailable(&hostile.await.unwrap(), fault);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_hostile_calls_at_once_leave_room_for_others() {
    let server = start("").await;
    let caller = server.caller();
    let hostile: Vec<_> = futures_util::future::join_all((0..8).map(|_| hostile_answer(&caller, "loop"))).await;
    assert_eq!(login(&caller, "ann").await.status, 200);
    for call in hostile {
        assert_unavailable(&call.await.unwrap(), "loop");
    }
}

/// As much memory and time as a plugin's hashes may cost, from eight calls at once: one thread stays for the logins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_hashes_without_end_does_not_keep_logins_waiting() {
    let server = start_allowed("\"crypto\"", "timeout = \"8s\"").await;
    let caller = server.caller();
    let hostile: Vec<_> = futures_util::future::join_all((0..8).map(|_| hostile_answer(&caller, "hashes"))).await;
    while server.app.core().hasher.resident_kib() < 65536 {
        tokio::task::yield_now().await;
    }
    for _ in 0..30 {
        assert_eq!(login(&caller, "ann").await.status, 200);
    }
    assert!(server.app.core().hasher.resident_kib() < 2 * 65536, "one large hash at a time");
    assert!(hostile.iter().all(|call| !call.is_finished()), "they ended before the logins");
    for call in hostile {
        assert_unavailable(&call.await.unwrap(), "hashes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugins_hash_is_not_computed_without_a_grant_or_beyond_its_bounds() {
    for (allow, fault) in [("", "hashes"), ("\"crypto\"", "costly")] {
        let server = start_allowed(allow, "").await;
        let before = server.app.core().hasher.computed();
        assert_unavailable(&login(&server.caller(), fault).await, fault);
        assert_eq!(server.app.core().hasher.computed(), before, "{fault}");
    }
}

/// A component that is none of the kinds' worlds: its functions have other types.
const WRONG_TYPES: &str = r#"(component
  (core module $code
    (func (export "describe") (result i32) i32.const 0)
    (func (export "verify") (param i32) (result i32) local.get 0))
  (core instance $code (instantiate $code))
  (func $describe (result u32) (canon lift (core func $code "describe")))
  (func $verify (param "request" u32) (result u32) (canon lift (core func $code "verify")))
  (instance $lifecycle
    (export "describe" (func $describe))
    (export "validate-config" (func $verify))
    (export "health" (func $verify)))
  (instance $verifier (export "verify" (func $verify)))
  (export "pintle:plugin/lifecycle@1.0.0" (instance $lifecycle))
  (export "pintle:plugin/user-verifier@1.0.0" (instance $verifier)))"#;

/// Files that are no plugin: how the server starts with one, `entry` being what else its entry says.
async fn with_file(bytes: &[u8], entry: &str, on_error: &str) -> Result<TestServer, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.wasm");
    std::fs::write(&file, bytes).unwrap();
    let overlay = format!(
        "[plugins.wrong]\nsource = \"{}\"\n{entry}\n[users]\n\
         chain = [{{ plugin = \"wrong\", on_error = \"{on_error}\" }}, \"local\"]\n",
        file.display()
    );
    let server = Options::reference("clarico").overlay(&overlay).try_start().await;
    let server = server.map_err(|error| error.to_string().replace(&file.display().to_string(), "wrong.wasm"))?;
    server.user("ann", "correct horse").await;
    Ok(server)
}

#[tokio::test]
async fn a_component_of_the_wrong_type_is_unavailable_and_keeps_nobody_else_out() {
    let component = wat::parse_str(WRONG_TYPES).unwrap();
    for file in [&component[..], b"(component)", b"", b"\0asm\x01\0\0\0"] {
        let server = with_file(file, "", "next").await.unwrap();
        assert_eq!(login(&server.caller(), "ann").await.status, 200, "the operator said: the next one");
        // The broken one might have known the user.
        assert_unavailable(&login(&server.caller(), "nobody").await, "an unknown user");
        let server = with_file(file, "", "stop").await.unwrap();
        assert_unavailable(&login(&server.caller(), "ann").await, "every login");
    }
}

#[tokio::test]
async fn a_required_plugin_of_the_wrong_type_keeps_the_server_from_starting() {
    let component = wat::parse_str(WRONG_TYPES).unwrap();
    let error = with_file(&component, "required = true", "stop").await.err().unwrap();
    let expected = "overlay.toml:2: plugins.wrong.source: wrong.wasm: it does not describe itself: internal: it failed: expected `string` found \
                    `u32`; without `required = true` the server would start and its calls fail";
    assert_eq!(error.rsplit_once('/').map(|(_folder, error)| error), Some(expected));
}
