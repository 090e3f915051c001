//! Backends that are renamed or leave the configuration: nobody stays logged in through one that is no longer asked.

use pintle::admin::{self, Command};
use pintle::clock::SystemClock;
use pintle::keys::{MasterKey, MasterKeyOrigin};
use pintle::plugin::{CallError, UserVerifier};
use pintle::store::Store;
use pintle::store::memory::MemoryStore;
use pintle_plugin_api::{Accepted, Account, CallContext, VerifyOutcome, VerifyRequest};
use pintle_tests::{Answer, Options, TestServer};
use serde_json::{Value, json};
use std::sync::Arc;

const LOGIN: &str = "grant_type=password&username=dory&password=dorypass";

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Arc::new(SystemClock::new())))
}

/// Korap's configuration with its plugin called `plugin`, on `store`; `appliance`: with an embedded backend beside it.
async fn start(store: &Arc<dyn Store>, plugin: &str, appliance: bool) -> TestServer {
    let config = include_str!("../fixtures/reference/korap.toml");
    let config = config.replace("[plugins.local]", &format!("[plugins.{plugin}]"));
    let mut options = Options::new(config.replace("[\"local\"]", &format!("[\"{plugin}\"]")));
    options.store = Some(store.clone());
    options.customize = Some(Box::new(move |builder| {
        let builder = builder.master_key(MasterKey::new([7; 32]), MasterKeyOrigin::Env("TEST".to_owned()));
        if appliance { builder.user_verifier("appliance", Arc::new(Everybody)) } else { builder }
    }));
    options.start().await
}

/// An embedded backend that lets `guest` in.
struct Everybody;

#[async_trait::async_trait]
impl UserVerifier for Everybody {
    async fn verify(&self, _call: &CallContext, request: VerifyRequest) -> Result<VerifyOutcome, CallError> {
        if request.username.as_deref() != Some("guest") {
            return Ok(VerifyOutcome::UnknownUser);
        }
        let account = Account { id: "1".to_owned(), username: "guest".to_owned(), ..Account::default() };
        Ok(VerifyOutcome::Accepted(Accepted { account, amr: vec!["pwd".to_owned()], ..Accepted::default() }))
    }
}

async fn kalamar(server: &TestServer, path: &str, body: &str) -> Answer {
    server.caller().post_as("dRJnpFH6RHTr6L7bNhrn7F", "_IGaQqvUUrPTzRKJvqPYnA", path, body).await
}

async fn refresh(server: &TestServer, token: &str) -> Answer {
    kalamar(server, "/api/oauth2/token", &format!("grant_type=refresh_token&refresh_token={token}")).await
}

async fn introspect(server: &TestServer, token: &str) -> Value {
    kalamar(server, "/api/introspect", &format!("token={token}")).await.json()
}

async fn run(server: &TestServer, command: Command) {
    admin::execute(&server.app.core(), command).await.unwrap();
}

#[tokio::test]
async fn a_renamed_backends_users_are_logged_out() {
    let store = store();
    let server = start(&store, "local", false).await;
    server.user("dory", "dorypass").await;
    let tokens = kalamar(&server, "/api/oauth2/token", LOGIN).await;
    let (access, token) = (tokens.field("access_token"), tokens.field("refresh_token"));
    server.stop().await;

    let renamed = start(&store, "people", false).await;
    assert_eq!(introspect(&renamed, &access).await, json!({ "active": false }));
    assert_eq!(introspect(&renamed, &token).await, json!({ "active": false }));
    assert_eq!(refresh(&renamed, &token).await.error(), "400 invalid_grant");
    assert_eq!(kalamar(&renamed, "/api/oauth2/token", LOGIN).await.status, 200, "by password, as everybody");
    renamed.stop().await;

    let as_before = start(&store, "local", false).await;
    assert_eq!(refresh(&as_before, &token).await.status, 200, "nothing was revoked meanwhile");
}

#[tokio::test]
async fn what_was_given_under_a_backends_old_name_ends_with_the_account_too() {
    let user = || "dory".to_owned();
    let password = || "another password".to_owned().into();
    let endings: [fn(String, admin::SecretText) -> Command; 3] = [
        |user, password| Command::UserPasswd { user, password },
        |user, _| Command::UserDisable { user },
        |user, _| Command::UserRemove { user },
    ];
    for ending in endings {
        let store = store();
        let server = start(&store, "local", false).await;
        server.user("dory", "dorypass").await;
        let token = kalamar(&server, "/api/oauth2/token", LOGIN).await.field("refresh_token");
        server.stop().await;

        let renamed = start(&store, "people", false).await;
        let command = ending(user(), password());
        let disabled = matches!(command, Command::UserDisable { .. });
        run(&renamed, command).await;
        if disabled {
            run(&renamed, Command::UserEnable { user: user() }).await;
        }
        renamed.stop().await;

        let as_before = start(&store, "local", false).await;
        assert_eq!(refresh(&as_before, &token).await.error(), "400 invalid_grant", "it said that it had ended");
    }
}

#[tokio::test]
async fn an_embedded_backend_is_asked_as_long_as_the_program_has_it() {
    let store = store();
    let server = start(&store, "local", true).await;
    let login = "grant_type=password&username=guest&password=any";
    let first = kalamar(&server, "/api/oauth2/token", login).await.field("refresh_token");
    server.stop().await;
    let again = start(&store, "local", true).await;
    let second = refresh(&again, &first).await.field("refresh_token");
    assert!(!second.is_empty());
    again.stop().await;
    let without = start(&store, "local", false).await;
    assert_eq!(refresh(&without, &second).await.error(), "400 invalid_grant");
}
