use super::*;
use crate::ScopePolicy;
use crate::types::{Manifest, ScopeDecision, ScopeQuery};
use std::cell::RefCell;

/// Does what the grant type says.
struct Actor;

impl Plugin for Actor {
    fn manifest() -> Manifest {
        Manifest::new::<Self>("actor", "1.0.0")
    }

    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        crate::config::takes_nothing(config_json)?;
        Ok(Self)
    }
}

impl ScopePolicy for Actor {
    fn evaluate(&self, call: &Call<'_>, query: &ScopeQuery) -> Result<ScopeDecision, PluginError> {
        match query.grant_type.as_str() {
            "panic" => panic!("on purpose"),
            "error" => Err(PluginError::Unavailable("later".to_owned())),
            "random" => {
                Ok(ScopeDecision { granted: vec![call.host.random(9).len().to_string()], ..Default::default() })
            }
            "now" => Ok(ScopeDecision { granted: vec![call.host.now_ms().to_string()], ..Default::default() }),
            _ => Ok(ScopeDecision { granted: query.requested.clone(), ..Default::default() }),
        }
    }
}

crate::__pintle_linked!(Actor: scope_policy);

thread_local! {
    static LOGGED: RefCell<Vec<(u64, String)>> = const { RefCell::new(Vec::new()) };
}

/// A host whose clock stands at the call's id, which keeps what is logged, and has nothing else.
unsafe extern "C" fn clock_and_log(_: *mut c_void, call_id: u64, number: u32, line: Slice, response: *mut Buf) -> i32 {
    if number == method::LOG_EMIT {
        // SAFETY: the header: `line` is readable.
        let line: wire::LogEmit = serde_json::from_slice(unsafe { line.bytes() }).unwrap();
        LOGGED.with_borrow_mut(|lines| lines.push((call_id, line.message)));
        return abi::OK;
    }
    if number != method::CLOCK_NOW_MS {
        return abi::FATAL;
    }
    // SAFETY: the test hands in a buffer.
    unsafe { *response = Buf::new(call_id.to_string().into_bytes()) };
    abi::OK
}

static HOST_SIZE: u32 = size_of::<HostTable>() as u32;

fn host(size: u32, major: u16) -> HostTable {
    HostTable { size, major, minor: 0, ctx: std::ptr::null_mut(), call: Some(clock_and_log) }
}

fn table() -> &'static PluginTable {
    static TABLE: OnceLock<PluginTable> = OnceLock::new();
    // SAFETY: made by `entry`, static.
    unsafe { &*entry::<Actor>(&TABLE) }
}

fn create_with(host: &HostTable, config: &str) -> (i32, *mut c_void, String) {
    let (mut instance, mut error) = (std::ptr::null_mut(), Buf::empty());
    // SAFETY: as the header says.
    unsafe {
        let status = table().create.unwrap()(host, Slice::new(config.as_bytes()), &raw mut instance, &raw mut error);
        (status, instance, String::from_utf8(error.take()).unwrap())
    }
}

fn ask_instance(instance: *mut c_void, number: u32, request: &str) -> (i32, String) {
    let mut response = Buf::empty();
    // SAFETY: as the header says.
    unsafe {
        let status = table().call.unwrap()(instance, 42, number, Slice::new(request.as_bytes()), &raw mut response);
        (status, String::from_utf8(response.take()).unwrap())
    }
}

fn evaluate(instance: *mut c_void, grant_type: &str) -> (i32, String) {
    let request = format!(
        r#"{{"ctx": {{"request_id": "r"}}, "new": 1,
            "request": {{"client_json": "{{}}", "grant_type": "{grant_type}", "requested": ["a"]}}}}"#
    );
    ask_instance(instance, method::EVALUATE_SCOPE, &request)
}

