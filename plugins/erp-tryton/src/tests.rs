use super::*;
use base64::{Engine, engine::general_purpose::STANDARD};
use pintle_plugin_api::conformance::{Fixtures, LinkedSubject, run};
use pintle_plugin_api::testing::{FakeHost, missing_from_plugin_toml};
use pintle_plugin_api::{AccountChange, CallContext, HeaderValue, HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const CONFIG: &str = r#"{"database": "erp", "service_user": "pintle"}"#;
const KEEPING: &str = r#"{"database": "erp", "service_user": "pintle", "keep_session": true, "email_verified": true}"#;

/// What was called: the method, who called, and the parameters.
type Seen = Arc<Mutex<Vec<(String, String, Value)>>>;
type Answers = fn(&str, &Value) -> (u16, Value);

fn ann() -> Value {
    let groups = json!([{"id": 1, "name": "Sales", "active": 1}, {"id": 2, "name": "Old", "active": 0}]);
    json!({"id": 7, "login": "ann", "name": "Ann", "email": "ann@example.com", "active": 1, "groups.": groups})
}

/// Knows `ann`, whose password is `right`, and `eve`, who is deactivated.
fn tryton(method: &str, params: &Value) -> (u16, Value) {
    let eve = || json!({"id": 8, "login": "eve", "name": "", "email": null, "active": false, "groups.": []});
    let result = |value: Value| (200, json!({"id": 1, "result": value}));
    match method {
        "common.db.login" if params[1]["password"] == "service" => result(json!([2, "kept"])),
        "common.db.login" if params[0] == "ann" && params[1]["password"] == "right" => result(json!([7, "key", null])),
        "common.db.login" => (401, Value::Null),
        "common.db.logout" => result(Value::Null),
        "model.res.user.search_read" => match &params[0][0][2] {
            name if name == "ann" || name == 7 => result(json!([ann()])),
            name if name == "eve" => result(json!([eve()])),
            name if name == " ann" => result(json!([ann()])),
            _ => result(json!([])),
        },
        _ => (403, Value::Null),
    }
}

fn caller(request: &HttpRequest) -> String {
    let value = request.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value);
    let Some(HeaderValue::Text(text)) = value else { return "nobody".to_owned() };
    let (scheme, encoded) = text.split_once(' ').unwrap();
    format!("{scheme} {}", String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap())
}

fn host(answers: Answers) -> (FakeHost, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let network = move |request: &HttpRequest| {
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "/erp/"));
        let call: Value = serde_json::from_slice(&request.body).unwrap();
        let method = call["method"].as_str().unwrap().to_owned();
        let (status, body) = answers(&method, &call["params"]);
        log.lock().unwrap().push((method, caller(request), call["params"].clone()));
        let headers = vec![("date".to_owned(), "Thu, 01 Jan 1970 00:16:40 GMT".to_owned())];
        Ok(HttpResponse { status, headers, body: serde_json::to_vec(&body).unwrap() })
    };
    (FakeHost::default().with_secret("service_password", "service").with_network(network), seen)
}

fn call<'a>(context: &'a CallContext, host: &'a FakeHost) -> Call<'a> {
    Call { context, host }
}

fn verify(host: &FakeHost, name: &str, password: &[u8]) -> Result<VerifyOutcome, PluginError> {
    let request = VerifyRequest {
        username: Some(name.to_owned()),
        kind: "password".to_owned(),
        secret: password.to_vec().into(),
        ..VerifyRequest::default()
    };
    Tryton::create(CONFIG).unwrap().verify(&call(&CallContext::default(), host), &request)
}

fn methods(seen: &Seen) -> Vec<(String, String)> {
    let seen = seen.lock().unwrap();
    seen.iter().map(|(method, caller, _)| (method.clone(), caller.clone())).collect()
}

const BY_BASIC: &str = "Basic pintle:service";

#[test]
fn a_right_password_is_accepted_and_leaves_no_session() {
    let (host, seen) = host(tryton);
    let Ok(VerifyOutcome::Accepted(accepted)) = verify(&host, "ann", b"right") else { panic!("not accepted") };
    let expected = Account {
        id: "7".to_owned(),
        username: "ann".to_owned(),
        display_name: Some("Ann".to_owned()),
        email: Some("ann@example.com".to_owned()),
        groups: vec!["Sales".to_owned()],
        ..Account::default()
    };
    assert_eq!((accepted.account, accepted.amr), (expected, vec!["pwd".to_owned()]));
    let expected = [
        ("model.res.user.search_read", BY_BASIC),
        ("common.db.login", "nobody"),
        ("common.db.logout", "Session pintle:7:key"),
    ];
    assert_eq!(methods(&seen), expected.map(|(method, caller)| (method.to_owned(), caller.to_owned())));
}

