use super::*;
use pintle_plugin_api::conformance::{Fixtures, LinkedSubject, run as run_conformance};
use pintle_plugin_api::testing::{FakeHost, missing_from_plugin_toml};
use pintle_plugin_api::{AccountChange, CallContext, HeaderValue, HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

type Seen = Arc<Mutex<Vec<HttpRequest>>>;

/// A config with everything in it; a test changes what it is about.
fn config() -> Value {
    json!({
        "url": "https://crm.example.com/api",
        "headers": {"accept": "application/json"},
        "auth": {"type": "bearer", "secret": "api_key"},
        "account": {
            "id": "$.id", "username": "$.login", "display_name": "$.name", "email": "$.contact.email",
            "email_verified": "$.contact.verified", "disabled": {"path": "$.state", "equals": "locked"},
            "groups": "$.roles[*].name", "claims": {"department": "$.dept", "tags": "$.tags[*]"}
        },
        "verify": {
            "path": "/sessions", "json": {"user": {"name": "{username}", "pass": "{password}"}, "remember": false},
            "outcomes": [
                {"outcome": "accepted", "status": 200, "path": "$.ok", "equals": true},
                {"outcome": "disabled", "status": 200, "path": "$.error", "equals": "locked"},
                {"outcome": "rejected", "status": [401, 403]},
                {"outcome": "unknown", "status": 404}
            ],
            "account": "$.user"
        },
        "lookup": {
            "id": {"path": "/users/{id}"},
            "username": {"path": "/users", "query": {"login": "{username}"}, "account": "$.data[*]"}
        },
        "list": {
            "path": "/users", "query": {"size": "{limit}"}, "items": "$.data", "page_size": 2,
            "paging": {"type": "page", "parameter": "page"},
            "deleted": "$.gone",
            "changed": {"parameter": "since", "format": "unix"}
        }
    })
}

fn ann() -> Value {
    json!({"id": 7, "login": "ann", "name": "Ann", "contact": {"email": "ann@example.com", "verified": true},
        "state": "active", "roles": [{"name": "staff"}, {"name": "sales"}], "dept": "north", "tags": ["a", "b"]})
}

fn host(answer: impl Fn(&HttpRequest) -> (u16, Value) + Send + Sync + 'static) -> (FakeHost, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let host = FakeHost::default().with_secret("api_key", "s3cret").with_network(move |request| {
        log.lock().unwrap().push(request.clone());
        let (status, body) = answer(request);
        let headers = vec![("date".to_owned(), "Thu, 01 Jan 1970 00:16:40 GMT".to_owned())];
        Ok(HttpResponse { status, headers, body: serde_json::to_vec(&body).unwrap() })
    });
    (host, seen)
}