#[test]
fn a_call_goes_through_the_c_border_and_back() {
    let host = host(HOST_SIZE, abi::MAJOR);
    let (status, instance, _) = create_with(&host, "{}");
    assert_eq!(status, abi::OK);
    assert_eq!(evaluate(instance, "password"), (abi::OK, r#"{"granted":["a"],"require":[]}"#.to_owned()));
    assert_eq!(evaluate(instance, "now"), (abi::OK, r#"{"granted":["42"],"require":[]}"#.to_owned()));
    assert_eq!(evaluate(instance, "error"), (abi::ERROR, r#"{"unavailable":"later"}"#.to_owned()));
    // SAFETY: no call is running.
    unsafe { table().destroy.unwrap()(instance) };
}

#[test]
fn a_panic_is_a_fatal_status() {
    let host = host(HOST_SIZE, abi::MAJOR);
    let (_, instance, _) = create_with(&host, "{}");
    assert_eq!(evaluate(instance, "panic"), (abi::FATAL, String::new()));
    let logged = LOGGED.take();
    assert_eq!(logged, [(42, "the plugin panicked: on purpose".to_owned())]);
    assert_eq!(evaluate(instance, "random").0, abi::FATAL, "no random bytes must not be zero bytes");
}

#[test]
fn another_kinds_method_is_unsupported_and_a_bad_request_invalid() {
    let host = host(HOST_SIZE, abi::MAJOR);
    let (_, instance, _) = create_with(&host, "{}");
    assert_eq!(ask_instance(instance, method::VERIFY_USER, "{}"), (abi::UNSUPPORTED, String::new()));
    assert_eq!(ask_instance(instance, 9999, "{}"), (abi::UNSUPPORTED, String::new()));
    let (status, answer) = ask_instance(instance, method::EVALUATE_SCOPE, "{");
    assert_eq!(status, abi::ERROR);
    assert!(answer.starts_with(r#"{"invalid":"#), "{answer}");
}

#[test]
fn a_wrong_config_is_refused_by_create_and_by_validate_config() {
    let host = host(HOST_SIZE, abi::MAJOR);
    let (status, instance, faults) = create_with(&host, r#"{"x": 1}"#);
    assert_eq!((status, instance), (abi::ERROR, std::ptr::null_mut()));
    assert_eq!(faults, r#"["x: unknown key; this plugin has no options"]"#);
    let (_, instance, _) = create_with(&host, "{}");
    assert_eq!(ask_instance(instance, method::VALIDATE_CONFIG, r#"{"json": "{}"}"#), (abi::OK, "null".to_owned()));
    let refused = ask_instance(instance, method::VALIDATE_CONFIG, r#"{"json": "{\"x\": 1}"}"#);
    assert_eq!(refused, (abi::ERROR, faults));
}

#[test]
fn a_host_of_another_major_or_too_small_is_refused() {
    assert_eq!(create_with(&host(HOST_SIZE, 2), "{}").0, abi::ERROR);
    assert_eq!(create_with(&host(8, abi::MAJOR), "{}").0, abi::ERROR);
    assert_eq!(create_with(&host(HOST_SIZE + 64, abi::MAJOR), "{}").0, abi::OK);
}

#[test]
fn cancelling_reaches_the_call_that_it_names() {
    let calls = Calls::default();
    calls.begin(1);
    calls.begin(2);
    calls.cancel(2);
    calls.cancel(3);
    assert_eq!([1, 2, 3].map(|id| calls.cancelled(id)), [false, true, false]);
    calls.end(2);
    assert!(!calls.cancelled(2));
}

#[test]
fn the_table_says_what_the_plugin_is() {
    let table = table();
    assert_eq!((table.magic, table.major, table.flags), (abi::MAGIC, abi::MAJOR, abi::THREADSAFE));
    assert_eq!(table.size as usize, size_of::<PluginTable>());
    // SAFETY: static.
    let manifest: Manifest = serde_json::from_slice(unsafe { table.manifest_json.bytes() }).unwrap();
    assert_eq!(manifest.kinds, ["scope-policy"]);
    assert_eq!(manifest, (linked().manifest)());
}
