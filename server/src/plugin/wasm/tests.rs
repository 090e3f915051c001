//! Guests written as text, most of them hostile: each may harm its own call and nothing else.

use super::guests::{Guest as Text, component, wit, wit_of};
use super::*;
use crate::config::model::PluginLimits;
use crate::plugin::host::PluginHost;
use crate::plugin::hosted::Hosted;
use crate::plugin::limits::Limits;
use crate::plugin::testing::{FakeServices, call_limits};
use crate::plugin::{Fault, HostServices as _, UserVerifier as _};
use std::time::{Duration, Instant};

fn wasm_host() -> WasmHost {
    WasmHost::new(64 << 20, None).unwrap()
}

fn plugin_host(allowed: &[Interface]) -> Arc<PluginHost> {
    Arc::new(PluginHost::new("p", Arc::new(FakeServices::default()), allowed.iter().copied(), "{}"))
}

fn call_host() -> Arc<CallHost> {
    Arc::new(CallHost::new(plugin_host(&[]), "r", call_limits(), None, None))
}

fn load(host: &WasmHost, text: &Text, reuse: u32) -> Arc<Hosted> {
    load_with(Arc::default(), host, text, reuse)
}

fn load_with(services: Arc<FakeServices>, host: &WasmHost, text: &Text, reuse: u32) -> Arc<Hosted> {
    let plugin = host.load(&component(&wit(), text), reuse).unwrap();
    let limits = Limits::new(PluginLimits { timeout: Some(Duration::from_secs(2)), ..PluginLimits::default() });
    let offered = PluginHost::new("p", services, [Interface::Kv], "{}");
    Arc::new(Hosted::new(Box::new(plugin), Arc::new(offered), limits))
}

fn request() -> VerifyRequest {
    VerifyRequest { kind: "password".to_owned(), secret: b"secret".to_vec().into(), ..VerifyRequest::default() }
}

async fn verify(plugin: &Hosted) -> Result<VerifyOutcome, PluginError> {
    plugin.verify(&CallContext::default(), request()).await.map_err(|ended| ended.error)
}

fn rejected(why: &str) -> Result<VerifyOutcome, PluginError> {
    Ok(VerifyOutcome::Rejected(why.to_owned()))
}