fn plugin(config: &Value) -> Rest {
    Rest::create(&config.to_string()).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn verify(config: &Value, host: &FakeHost, name: &str, password: &str) -> Result<VerifyOutcome, PluginError> {
    let request = VerifyRequest {
        username: Some(name.to_owned()),
        kind: "password".to_owned(),
        secret: password.as_bytes().to_vec().into(),
        ..VerifyRequest::default()
    };
    plugin(config).verify(&Call { context: &CallContext::default(), host }, &request)
}

fn header(request: &HttpRequest, name: &str) -> String {
    match request.headers.iter().find(|(key, _)| key == name) {
        Some((_, HeaderValue::Text(text))) => text.clone(),
        Some((_, HeaderValue::Secret(text))) => format!("secret {text}"),
        None => String::new(),
    }
}

fn rejected(why: &str) -> Result<VerifyOutcome, PluginError> {
    Ok(VerifyOutcome::Rejected(why.to_owned()))
}

#[test]
fn a_login_is_one_request_and_its_answer_the_account() {
    let (host, seen) = host(|_| (200, json!({"ok": true, "user": ann()})));
    let Ok(VerifyOutcome::Accepted(accepted)) = verify(&config(), &host, "a\"{password}é", "p\"{username}\\") else {
        panic!("not accepted")
    };
    let expected = Account {
        id: "7".to_owned(),
        username: "ann".to_owned(),
        display_name: Some("Ann".to_owned()),
        email: Some("ann@example.com".to_owned()),
        email_verified: true,
        groups: vec!["staff".to_owned(), "sales".to_owned()],
        claims_json: r#"{"department":"north","tags":["a","b"]}"#.to_owned(),
        ..Account::default()
    };
    assert_eq!(accepted.account, expected);
    let seen = seen.lock().unwrap();
    let (request, body) = (&seen[0], serde_json::from_slice::<Value>(&seen[0].body).unwrap());
    assert_eq!((seen.len(), request.method.as_str()), (1, "POST"));
    assert_eq!(request.url, "https://crm.example.com/api/sessions");
    let user = json!({"name": "a\"{password}é", "pass": "p\"{username}\\"});
    assert_eq!(body, json!({"user": user, "remember": false}));
    assert_eq!(header(request, "authorization"), "secret Bearer {api_key}");
    assert_eq!(header(request, "content-type"), "application/json");
    assert_eq!(header(request, "accept"), "application/json");
}

#[test]
fn the_first_outcome_that_fits_counts_and_none_that_fits_is_no_answer() {
    let says = |status: u16, body: Value| verify(&config(), &host(move |_| (status, body.clone())).0, "ann", "pw");
    assert_eq!(says(401, json!({})), rejected("the password is wrong"));
    assert_eq!(says(403, Value::Null), rejected("the password is wrong"));
    assert_eq!(says(404, json!({})), Ok(VerifyOutcome::UnknownUser));
    assert_eq!(says(200, json!({"ok": false, "error": "locked"})), rejected("the account is disabled"));
    let mut locked = ann();
    locked["state"] = json!("locked");
    assert_eq!(says(200, json!({"ok": true, "user": locked})), rejected("the account is disabled"));
    for (status, body) in
        [(200, json!({"ok": "true", "user": ann()})), (200, json!("<html>")), (500, json!({"ok": true}))]
    {
        let answer = says(status, body);
        assert!(matches!(answer, Err(PluginError::Unavailable(_))), "{answer:?}");
    }
    let senseless = [
        json!({"ok": true}),
        json!({"ok": true, "user": {"login": "ann"}}),
        json!({"ok": true, "user": {"id": 1, "login": ""}}),
    ];
    for body in senseless {
        let answer = says(200, body);
        assert!(matches!(answer, Err(PluginError::Internal(_))), "{answer:?}");
    }
}

#[test]
fn what_cannot_be_a_login_is_never_sent() {
    let (host, seen) = host(|_| (200, json!({"ok": true, "user": ann()})));
    assert_eq!(verify(&config(), &host, "ann", ""), rejected("the password is empty"));
    for name in ["", "a\nb", &"x".repeat(300)] {
        assert_eq!(verify(&config(), &host, name, "pw"), Ok(VerifyOutcome::UnknownUser));
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn a_name_may_be_looked_up_before_its_password_is_sent() {
    let mut config = config();
    config["verify"] = json!({"path": "/me", "auth": "user", "lookup_first": true,
        "outcomes": [{"outcome": "accepted", "status": 200}, {"outcome": "rejected", "status": 401}]});
    let mut eve = ann();
    (eve["login"], eve["state"]) = (json!("eve"), json!("locked"));
    let (host, seen) = host(move |request| match header(request, "authorization").as_str() {
        "secret Bearer {api_key}" => (200, json!({"data": [ann(), eve]})),
        "Basic YW5uOnBldyE=" => (200, Value::Null),
        _ => (401, Value::Null),
    });
    assert!(matches!(verify(&config, &host, "ann", "pew!"), Ok(VerifyOutcome::Accepted(_))));
    assert_eq!(verify(&config, &host, "ann", "wrong"), rejected("the password is wrong"));
    assert_eq!(seen.lock().unwrap().len(), 4);
    assert_eq!(verify(&config, &host, "eve", "pew!"), rejected("the account is disabled"));
    assert_eq!(verify(&config, &host, "bob", "pew!"), Ok(VerifyOutcome::UnknownUser));
    assert_eq!(seen.lock().unwrap().len(), 6);
    assert_eq!(seen.lock().unwrap()[0].url, "https://crm.example.com/api/users?login=ann");
}

#[test]
fn values_are_escaped_for_where_they_stand() {
    let mut config = config();
    config["verify"]["path"] = json!("/users/{username}/login");
    config["verify"].as_object_mut().unwrap().remove("json");
    config["verify"]["form"] = json!({"p": "{password}", "fixed": "a b"});
    config["verify"]["query"] = json!({"q": "<{username}>"});
    let (host, seen) = host(|_| (404, Value::Null));
    assert_eq!(verify(&config, &host, "a/../b?c#d&é%", "p&q=1 +%"), Ok(VerifyOutcome::UnknownUser));
    assert_eq!(verify(&config, &host, "..", "pw"), Ok(VerifyOutcome::UnknownUser));
    assert_eq!(verify(&config, &host, ".", "pw"), Ok(VerifyOutcome::UnknownUser));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    let expected = "https://crm.example.com/api/users/a%2F..%2Fb%3Fc%23d%26%C3%A9%25/login\
                    ?q=%3Ca%2F..%2Fb%3Fc%23d%26%C3%A9%25%3E";
    assert_eq!(seen[0].url, expected);
    // The password comes first or last as the keys are sorted.
    assert_eq!(std::str::from_utf8(&seen[0].body).unwrap(), "fixed=a+b&p=p%26q%3D1+%2B%25");
    assert_eq!(header(&seen[0], "content-type"), "application/x-www-form-urlencoded");
}

fn lookup(config: &Value, host: &FakeHost, by: &str, value: &str) -> Result<Option<String>, PluginError> {
    let found = plugin(config).lookup(&Call { context: &CallContext::default(), host }, by, value);
    found.map(|account| account.map(|account| account.username))
}

#[test]
fn a_look_up_takes_only_what_it_asked_for() {
    let (known, _) = host(|request| match request.url.as_str() {
        "https://crm.example.com/api/users/7" | "https://crm.example.com/api/users/8" => (200, ann()),
        "https://crm.example.com/api/users?login=nobody" => (200, json!({"data": []})),
        url if url.contains('?') => (200, json!({"data": [{"id": 1, "login": "anna"}, ann()]})),
        _ => (404, Value::Null),
    });
    let config = config();
    for (by, value, found) in [
        ("id", "7", Some("ann")),
        ("id", "8", None),
        ("id", "9", None),
        ("id", "..", None),
        ("id", "", None),
        ("username", "ann", Some("ann")),
        ("username", "ANN", None),
        ("username", "nobody", None),
    ] {
        assert_eq!(lookup(&config, &known, by, value).unwrap().as_deref(), found, "{by} {value}");
    }
    let mut ignoring = config.clone();
    ignoring["ignore_case"] = json!(true);
    assert_eq!(lookup(&ignoring, &known, "username", "ANN").unwrap().as_deref(), Some("ann"));
    assert!(matches!(lookup(&config, &known, "email", "x"), Err(PluginError::Invalid(_))));
    let says = |status: u16| lookup(&config, &host(move |_| (status, Value::Null)).0, "id", "7");
    assert!(matches!(says(401), Err(PluginError::Denied(_))));
    assert!(matches!(says(503), Err(PluginError::Unavailable(_))));
    assert!(matches!(says(302), Err(PluginError::Unavailable(_))));
}

#[test]
fn a_state_that_is_not_said_lets_nobody_in() {
    let mut config = config();
    config["account"]["disabled"] = json!("$.blocked");
    let says = |blocked: Value| {
        let mut user = ann();
        user["blocked"] = blocked;
        let (host, _) = host(move |_| (200, user.clone()));
        plugin(&config)
            .lookup(&Call { context: &CallContext::default(), host: &host }, "id", "7")
            .map(|found| found.unwrap().disabled)
    };
    assert_eq!([json!(true), json!(false), json!(1), json!(0)].map(says), [Ok(true), Ok(false), Ok(true), Ok(false)]);
    for blocked in [Value::Null, json!("no"), json!(2)] {
        assert!(matches!(says(blocked), Err(PluginError::Internal(_))));
    }
}

#[test]
fn each_way_to_be_known_to_the_api() {
    let with = |auth: Value| {
        let mut config = config();
        config["auth"] = auth;
        let (host, seen) = host(|request| match request.url.rsplit('/').next().unwrap() {
            "token" => (200, json!({"access_token": "t0ken", "token_type": "bearer", "expires_in": 3600})),
            _ => (200, ann()),
        });
        let plugin = plugin(&config);
        for _ in 0..2 {
            plugin.lookup(&Call { context: &CallContext::default(), host: &host }, "id", "7").unwrap();
        }
        drop(host);
        Arc::try_unwrap(seen).unwrap().into_inner().unwrap()
    };
    let basic = with(json!({"type": "basic", "username": "pintle", "secret": "api_key"}));
    assert_eq!(header(&basic[0], "authorization"), "Basic cGludGxlOnMzY3JldA==");
    let named = with(json!({"type": "header", "name": "X-Api-Key", "secret": "api_key", "prefix": "key "}));
    assert_eq!(header(&named[0], "x-api-key"), "secret key {api_key}");
    let client = json!({"type": "client_credentials", "token_path": "/oauth/token", "client_id": "p:1", "secret": "api_key", "scope": "users"});
    let by_client = with(client.clone());
    // One token for both.
    assert_eq!((by_client.len(), by_client[0].url.as_str()), (3, "https://crm.example.com/api/oauth/token"));
    assert_eq!(std::str::from_utf8(&by_client[0].body).unwrap(), "grant_type=client_credentials&scope=users");
    assert_eq!(header(&by_client[0], "authorization"), "Basic cCUzQTE6czNjcmV0");
    assert_eq!(header(&by_client[1], "authorization"), "Bearer t0ken");
    let mut in_body = client;
    in_body["client_auth"] = json!("body");
    let in_body = with(in_body);
    let expected = "grant_type=client_credentials&scope=users&client_id=p%3A1&client_secret=s3cret";
    assert_eq!(std::str::from_utf8(&in_body[0].body).unwrap(), expected);
}

#[test]
fn a_token_that_the_api_has_ended_is_renewed_once() {
    let mut config = config();
    config["auth"] =
        json!({"type": "client_credentials", "token_path": "/token", "client_id": "p", "secret": "api_key"});
    let tokens = Mutex::new(0);
    let (host, seen) = host(move |request| {
        let mut tokens = tokens.lock().unwrap();
        if request.url.ends_with("/token") {
            *tokens += 1;
            return (200, json!({"access_token": format!("t{tokens}"), "token_type": "Bearer"}));
        }
        if header(request, "authorization") == "Bearer t2" { (200, ann()) } else { (401, Value::Null) }
    });
    assert_eq!(lookup(&config, &host, "id", "7").unwrap().as_deref(), Some("ann"));
    assert_eq!(seen.lock().unwrap().len(), 4);
    assert!(matches!(lookup(&config, &host, "id", "7"), Err(PluginError::Denied(_))));
}

#[test]
fn a_login_is_not_judged_by_a_token_that_may_have_ended() {
    let mut config = config();
    config["auth"] =
        json!({"type": "client_credentials", "token_path": "/token", "client_id": "p", "secret": "api_key"});
    let tokens = Mutex::new(0);
    let (host, seen) = host(move |request| {
        let mut tokens = tokens.lock().unwrap();
        if request.url.ends_with("/token") {
            *tokens += 1;
            return (200, json!({"access_token": format!("t{tokens}"), "token_type": "Bearer"}));
        }
        // To this API a 401 is a token that has ended as well as a wrong password.
        let newest = header(request, "authorization") == format!("Bearer t{tokens}");
        if newest { (200, json!({"ok": true, "user": ann()})) } else { (401, Value::Null) }
    });
    let (plugin, context) = (plugin(&config), CallContext::default());
    let request = VerifyRequest {
        username: Some("ann".to_owned()),
        kind: "password".to_owned(),
        secret: b"pw".to_vec().into(),
        ..VerifyRequest::default()
    };
    for logins in 1..3 {
        let outcome = plugin.verify(&Call { context: &context, host: &host }, &request);
        assert!(matches!(outcome, Ok(VerifyOutcome::Accepted(_))), "{outcome:?}");
        assert_eq!(seen.lock().unwrap().len(), 2 * logins);
    }
}

/// Every change of a run, and the cursor for the next one.
fn run(config: &Value, host: &FakeHost, cursor: Option<String>, limit: u32) -> (Vec<String>, Option<String>) {
    let (plugin, mut cursor, mut changes) = (plugin(config), cursor, Vec::new());
    for _ in 0..20 {
        let call = Call { context: &CallContext::default(), host };
        let page = plugin.pull(&call, cursor.as_deref(), limit).unwrap();
        assert!(page.changes.len() <= limit as usize);
        changes.extend(page.changes.into_iter().map(|change| match change {
            AccountChange::Upsert(account) => account.id,
            AccountChange::Delete(id) => format!("-{id}"),
        }));
        cursor = page.next;
        if page.complete {
            return (changes, cursor);
        }
    }
    panic!("the run does not end: {changes:?}")
}

fn users(ids: std::ops::Range<u64>) -> Value {
    ids.map(|id| json!({"id": id, "login": format!("u{id}"), "state": "", "gone": id == 4})).collect()
}

fn parameter(request: &HttpRequest, name: &str) -> Option<u64> {
    let (_, query) = request.url.split_once('?')?;
    let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name)?;
    found.1.parse().ok()
}

#[test]
fn pages_by_number_end_with_an_empty_one_though_the_api_caps_them() {
    let (host, seen) = host(|request| {
        let page = parameter(request, "page").unwrap();
        // It never gives more than 2, whatever it is asked for.
        (200, json!({"data": match page { 1 => users(1..3), 2 => users(3..5), 3 => users(5..6), _ => json!([]) }}))
    });
    let mut config = config();
    config["list"]["page_size"] = json!(50);
    let (changes, cursor) = run(&config, &host, None, 100);
    assert_eq!(changes, ["1", "2", "3", "-4", "5"]);
    assert_eq!(seen.lock().unwrap()[0].url, "https://crm.example.com/api/users?size=50&page=1");
    assert_eq!(parameter(&seen.lock().unwrap()[0], "since"), None);
    // The next run asks for what was changed since ten minutes before this one began, on each of its pages.
    run(&config, &host, cursor, 100);
    assert_eq!(
        seen.lock().unwrap()[4..].iter().map(|request| parameter(request, "since")).collect::<Vec<_>>(),
        [Some(400); 4]
    );
}

#[test]
fn a_page_of_more_than_was_asked_for_is_given_in_parts() {
    let mut config = config();
    let list = config["list"].as_object_mut().unwrap();
    list.retain(|key, _| key == "path");
    list.insert("items".to_owned(), json!("$"));
    let (host, seen) = host(|_| (200, users(5..12)));
    // Without `changed`, every run is a full one.
    assert_eq!(run(&config, &host, None, 3), (["5", "6", "7", "8", "9", "10", "11"].map(str::to_owned).to_vec(), None));
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[test]
fn each_way_to_the_next_page_leads_there() {
    let mut config = config();
    config["list"]["paging"] = json!({"type": "offset", "parameter": "skip"});
    let (by_offset, _) = host(|request| {
        let skip = parameter(request, "skip").unwrap_or(0);
        (200, json!({"data": users(10 + skip..(12 + skip).min(15))}))
    });
    let expected = ["10", "11", "12", "13", "14"];
    assert_eq!(run(&config, &by_offset, None, 9).0, expected);
    config["list"]["paging"] = json!({"type": "cursor", "parameter": "after", "next": "$.meta.next"});
    let (by_cursor, _) = host(|request| match parameter(request, "after") {
        None => (200, json!({"data": users(10..13), "meta": {"next": 77}})),
        Some(77) => (200, json!({"data": users(13..15), "meta": {"next": null}})),
        Some(_) => (404, Value::Null),
    });
    assert_eq!(run(&config, &by_cursor, None, 9).0, expected);
    config["list"]["paging"] = json!({"type": "link", "next": "$.next"});
    let (by_link, seen) = host(|request| match request.url.as_str() {
        "https://crm.example.com/api/users?size=2" => {
            (200, json!({"data": users(10..13), "next": "http://evil.example/api/users?p=2"}))
        }
        "https://crm.example.com/api/users?p=2" => (200, json!({"data": users(13..15)})),
        _ => (404, Value::Null),
    });
    assert_eq!(run(&config, &by_link, None, 9).0, expected);
    // Wherever the link points, what the plugin is known by goes to the API.
    assert!(seen.lock().unwrap().iter().all(|request| header(request, "authorization") == "secret Bearer {api_key}"));
}

#[test]
fn a_page_that_makes_no_sense_removes_nobody() {
    let pull = |config: &Value, body: Value| {
        let (host, _) = host(move |_| (200, body.clone()));
        let (plugin, context) = (plugin(config), CallContext::default());
        let call = Call { context: &context, host: &host };
        let first = plugin.pull(&call, None, 9)?;
        if first.complete { Ok(first) } else { plugin.pull(&call, first.next.as_deref(), 9) }
    };
    let config = config();
    assert!(pull(&config, json!({"data": []})).unwrap().complete);
    for body in [
        json!({}),
        json!({"data": {}}),
        json!({"data": null}),
        json!([]),
        json!({"data": [{"id": 1}]}),
        json!({"data": [1]}),
        // The same page for ever.
        json!({"data": users(1..3)}),
    ] {
        let answer = pull(&config, body.clone());
        assert!(matches!(answer, Err(PluginError::Internal(_))), "{body}: {answer:?}");
    }
    let (host, _) = host(|_| (200, json!({"data": []})));
    for cursor in ["", "{", r#"{"x":1}"#] {
        let call = Call { context: &CallContext::default(), host: &host };
        assert!(matches!(plugin(&config).pull(&call, Some(cursor), 9), Err(PluginError::Invalid(_))), "{cursor}");
    }
}

#[test]
fn a_kind_that_is_not_configured_is_denied() {
    let (host, _) = host(|_| (200, Value::Null));
    let plugin = plugin(&json!({"account": {"id": "$.id", "username": "$.name"}}));
    let call = Call { context: &CallContext::default(), host: &host };
    assert!(matches!(plugin.lookup(&call, "id", "7"), Err(PluginError::Denied(_))));
    assert!(matches!(plugin.lookup(&call, "username", "x"), Err(PluginError::Denied(_))));
    assert!(matches!(plugin.pull(&call, None, 7), Err(PluginError::Denied(_))));
    assert!(matches!(plugin.verify(&call, &VerifyRequest::default()), Err(PluginError::Denied(_))));
}

#[test]
fn every_fault_of_the_config_is_named_with_its_path() {
    let faults = |config: Value| Rest::create(&config.to_string()).err().unwrap();
    assert_eq!(faults(json!({})), ["account: missing; it is a table of where an account's fields are"]);
    let wrong = json!({
        "url": "crm.example.com",
        "headers": {"Authorization": "x", "a b": "x"},
        "auth": {"type": "bearer", "secret": "s3 cret", "name": "x"},
        "account": {"id": "id", "groups": 1, "disabled": {"path": "$.a"}, "claims": {"c": "$["}},
        "verify": {
            "method": "get", "path": "login?x", "query": {"p": "{password}"}, "form": {"u": "{user}"}, "json": {},
            "outcomes": [{"outcome": "accepted", "path": "$.ok"}, {"outcome": "yes", "status": 99}, {"outcome": "unknown", "equals": 1}]
        },
        "lookup": {"id": {"path": "/users/../x"}},
        "list": {"path": "/u", "json": {"a": ["{x}"]}, "paging": {"type": "link"}, "changed": {"format": "iso", "overlap": "1 x"}},
        "lookups": {}
    });
    let starts: Vec<_> = faults(wrong).iter().map(|fault| fault.split(": ").next().unwrap().to_owned()).collect();
    let expected = [
        "url",
        "headers.Authorization",
        "headers.a b",
        "verify.query.p",
        "auth.secret",
        "auth.name",
        "account.username",
        "account.claims.c",
        "account.id",
        "account.disabled.equals",
        "account.groups",
        "verify.path",
        "verify.form.u",
        "verify.json",
        "verify.method",
        "verify.path",
        "verify.outcomes[0].status",
        "verify.outcomes[1].outcome",
        "verify.outcomes[1].status",
        "verify.outcomes[2].status",
        "verify.outcomes[2].path",
        "lookup.id.path",
        "lookup.id.path",
        "list.json.a[0]",
        "list.paging.next",
        "list.method",
        "list.changed.overlap",
        "list.changed.parameter",
        "list.changed.format",
        "verify.account",
        "lookups",
    ];
    let sorted = |mut paths: Vec<String>| {
        paths.sort();
        paths
    };
    assert_eq!(sorted(starts), sorted(expected.map(str::to_owned).to_vec()));
}

#[test]
fn it_conforms() {
    let account = |login: &str| {
        let state = if login == "bob" { "locked" } else { "active" };
        json!({"id": 7, "login": login, "state": state})
    };
    let (host, _) = host(move |request| {
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else { return (404, Value::Null) };
        match (body["user"]["name"].as_str().unwrap(), body["user"]["pass"].as_str().unwrap()) {
            (name @ ("ann" | "bob"), "correct horse") => (200, json!({"ok": true, "user": account(name)})),
            ("ann" | "bob", _) => (401, Value::Null),
            _ => (404, Value::Null),
        }
    });
    let config_json = config().to_string();
    let subject = LinkedSubject::new(linked(), &config_json, &host).unwrap();
    let report = run_conformance(&subject, &Fixtures { config_json, ..Fixtures::default() });
    // The fake knows logins only; the suite asks a server of its own about the rest.
    let of_logins = |kind: &str| matches!(kind, "lifecycle" | "user-verifier");
    assert!(!report.failures().any(|failed| of_logins(failed.kind.as_ref())), "{report}");
}

#[test]
fn plugin_toml_says_what_the_manifest_says() {
    let missing = missing_from_plugin_toml(include_str!("../plugin.toml"), &Rest::manifest());
    assert_eq!(missing, Vec::<String>::new());
}
