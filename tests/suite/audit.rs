//! The audit log, line by line.

use async_trait::async_trait;
use pintle::plugin::{CallError, UserVerifier};
use pintle_plugin_api::{CallContext, PluginError, VerifyOutcome, VerifyRequest};
use pintle_tests::{Caller, Options, TestServer};
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;

const CONFIG: &str = r#"
issuer = "http://127.0.0.1:{port}"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
[[clients]]
id = "app"
type = "confidential"
secret = { value = "app-secret" }
trusted = true
grants = ["password", "refresh_token", "client_credentials"]
scopes = ["read", "write"]
[[clients]]
id = "other"
type = "confidential"
secret = { value = "other-secret" }
grants = ["client_credentials"]
scopes = ["read"]
[plugins.local]
source = "builtin:accounts"
[users]
chain = ["local"]
"#;

const LOGIN: &str = "grant_type=password&username=dory&password=dorypass&scope=read";

/// A server and the audit file that it writes.
struct Audited {
    server: TestServer,
    folder: TempDir,
}

impl Audited {
    async fn start(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let overlay = format!("[log]\naudit = \"{}\"\n", folder.path().join("audit.log").display());
        let server = options.overlay(&overlay).start().await;
        server.user("dory", "dorypass").await;
        Self { server, folder }
    }

    /// The lines, without what differs from run to run; those have to be there, as has a hash for every plugin.
    async fn lines(self) -> Vec<Value> {
        let Self { server, folder } = self;
        let file = folder.path().join("audit.log");
        let weak = Arc::downgrade(&server.app);
        server.stop().await;
        // The connections' tasks hold the server; its end writes what is queued.
        while weak.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().map(|line| bare(serde_json::from_str(line).unwrap())).collect()
    }
}

fn bare(mut line: Value) -> Value {
    let fields = line.as_object_mut().unwrap();
    for varies in ["time", "request", "ip"] {
        assert!(fields.remove(varies).is_some(), "{varies}");
    }
    for plugin in fields.get_mut("plugins").and_then(Value::as_array_mut).into_iter().flatten() {
        let plugin = plugin.as_object_mut().unwrap();
        assert!(plugin["sha256"].as_str().is_some_and(|hash| hash.len() == 64), "{plugin:?}");
        plugin.remove("sha256");
        plugin.remove("ms");
    }
    line
}

async fn as_app(caller: &Caller, path: &str, body: &str) -> pintle_tests::Answer {
    caller.post_as("app", "app-secret", path, body).await
}

fn verdict(name: &str, verdict: &str) -> Value {
    json!({ "name": name, "verdict": verdict })
}

#[tokio::test]
async fn introspection_and_revocation_say_whose_token_it_was_and_what_came_of_it() {
    let audited = Audited::start(Options::new(CONFIG)).await;
    let caller = audited.server.caller();
    let tokens = as_app(&caller, "/token", LOGIN).await;
    let (access, refresh) = (tokens.field("access_token"), tokens.field("refresh_token"));
    as_app(&caller, "/introspect", &format!("token={access}")).await;
    caller.post_as("other", "other-secret", "/introspect", &format!("token={refresh}")).await;
    caller.post_as("other", "other-secret", "/revoke", &format!("token={refresh}")).await;
    as_app(&caller, "/revoke", &format!("token={refresh}")).await;
    as_app(&caller, "/introspect", &format!("token={access}")).await;
    as_app(&caller, "/revoke", "token=nonsense").await;
    let lines = audited.lines().await;
    let (sub, family) = (&lines[1]["sub"], &lines[1]["family"]);
    assert!(sub.is_string() && family.is_string(), "{}", lines[1]);
    let dory = |event: &str, client: &str| json!({ "event": event, "client": client, "sub": sub, "username": "dory", "family": family });
    let with = |mut line: Value, name: &str, value: Value| {
        line[name] = value;
        line
    };
    let mine = json!([verdict("jwt", "mine")]);
    let introspected = |client, verdict: &str| with(dory("token.introspected", client), "verdict", verdict.into());
    let unknown = json!({ "event": "token.not_revoked", "client": "app", "verdict": "unknown",
        "plugins": [verdict("jwt", "not-mine"), verdict("opaque", "not-mine")] });
    let expected = [
        with(introspected("app", "active"), "plugins", mine.clone()),
        introspected("other", "inactive"),
        with(dory("token.not_revoked", "other"), "verdict", "foreign".into()),
        dory("token.revoked", "app"),
        with(introspected("app", "inactive"), "plugins", mine),
        unknown,
    ];
    // The first two are the login's.
    assert_eq!(lines[2..], expected);
}