/// Runs `plugin` against four hostile calls at once while a good plugin of the same host answers 20 others, and returns
/// what the hostile one said.
#[expect(clippy::disallowed_methods, reason = "it measures that others are not held up")]
async fn besiege(hostile: &Text) -> PluginError {
    let host = wasm_host();
    let good = load(&host, &Text::counting(), 1);
    let hostile = load(&host, hostile, 1);
    let mut sieges = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let hostile = Arc::clone(&hostile);
        sieges.spawn(async move { verify(&hostile).await });
    }
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(verify(&good).await, rejected("1"));
    }
    assert!(start.elapsed() < Duration::from_secs(3), "others waited {:?}", start.elapsed());
    let mut answers = sieges.join_all().await;
    answers.pop().unwrap().unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_ends_with_its_cpu_time() {
    let error = besiege(&Text::verify("(loop (br 0))")).await;
    assert_eq!(error, PluginError::Internal("it used more than 200 ms of CPU time".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_host_calls_end_with_their_cpu_time() {
    let error = besiege(&Text::verify("(loop (call $log) (drop (call $now)) (br 0))")).await;
    assert_eq!(error, PluginError::Internal("it used more than 200 ms of CPU time".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_waiting_host_calls_end_in_time() {
    let error =
        besiege(&Text::verify("(loop (call $kv-get (i32.const 16) (i32.const 1) (i32.const 4096)) (br 0))")).await;
    assert!(matches!(error, PluginError::Internal(_) | PluginError::Unavailable(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_call_without_an_answer_ends_in_time() {
    let error = besiege(&Text::verify("(call $kv-get (i32.const 2100) (i32.const 4) (i32.const 4096))")).await;
    assert_eq!(error, PluginError::Unavailable("no answer within 2000 ms".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_bomb_gets_no_more_than_its_share() {
    let bomb = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)";
    let error = besiege(&Text::verify(bomb)).await;
    assert_eq!(error, PluginError::Internal("it used more than 67108864 bytes of memory".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_known_whose_doing_the_end_of_a_call_was() {
    let cases = [
        ("(loop (br 0))", Fault::TimedOut),
        ("(call $kv-get (i32.const 2100) (i32.const 4) (i32.const 4096))", Fault::TimedOut),
        ("(unreachable)", Fault::Trapped),
    ];
    let host = wasm_host();
    for (body, fault) in cases {
        let plugin = load(&host, &Text::verify(body), 1);
        let ended = plugin.verify(&CallContext::default(), request()).await.unwrap_err();
        assert_eq!(ended.fault, fault, "{body}: {ended}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_is_its_calls_own() {
    let error = besiege(&Text::verify("(unreachable)")).await;
    assert!(matches!(&error, PluginError::Internal(why) if why.contains("unreachable")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deep_recursion_is_its_calls_own() {
    let error = besiege(&Text::verify("(drop (call $verify (i32.const 0)))")).await;
    assert!(matches!(&error, PluginError::Internal(why) if why.contains("stack")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_ten_megabytes_is_not_taken() {
    let answer = "(drop (memory.grow (i32.const 200))) (i32.store8 (i32.const 4100) (i32.const 1))
        (i32.store (i32.const 4104) (i32.const 8192)) (i32.store (i32.const 4108) (i32.const 10000000))";
    let error = besiege(&Text::verify(answer)).await;
    assert!(matches!(error, PluginError::Internal(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_from_outside_its_memory_is_not_taken() {
    let answer = "(i32.store8 (i32.const 4100) (i32.const 1))
        (i32.store (i32.const 4104) (i32.const -8)) (i32.store (i32.const 4108) (i32.const 100))";
    let error = besiege(&Text::verify(answer)).await;
    assert!(matches!(error, PluginError::Internal(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_message_of_ten_megabytes_ends_the_call() {
    let text = "(drop (memory.grow (i32.const 200)))
        (call $emit (i32.const 3) (i32.const 8192) (i32.const 10000000) (i32.const 0) (i32.const 0))";
    let error = besiege(&Text::verify(text)).await;
    assert!(matches!(error, PluginError::Internal(_)), "{error}");
}

#[tokio::test]
async fn too_many_random_bytes_end_the_call() {
    let plugin = load(&wasm_host(), &Text::verify("(call $random (i32.const 4097) (i32.const 4096))"), 1);
    assert!(matches!(verify(&plugin).await, Err(PluginError::Internal(why)) if why.contains("random")));
}

#[tokio::test]
async fn a_fresh_instance_knows_nothing_of_the_last_call() {
    let plugin = load(&wasm_host(), &Text::counting(), 1);
    for _ in 0..3 {
        assert_eq!(verify(&plugin).await, rejected("1"));
    }
}

#[tokio::test]
async fn a_kept_instance_ends_after_as_many_calls_as_it_may() {
    let plugin = load(&wasm_host(), &Text::counting(), 3);
    for expected in ["1", "2", "3", "1", "2"] {
        assert_eq!(verify(&plugin).await, rejected(expected));
    }
}

#[tokio::test]
async fn a_kept_instance_that_trapped_is_not_called_again() {
    let plugin = load(&wasm_host(), &Text::trapping_second_time(), 100);
    assert_eq!(verify(&plugin).await, rejected("1"));
    assert!(verify(&plugin).await.is_err());
    assert_eq!(verify(&plugin).await, rejected("1"));
}

#[tokio::test]
async fn a_kept_instance_whose_call_was_dropped_is_not_called_again() {
    let looping = load(&wasm_host(), &Text::looping_second_time(), 100);
    assert_eq!(verify(&looping).await, rejected("1"));
    assert!(tokio::time::timeout(Duration::from_millis(50), verify(&looping)).await.is_err());
    assert_eq!(verify(&looping).await, rejected("1"));
}

#[tokio::test]
async fn two_calls_at_once_have_two_instances() {
    let plugin = load(&wasm_host(), &Text::meeting(), 100);
    let (one, other) = tokio::join!(verify(&plugin), verify(&plugin));
    assert_eq!((one, other), (rejected("1"), rejected("1")));
}

#[tokio::test]
async fn memory_that_one_call_was_refused_is_not_held_against_the_next() {
    let plugin = load(&wasm_host(), &Text::greedy_first_time(), 100);
    for expected in ["1", "2", "3"] {
        assert_eq!(verify(&plugin).await, rejected(expected));
    }
}

#[tokio::test]
async fn a_kept_instance_makes_room_for_another_component() {
    let host = WasmHost { room: Arc::new(Room::new(1)), ..wasm_host() };
    let (kept, other) = (load(&host, &Text::counting(), 100), load(&host, &Text::counting(), 100));
    for plugin in [&kept, &other, &kept] {
        assert_eq!(verify(plugin).await, rejected("1"));
    }
}

#[tokio::test]
async fn an_instance_is_not_kept_while_another_component_waits() {
    let host = WasmHost { room: Arc::new(Room::new(1)), ..wasm_host() };
    let services = Arc::new(FakeServices::default());
    let first = load_with(services.clone(), &host, &Text::meeting(), 100);
    let other = load(&host, &Text::counting(), 100);
    let meet = async {
        while host.room.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        services.kv_get("p", "meet").await
    };
    let (one, another, _) = tokio::join!(verify(&first), verify(&other), meet);
    assert_eq!((one, another), (rejected("1"), rejected("1")));
}

#[tokio::test]
async fn the_manifest_and_the_kinds_are_found() {
    let plugin = wasm_host().load(&component(&wit(), &Text::counting()), 1).unwrap();
    assert_eq!(plugin.kinds(), [Kind::UserVerifier]);
    assert_eq!(plugin.describe(call_host()).await.unwrap().name, "text");
    assert_eq!(plugin.validate_config(call_host(), "{}").await, Ok(Ok(())));
    assert!(matches!(
        plugin.evaluate_scope(call_host(), CallContext::default(), ScopeQuery::default()).await,
        Err(PluginError::Internal(_))
    ));
}

#[test]
fn what_is_no_component_is_refused() {
    let module = wat::parse_str("(module)").unwrap();
    for bytes in [&b""[..], b"\x7fELF", b"(component)", &module] {
        assert!(wasm_host().load(bytes, 1).is_err());
    }
    let empty = wat::parse_str("(component)").unwrap();
    assert!(wasm_host().load(&empty, 1).err().unwrap().contains("lifecycle"));
}

#[test]
fn an_unknown_import_is_refused_by_name() {
    let text = Text { imports: r#"(import "evil:net/http" "get" (func))"#, ..Text::counting() };
    let wit = wit().replace("world guest {", "world guest { import evil:net/http;");
    let error = wasm_host().load(&component(&wit, &text), 1).err().unwrap();
    assert_eq!(error, "it imports `evil:net/http`, which this server does not offer");
}

#[test]
fn a_later_version_of_the_contract_is_refused_by_name() {
    for (name, known) in [
        ("pintle:plugin/log@1.0.0", true),
        ("pintle:plugin/log@1.4.0", true),
        ("pintle:plugin/log@2.0.0", false),
        ("pintle:plugin/log@0.1.0", false),
        ("pintle:plugin/log", false),
        ("pintle:plugin/http@1.0.0", true),
        ("pintle:plugin/files@1.0.0", false),
        ("wasi:cli/environment@0.2.6", true),
        ("wasi:http/outgoing-handler@0.2.6", false),
        ("wasi:cli/environment@0.3.0", false),
    ] {
        assert_eq!(is_known_import(name), known, "{name}");
    }
}

#[tokio::test]
async fn an_export_of_another_type_is_found_at_load() {
    let contract = include_str!("../../../../plugin-api/wit/pintle.wit");
    let wit = wit_of(&contract.replace("    disabled: bool,\n", ""));
    let plugin = wasm_host().load(&component(&wit, &Text::counting()), 1).unwrap();
    assert!(matches!(plugin.describe(call_host()).await, Err(PluginError::Internal(_))));
}

#[test]
fn a_missing_export_is_found_at_load() {
    let contract = include_str!("../../../../plugin-api/wit/pintle.wit");
    let renamed = contract.replace("verify: func(ctx: call-ctx, request", "check: func(ctx: call-ctx, request");
    let text = Text { verify_name: "check", ..Text::counting() };
    let error = wasm_host().load(&component(&wit_of(&renamed), &text), 1).err().unwrap();
    assert!(error.contains("verify"), "{error}");
}

#[test]
fn a_compiled_component_is_cached_and_a_changed_one_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let cache = PrivateDir::open(&folder.path().join("cache")).unwrap();
    // What a host has loaded it does not load again.
    let host = || WasmHost::new(64 << 20, Some(cache.clone())).unwrap();
    let bytes = component(&wit(), &Text::counting());
    host().load(&bytes, 1).unwrap();
    let file = std::fs::read_dir(folder.path().join("cache")).unwrap().next().unwrap().unwrap();
    let name = file.file_name().into_string().unwrap();
    let mut compiled = cache.read(&name).unwrap().unwrap();
    let last = compiled.len() - 1;
    compiled[last] ^= 1;
    cache.write(&name, &compiled).unwrap();
    host().load(&bytes, 1).unwrap();
    assert_ne!(cache.read(&name).unwrap().unwrap(), compiled, "it was compiled anew");
}

#[test]
fn a_known_folder_is_read_and_never_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| PrivateDir::open(&folder.path().join(name)).unwrap();
    let files = |name: &str| std::fs::read_dir(folder.path().join(name)).unwrap().count();
    let host = WasmHost::new(64 << 20, Some(open("known"))).unwrap();
    let bytes = component(&wit(), &Text::counting());
    host.load(&bytes, 1).unwrap();
    let beside = Shared::default().host(64 << 20, Some(open("cache")), Some(open("known"))).unwrap();
    beside.load(&bytes, 1).unwrap();
    assert_eq!((files("known"), files("cache")), (1, 0), "taken from there");
    beside.load(&component(&wit(), &Text::trapping_second_time()), 1).unwrap();
    assert_eq!((files("known"), files("cache")), (1, 1));
}

#[test]
fn a_reload_goes_on_with_the_host_unless_it_has_other_folders_or_memory() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| Some(PrivateDir::open(&folder.path().join(name)).unwrap());
    let shared = Shared::default();
    let host = |memory_bytes: usize, cache: &str, known: Option<&str>| {
        shared.host(memory_bytes, open(cache), known.and_then(open)).unwrap()
    };
    let first = host(64 << 20, "cache", None);
    let bytes = component(&wit(), &Text::counting());
    first.load(&bytes, 1).unwrap();
    let again = host(64 << 20, "cache", None);
    assert!(Arc::ptr_eq(&first, &again));
    let never = || Err("the bytes are not needed".to_owned());
    let sha256 = Sha256::digest(&bytes).into();
    again.load_hashed(never, &sha256, 1).unwrap();
    for (memory_bytes, cache, known) in
        [(32 << 20, "cache", None), (64 << 20, "other", None), (64 << 20, "cache", Some("known"))]
    {
        let other = host(memory_bytes, cache, known);
        assert!(!Arc::ptr_eq(&first, &other));
        assert_eq!(other.load_hashed(never, &sha256, 1).is_ok(), cache == "cache", "{memory_bytes} {known:?}");
    }
}

#[test]
fn an_error_of_several_lines_is_shown_whole_on_one() {
    let error = wasmtime::Error::msg("signature: expected=[\n    I32,\n] found=[]");
    assert_eq!(super::one_line(&error), "signature: expected=[ I32, ] found=[]");
}