#[test]
fn each_reason_to_refuse_is_told_apart() {
    let rejected = |why: &str| Ok(VerifyOutcome::Rejected(why.to_owned()));
    for (name, password, outcome, calls) in [
        ("ann", &b"wrong"[..], rejected("the password is wrong"), 2),
        ("ann", b"", rejected("the password is empty"), 1),
        ("ann", b"\xff", rejected("the password is not UTF-8"), 1),
        ("eve", b"right", rejected("the user is deactivated in Tryton"), 1),
        ("bob", b"right", Ok(VerifyOutcome::UnknownUser), 1),
        (" ann", b"right", Ok(VerifyOutcome::UnknownUser), 1),
        ("pintle", b"service", Ok(VerifyOutcome::UnknownUser), 0),
        ("", b"right", Ok(VerifyOutcome::UnknownUser), 0),
        ("a\0b", b"right", Ok(VerifyOutcome::UnknownUser), 0),
    ] {
        let (host, seen) = host(tryton);
        assert_eq!(verify(&host, name, password), outcome, "{name}");
        assert_eq!(seen.lock().unwrap().len(), calls, "{name}");
    }
}

/// Tryton as it is, but for what `login` or `search` answers.
fn broken(change: fn(&str) -> Option<(u16, Value)>) -> Result<VerifyOutcome, PluginError> {
    let network = move |request: &HttpRequest| {
        let call: Value = serde_json::from_slice(&request.body).unwrap();
        let method = call["method"].as_str().unwrap();
        let (status, body) = change(method).unwrap_or_else(|| tryton(method, &call["params"]));
        Ok(HttpResponse { status, headers: Vec::new(), body: serde_json::to_vec(&body).unwrap() })
    };
    let host = FakeHost::default().with_secret("service_password", "service").with_network(network);
    verify(&host, "ann", b"right")
}

#[test]
fn no_answer_and_no_sense_are_never_accepted() {
    fn at(method: &str, name: &str, answer: (u16, Value)) -> Option<(u16, Value)> {
        (method.ends_with(name)).then_some(answer)
    }
    let unavailable = |outcome: Result<_, _>| matches!(outcome, Err(PluginError::Unavailable(_)));
    assert!(unavailable(broken(|method| at(method, "login", (429, Value::Null)))));
    assert!(unavailable(broken(|method| at(method, "search_read", (429, Value::Null)))));
    assert!(unavailable(broken(|method| at(method, "login", (500, Value::Null)))));
    assert!(unavailable(broken(|method| at(method, "login", (404, Value::Null)))));
    assert!(unavailable(broken(|method| at(method, "login", (200, json!({"error": ["LoginException", []]}))))));
    let senseless = |outcome: Result<_, _>| matches!(outcome, Err(PluginError::Internal(_)));
    assert!(senseless(broken(|method| at(method, "login", (200, json!("<html>"))))));
    assert!(senseless(broken(|method| at(method, "login", (200, json!({"result": null}))))));
    assert!(senseless(broken(|method| at(method, "login", (200, json!({"result": true}))))));
    assert!(senseless(broken(|method| at(method, "login", (200, json!({"result": [7, ""]}))))));
    assert!(senseless(broken(|method| at(method, "login", (200, json!({"result": [8, "key"]}))))));
    assert!(senseless(broken(|method| at(method, "search_read", (200, json!({"result": [{"id": 7}]}))))));
    let refused = broken(|method| at(method, "search_read", (401, Value::Null)));
    assert!(matches!(refused, Err(PluginError::Denied(_))), "{refused:?}");
    // That a session cannot be ended does not make the password wrong.
    assert!(matches!(broken(|method| at(method, "logout", (500, Value::Null))), Ok(VerifyOutcome::Accepted(_))));
}

#[test]
fn accounts_are_looked_up_by_id_and_by_name() {
    let (host, seen) = host(tryton);
    let lookup = |by: &str, value: &str| {
        let found = Tryton::create(KEEPING).unwrap().lookup(&call(&CallContext::default(), &host), by, value);
        found.map(|account| account.map(|account| (account.username, account.disabled, account.email_verified)))
    };
    let ann = || Ok(Some(("ann".to_owned(), false, true)));
    assert_eq!((lookup("id", "7"), lookup("username", "ann")), (ann(), ann()));
    assert_eq!(lookup("username", "eve"), Ok(Some(("eve".to_owned(), true, false))));
    for (by, value) in [("id", "9"), ("id", "07"), ("id", "-7"), ("id", "x"), ("username", "bob")] {
        assert_eq!(lookup(by, value), Ok(None), "{by} {value}");
    }
    assert!(matches!(lookup("email", "x"), Err(PluginError::Invalid(_))));
    assert!(seen.lock().unwrap().iter().all(|(_, caller, _)| caller == "nobody" || caller == "Session pintle:2:kept"));
}