#[tokio::test]
async fn a_login_is_a_decision_of_its_own() {
    let audited = Audited::start(Options::new(CONFIG)).await;
    let caller = audited.server.caller();
    as_app(&caller, "/token", LOGIN).await;
    as_app(&caller, "/token", "grant_type=password&username=dory&password=wrong").await;
    as_app(&caller, "/token", "grant_type=password&username=a-password&password=wrong").await;
    let lines = audited.lines().await;
    let plain = |line: Value, plugins: Value| {
        let mut line = line;
        line["plugins"] = plugins;
        line["grant"] = "password".into();
        line["client"] = "app".into();
        line
    };
    let refused = |event: &str, found: &str, username: Option<&str>| {
        let mut line = json!({ "event": event, "error": "invalid_grant" });
        if let Some(username) = username {
            line["username"] = username.into();
        }
        let mut said = verdict("local", found);
        if found == "rejected" {
            said["reason"] = "wrong password or disabled account".into();
        }
        plain(line, json!([said]))
    };
    let accepted = json!({ "event": "login.accepted", "username": "dory" });
    let issued = json!({ "event": "token.issued", "username": "dory", "scope": "read",
        "sub": lines[1]["sub"], "family": lines[1]["family"] });
    let expected = [
        plain(accepted, json!([verdict("local", "accepted")])),
        plain(issued, json!([verdict("local", "accepted"), verdict("jwt", "issued")])),
        refused("login.rejected", "rejected", Some("dory")),
        refused("token.refused", "rejected", Some("dory")),
        refused("login.rejected", "unknown-user", None),
        refused("token.refused", "unknown-user", None),
    ];
    assert_eq!(lines, expected);
}

/// Has always a bad day.
struct Broken;

#[async_trait]
impl UserVerifier for Broken {
    async fn verify(&self, _call: &CallContext, _request: VerifyRequest) -> Result<VerifyOutcome, CallError> {
        Err(PluginError::Unavailable("down".to_owned()).into())
    }
}

#[tokio::test]
async fn a_broken_backend_decides_nothing() {
    let mut options = Options::new(CONFIG);
    options.customize = Some(Box::new(|builder| builder.user_verifier("own", Arc::new(Broken))));
    let audited = Audited::start(options).await;
    as_app(&audited.server.caller(), "/token", LOGIN).await;
    let lines = audited.lines().await;
    let mut said = verdict("own", "error");
    said["reason"] = "unavailable: down".into();
    let expected = ["login.failed", "token.refused"].map(|event| {
        json!({ "event": event, "grant": "password", "client": "app", "error": "temporarily_unavailable",
            "plugins": [said] })
    });
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_refused_client_is_named_where_there_is_one_of_that_name() {
    let audited = Audited::start(Options::new(CONFIG)).await;
    let caller = audited.server.caller();
    // The second and the third have id and secret swapped.
    let swapped = ("app-secret", "app");
    for ((id, secret), path) in
        [(("app", "wrong"), "/token"), (swapped, "/token"), (swapped, "/revoke"), (("app", "wrong"), "/introspect")]
    {
        let answer = caller.post_as(id, secret, path, "grant_type=client_credentials&token=t").await;
        assert_eq!(answer.error(), "401 invalid_client", "{path}");
    }
    let answer = caller.post("/token", "grant_type=client_credentials&client_id=app-secret").await;
    assert_eq!(answer.error(), "401 invalid_client");
    let lines = audited.lines().await;
    let rejected = json!({ "event": "client.rejected", "error": "invalid_client" });
    let with = |line: &Value, name: &str, value: &str| {
        let mut line = line.clone();
        line[name] = value.into();
        line
    };
    let at_token = with(&rejected, "grant", "client_credentials");
    let expected = [
        with(&at_token, "client", "app"),
        at_token.clone(),
        rejected.clone(),
        with(&rejected, "client", "app"),
        at_token,
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn an_authorization_request_names_only_a_client_that_there_is() {
    let audited = Audited::start(Options::new(format!("{CONFIG}[authorize]\nbearer_login = true\n"))).await;
    let caller = audited.server.caller();
    for id in ["app-secret", "app"] {
        let answer = caller.send(caller.request("GET", &format!("/authorize?client_id={id}&response_type=code"))).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
    let lines = audited.lines().await;
    assert_eq!(lines.iter().map(|line| line["client"].as_str()).collect::<Vec<_>>(), [None, Some("app")], "{lines:?}");
}
