use super::*;
use pintle_plugin_api::CallContext;
use pintle_plugin_api::testing::{FakeHost, missing_from_plugin_toml};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Seen = Arc<Mutex<Vec<HttpRequest>>>;

/// Answers the n-th request with the n-th status, and with 200 when there is none left.
fn host(statuses: &'static [u16]) -> (FakeHost, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let host = FakeHost::default().with_secret("signing_key", KEY).with_network(move |request| {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        let status = statuses.get(log.len() - 1).copied().unwrap_or(200);
        if status == 0 {
            return Err(PluginError::Unavailable("no answer".to_owned()));
        }
        Ok(HttpResponse { status, ..HttpResponse::default() })
    });
    host.now_ms.store(1_614_265_330_999, Ordering::Relaxed);
    (host, seen)
}

fn event(id: &str) -> Event {
    Event { id: id.to_owned(), kind: "login.accepted".to_owned(), at_ms: 1500, json: r#"{"user":"ann"}"#.to_owned() }
}

fn deliver(host: &FakeHost, config: &str, ids: &[&str]) -> Result<Vec<String>, PluginError> {
    let events: Vec<_> = ids.iter().map(|id| event(id)).collect();
    let context = CallContext { deadline_ms: 10_000, ..CallContext::default() };
    Webhook::create(config).unwrap().deliver(&Call { context: &context, host }, &events)
}

fn header(request: &HttpRequest, name: &str) -> String {
    match request.headers.iter().find(|(key, _)| key == name) {
        Some((_, HeaderValue::Text(text) | HeaderValue::Secret(text))) => text.clone(),
        None => String::new(),
    }
}

const SINGLE: &str =
    r#"{"url": "/hook", "headers": {"x-from": "pintle"}, "secret_headers": {"authorization": "Bearer {token}"}}"#;

#[test]
fn each_event_is_a_signed_request() {
    let (host, seen) = host(&[]);
    assert_eq!(deliver(&host, SINGLE, &["a", "b"]), Ok(vec!["a".to_owned(), "b".to_owned()]));
    let seen = seen.lock().unwrap();
    let (first, second) = (&seen[0], &seen[1]);
    assert_eq!((first.method.as_str(), first.url.as_str(), first.timeout_ms), ("POST", "/hook", 9_750));
    let body: Value = serde_json::from_slice(&first.body).unwrap();
    let expected =
        json!({"id": "a", "type": "login.accepted", "timestamp": "1970-01-01T00:00:01.500Z", "data": {"user": "ann"}});
    assert_eq!(body, expected);
    let signature = Keys::parse(KEY.as_bytes()).unwrap().sign("a", 1_614_265_330, &first.body).unwrap();
    for (name, value) in [
        ("content-type", "application/json"),
        ("webhook-id", "a"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", signature.as_str()),
        ("x-from", "pintle"),
        ("authorization", "Bearer {token}"),
    ] {
        assert_eq!(header(first, name), value, "{name}");
    }
    assert_eq!(header(second, "webhook-id"), "b");
}

#[test]
fn a_batch_is_one_request_whose_id_stands_for_its_events() {
    let config = r#"{"url": "https://example.com/hook", "batch": true}"#;
    let (host, seen) = host(&[]);
    for ids in [&["a", "b"][..], &["a", "b"], &["ab"], &["b", "a"]] {
        assert_eq!(deliver(&host, config, ids), Ok(ids.iter().map(|id| (*id).to_owned()).collect()));
    }
    assert_eq!(deliver(&host, config, &[]), Ok(Vec::new()));
    let seen = seen.lock().unwrap();
    let ids: Vec<_> = seen.iter().map(|request| header(request, "webhook-id")).collect();
    assert!(seen.len() == 4 && ids[0] == ids[1] && ids[0] != ids[2] && ids[0] != ids[3] && ids[2] != ids[3]);
    let body: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!(
        (&body["type"], &body["data"][1]["id"], &body["data"][1]["data"]),
        (&json!("batch"), &json!("b"), &json!({"user": "ann"}))
    );
}

#[test]
fn what_is_said_of_the_event_itself_is_invalid_and_the_rest_is_unavailable() {
    fn status(statuses: &'static [u16]) -> Result<Vec<String>, PluginError> {
        deliver(&host(statuses).0, SINGLE, &["a"])
    }
    assert_eq!(status(&[204]), Ok(vec!["a".to_owned()]));
    for statuses in [
        &[0][..],
        &[101],
        &[302],
        &[401],
        &[403],
        &[404],
        &[405],
        &[408],
        &[409],
        &[421],
        &[425],
        &[429],
        &[451],
        &[500],
        &[503],
    ] {
        assert!(matches!(status(statuses), Err(PluginError::Unavailable(_))), "{statuses:?}");
    }
    for statuses in [&[400][..], &[410], &[413], &[422]] {
        assert!(matches!(status(statuses), Err(PluginError::Invalid(_))), "{statuses:?}");
    }
}

#[test]
fn what_was_posted_before_a_failure_is_acknowledged_and_nothing_is_posted_after_it() {
    let (host, seen) = host(&[200, 500]);
    assert_eq!(deliver(&host, SINGLE, &["a", "b", "c"]), Ok(vec!["a".to_owned()]));
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[test]
fn a_slow_receiver_gets_no_further_event_in_the_second_half_of_the_time() {
    static HOST: OnceLock<FakeHost> = OnceLock::new();
    static TIMEOUTS: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    let host = HOST.get_or_init(|| {
        FakeHost::default().with_secret("signing_key", KEY).with_network(|request| {
            TIMEOUTS.lock().unwrap().push(request.timeout_ms);
            HOST.get().unwrap().now_ms.fetch_add(3000, Ordering::Relaxed);
            Ok(HttpResponse { status: 200, ..HttpResponse::default() })
        })
    });
    assert_eq!(deliver(host, SINGLE, &["a", "b", "c", "d"]), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(*TIMEOUTS.lock().unwrap(), [9_750, 6_750]);
}

#[test]
fn without_a_proper_key_nothing_is_posted() {
    let (host, seen) = host(&[]);
    let host = host.with_secret("signing_key", "password");
    assert!(matches!(deliver(&host, SINGLE, &["a"]), Err(PluginError::Denied(_))));
    let context = CallContext::default();
    assert!(Webhook::create(SINGLE).unwrap().health(&Call { context: &context, host: &host }).is_err());
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn every_fault_of_the_config_is_named_with_its_key() {
    let faults = |config: &str| Webhook::create(config).err().unwrap();
    assert_eq!(faults("{}"), ["url: missing; it is where events are posted, or a path there"]);
    let config =
        r#"{"url": "example.com", "batch": "yes", "headers": {"Webhook-Id": "x", "a b": "x", "c": 1}, "retries": 3}"#;
    let expected = [
        "url: expected a URL such as \"https://example.com/hook\", or a path that begins with \"/\"",
        "batch: expected a boolean, found a string",
        "headers.c: expected a string, found a number",
        "headers.Webhook-Id: is set by the plugin",
        "headers.a b: is not the name of a header",
        "retries: unknown key; known are url, batch, headers, secret_headers",
    ];
    assert_eq!(faults(config), expected);
}

#[test]
fn plugin_toml_says_what_the_manifest_says() {
    let missing = missing_from_plugin_toml(include_str!("../plugin.toml"), &Webhook::manifest());
    assert_eq!(missing, Vec::<String>::new());
}