#[test]
fn a_kept_session_is_used_again_and_renewed_when_tryton_has_ended_it() {
    let (mut host, seen) = host(tryton);
    let (context, plugin) = (CallContext::default(), Tryton::create(KEEPING).unwrap());
    for _ in 0..2 {
        plugin.lookup(&call(&context, &host), "id", "7").unwrap();
    }
    let logins = || seen.lock().unwrap().iter().filter(|(method, ..)| method == "common.db.login").count();
    assert_eq!((logins(), seen.lock().unwrap().len()), (1, 3));
    let ended = Mutex::new(true);
    let network = host.network.take().unwrap();
    host.network = Some(Box::new(move |request| {
        let is_search = caller(request) != "nobody";
        if is_search && std::mem::take(&mut *ended.lock().unwrap()) {
            return Ok(HttpResponse { status: 401, ..HttpResponse::default() });
        }
        network(request)
    }));
    assert!(plugin.lookup(&call(&context, &host), "id", "7").unwrap().is_some());
    assert_eq!(logins(), 2);
}

#[test]
fn a_full_run_names_everybody_by_id_and_the_next_one_begins_where_it_began() {
    fn pages(_: &str, params: &Value) -> (u16, Value) {
        let user = |id: i64| json!({"id": id, "login": format!("u{id}"), "name": null, "email": null, "active": id != 2, "groups.": []});
        let (after, limit) = (params[0][0][2].as_i64().unwrap(), params[2].as_u64().unwrap());
        let mut all = vec![
            user(1),
            user(2),
            json!({"id": 3, "login": "pintle", "name": null, "email": null, "active": true, "groups.": []}),
            user(4),
        ];
        all.retain(|user| user["id"].as_i64().unwrap() > after);
        all.truncate(limit as usize);
        (200, json!({"id": 1, "result": all}))
    }
    let (host, seen) = host(pages);
    let (context, plugin) = (CallContext::default(), Tryton::create(CONFIG).unwrap());
    let (mut cursor, mut names) = (None::<String>, Vec::new());
    loop {
        let page = plugin.pull(&call(&context, &host), cursor.as_deref(), 3).unwrap();
        names.extend(page.changes.into_iter().map(|change| match change {
            AccountChange::Upsert(account) => (account.id, account.disabled),
            AccountChange::Delete(id) => panic!("{id} is deleted"),
        }));
        cursor = page.next;
        if page.complete {
            break;
        }
    }
    let expected = [("1", false), ("2", true), ("4", false)].map(|(id, disabled)| (id.to_owned(), disabled));
    assert_eq!((names, cursor.as_deref()), (expected.to_vec(), Some(r#"{"since":1000,"after":0}"#)));
    plugin.pull(&call(&context, &host), cursor.as_deref(), 3).unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen[1].2[0], json!([["id", ">", 3]]));
    assert_eq!(seen[2].2[0][1][1][2]["minute"], 6);
    for wrong in ["", "7", "{}", r#"{"after":1,"x":2}"#] {
        let answer = plugin.pull(&call(&context, &host), Some(wrong), 3);
        assert!(matches!(answer, Err(PluginError::Invalid(_))), "{wrong}");
    }
}

#[test]
fn every_fault_of_the_config_is_named_with_its_key() {
    let faults = |config: &str| Tryton::create(config).err().unwrap();
    let missing = faults("{}");
    assert!(missing[0].starts_with("database: missing") && missing[1].starts_with("service_user: missing"));
    let config = r#"{"url": "erp.example.com", "database": "a/b", "service_user": "a:b", "languages": "de",
        "keep_session": 1}"#;
    let expected = [
        "url: expected where Tryton is, such as \"https://erp.example.com\"",
        "database: expected letters, digits, \"_\" and \"-\"",
        "service_user: a login with a \":\" in it cannot be sent by HTTP Basic (RFC 7617 §2)",
        "keep_session: expected a boolean, found a number",
        "languages: unknown key; known are url, database, service_user, language, keep_session, email_verified",
    ];
    assert_eq!(faults(config), expected);
    let endpoint = |url: &str| {
        let config = format!(r#"{{"url": "{url}", "database": "erp", "service_user": "pintle"}}"#);
        Config::parse(&config).map(|config| config.endpoint)
    };
    assert_eq!(endpoint("https://erp.example.com/").unwrap(), "https://erp.example.com/erp/");
    assert_eq!(endpoint("http://erp.example.com:8000/tryton").unwrap(), "http://erp.example.com:8000/tryton/erp/");
    for wrong in ["https:///x", "https://a@b", "https://a?b", "ftp://a"] {
        assert!(endpoint(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn it_conforms() {
    let (host, _) = host(tryton);
    let subject = LinkedSubject::new(linked(), CONFIG, &host).unwrap();
    let fixtures = Fixtures {
        config_json: CONFIG.to_owned(),
        password: "right".to_owned(),
        disabled: Some("eve".to_owned()),
        ..Fixtures::default()
    };
    let report = run(&subject, &fixtures);
    // The fake knows logins only; the suite asks a server of its own about the rest.
    let of_logins = |kind: &str| matches!(kind, "lifecycle" | "user-verifier");
    assert!(!report.failures().any(|failed| of_logins(failed.kind.as_ref())), "{report}");
}

#[test]
fn plugin_toml_says_what_the_manifest_says() {
    let missing = missing_from_plugin_toml(include_str!("../plugin.toml"), &Tryton::manifest());
    assert_eq!(missing, Vec::<String>::new());
}
