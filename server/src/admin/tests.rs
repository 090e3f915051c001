//! Commands on a wired server whose store is memory and whose clock stands still.

use super::{Command, ErrorKind, NewClient, NewUser, Release, RevokeTarget, execute};
use crate::app::{App, Builder};
use crate::clock::{ManualClock, UnixTime};
use crate::config::{self, LoadOptions};
use crate::entropy::SystemEntropy;
use crate::flow::{Call, token};
use crate::keys::{MasterKey, MasterKeyOrigin};
use crate::oauth::client::{ClientType, GrantType};
use crate::oauth::params::Params;
use crate::store::memory::MemoryStore;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::sync::Arc;

struct Fixture {
    app: App,
    _folder: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = vec![("PINTLE_PASSWORDS__MEMORY_KIB".to_owned(), "64".to_owned())];
        let mut config = config::load(&LoadOptions { environment, ..LoadOptions::default() }).unwrap().config;
        config.data_dir = folder.path().into();
        let clock = Arc::new(ManualClock::at(UnixTime(1_800_000_000)));
        let origin = MasterKeyOrigin::Env("TEST".to_owned());
        let app = Builder::new(config)
            .clock(clock.clone())
            .entropy(Arc::new(SystemEntropy))
            .store(Arc::new(MemoryStore::new(clock)))
            .master_key(MasterKey::new([7; 32]), origin);
        Self { app: app.build().await.unwrap(), _folder: folder }
    }

    async fn with_dory() -> Self {
        let fixture = Self::new().await;
        fixture.run(Command::UserAdd(dory())).await;
        fixture
    }

    async fn run(&self, command: Command) -> Value {
        execute(&self.app.core(), command).await.unwrap()
    }

    async fn refused(&self, command: Command) -> (ErrorKind, String) {
        let error = execute(&self.app.core(), command).await.unwrap_err();
        (error.kind, error.message)
    }

    async fn token(&self, basic: Option<(&str, &str)>, form: &[(&str, &str)]) -> Result<Value, String> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let params = Params::parse(body.as_bytes()).unwrap();
        let basic = basic.map(|(id, secret)| format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))));
        let call = Call::new("test".to_owned(), None);
        let answer = token::exchange(&self.app.core(), &call, basic.as_deref(), &params).await;
        answer.map(|answer| serde_json::to_value(answer).unwrap()).map_err(|error| error.code.as_str().to_owned())
    }

    async fn login(&self, password: &str) -> Result<Value, String> {
        self.token(None, &[("grant_type", "password"), ("username", "dory"), ("password", password)]).await
    }

    async fn refresh(&self, answer: &Value) -> Result<Value, String> {
        let token = answer["refresh_token"].as_str().unwrap();
        self.token(None, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn is_active(&self, answer: &Value, kind: &str) -> bool {
        let token = answer[kind].as_str().unwrap().to_owned().into();
        self.run(Command::TokenInspect { token }).await["active"] == json!(true)
    }
}

fn dory() -> NewUser {
    NewUser {
        username: "Dory".to_owned(),
        password: Some("just keep swimming".to_owned().into()),
        name: Some("Dory Blue".to_owned()),
        email: None,
        groups: vec!["reef".to_owned()],
    }
}

fn user(name: &str) -> String {
    name.to_owned()
}

fn machine(id: &str) -> NewClient {
    NewClient {
        id: id.to_owned(),
        name: None,
        client_type: ClientType::Confidential,
        grants: vec![GrantType::ClientCredentials],
        extension_grants: Vec::new(),
        scopes: vec!["read".to_owned()],
        redirect_uris: Vec::new(),
        cors: Vec::new(),
        trusted: false,
        introspect: false,
    }
}

#[tokio::test]
async fn whatever_ends_a_users_access_ends_what_the_user_was_given() {
    let endings = [
        Command::UserDisable { user: user("dory") },
        Command::UserRemove { user: user("DORY") },
        Command::UserPasswd { user: user("dory"), password: "another password".to_owned().into() },
        Command::TokenRevoke(RevokeTarget::User(user("dory"))),
        Command::TokenRevoke(RevokeTarget::Client("demo".to_owned())),
    ];
    for ending in endings {
        let fixture = Fixture::with_dory().await;
        let answer = fixture.login("just keep swimming").await.unwrap();
        assert!(fixture.is_active(&answer, "access_token").await, "{ending:?}");
        fixture.run(ending.clone()).await;
        assert!(!fixture.is_active(&answer, "access_token").await, "{ending:?}");
        assert!(!fixture.is_active(&answer, "refresh_token").await, "{ending:?}");
        assert_eq!(fixture.refresh(&answer).await.unwrap_err(), "invalid_grant", "{ending:?}");
    }
}

#[tokio::test]
async fn an_account_enabled_again_logs_in_and_gets_nothing_old_back() {
    let fixture = Fixture::with_dory().await;
    let before = fixture.login("just keep swimming").await.unwrap();
    fixture.run(Command::UserDisable { user: user("dory") }).await;
    assert_eq!(fixture.login("just keep swimming").await.unwrap_err(), "invalid_grant");
    fixture.run(Command::UserEnable { user: user("dory") }).await;
    assert!(fixture.refresh(&before).await.is_err());
    assert!(fixture.login("just keep swimming").await.is_ok());
}

#[tokio::test]
async fn a_token_is_inspected_and_revoked_with_its_family() {
    let fixture = Fixture::with_dory().await;
    let answer = fixture.login("just keep swimming").await.unwrap();
    let token = || answer["access_token"].as_str().unwrap().to_owned().into();
    let seen = fixture.run(Command::TokenInspect { token: token() }).await;
    assert_eq!((&seen["client_id"], &seen["username"]), (&json!("demo"), &json!("Dory")));
    fixture.run(Command::TokenRevoke(RevokeTarget::Token(token()))).await;
    assert!(fixture.refresh(&answer).await.is_err());
    let unknown = Command::TokenRevoke(RevokeTarget::Token("nonsense".to_owned().into()));
    assert_eq!(fixture.refused(unknown).await.0, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_user_is_revoked_by_sub_and_by_backend_and_id() {
    for by in ["sub", "account"] {
        let fixture = Fixture::with_dory().await;
        let answer = fixture.login("just keep swimming").await.unwrap();
        let shown = fixture.run(Command::UserShow { user: user("dory") }).await;
        let named = match by {
            "sub" => shown["subjects"]["local"].as_str().unwrap().to_owned(),
            _ => format!("local/{}", shown["id"].as_str().unwrap()),
        };
        fixture.run(Command::TokenRevoke(RevokeTarget::User(named))).await;
        assert!(fixture.refresh(&answer).await.is_err(), "{by}");
    }
    let fixture = Fixture::new().await;
    for nobody in ["nobody", "local/5", &"x".repeat(5000)] {
        let command = Command::TokenRevoke(RevokeTarget::User(nobody.to_owned()));
        assert_eq!(fixture.refused(command).await.0, ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_rotated_secret_works_beside_the_former_one_until_that_is_dropped() {
    let fixture = Fixture::new().await;
    let first = fixture.run(Command::ClientAdd(machine("billing"))).await["secret"].as_str().unwrap().to_owned();
    let rotate = |drop_old| Command::ClientRotateSecret { id: "billing".to_owned(), drop_old };
    assert_eq!(fixture.refused(rotate(true)).await.0, ErrorKind::Refused);
    let second = fixture.run(rotate(false)).await["secret"].as_str().unwrap().to_owned();
    let form = [("grant_type", "client_credentials")];
    assert!(fixture.token(Some(("billing", &first)), &form).await.is_ok());
    assert!(fixture.token(Some(("billing", &second)), &form).await.is_ok());
    let (kind, message) = fixture.refused(rotate(false)).await;
    assert_eq!(kind, ErrorKind::Refused, "there is room for two");
    assert!(message.contains("`pintle client rotate-secret billing --drop-old`"), "{message}");
    assert!(fixture.run(rotate(true)).await.get("secret").is_none());
    assert_eq!(fixture.token(Some(("billing", &first)), &form).await.unwrap_err(), "invalid_client");
    assert!(fixture.token(Some(("billing", &second)), &form).await.is_ok());
}

#[tokio::test]
async fn a_client_of_the_same_name_does_not_inherit_tokens() {
    let fixture = Fixture::new().await;
    let secret = fixture.run(Command::ClientAdd(machine("billing"))).await["secret"].as_str().unwrap().to_owned();
    let form = [("grant_type", "client_credentials")];
    let answer = fixture.token(Some(("billing", &secret)), &form).await.unwrap();
    assert!(fixture.is_active(&answer, "access_token").await);
    fixture.run(Command::ClientRemove { id: "billing".to_owned() }).await;
    assert!(!fixture.is_active(&answer, "access_token").await);
    fixture.run(Command::ClientAdd(machine("billing"))).await;
    assert!(!fixture.is_active(&answer, "access_token").await);
}

#[tokio::test]
async fn clients_of_the_configuration_are_listed_and_not_changed() {
    let fixture = Fixture::new().await;
    fixture.run(Command::ClientAdd(machine("billing"))).await;
    let listed = fixture.run(Command::ClientList { after: None }).await;
    let origins: Vec<_> = listed["items"].as_array().unwrap().iter().map(|c| (&c["id"], &c["origin"])).collect();
    let of = |id: &str, origin: &str| (json!(id), json!(origin));
    let expected = [of("demo", "config"), of("demo-service", "config"), of("billing", "command")];
    assert_eq!(origins, expected.iter().map(|(id, origin)| (id, origin)).collect::<Vec<_>>());
    let id = || "demo-service".to_owned();
    for command in [
        Command::ClientAdd(machine("demo-service")),
        Command::ClientRotateSecret { id: id(), drop_old: false },
        Command::ClientRotateSecret { id: id(), drop_old: true },
        Command::ClientRemove { id: id() },
    ] {
        let (kind, message) = fixture.refused(command).await;
        assert!(kind == ErrorKind::Refused && message.contains("demo-service"), "{message}");
    }
}

#[tokio::test]
async fn a_client_that_no_configuration_could_have_is_refused() {
    type Spoil = fn(&mut NewClient);
    let bad: &[(&str, Spoil)] = &[
        ("id", |c| c.id = "a\nb".to_owned()),
        ("id", |c| c.id = String::new()),
        ("scope", |c| c.scopes = vec!["read write".to_owned()]),
        ("scope", |c| c.scopes = (0..65).map(|n| format!("s{n}")).collect()),
        ("scope", |c| c.scopes = vec!["read".to_owned(), "read".to_owned()]),
        ("redirect-uri", |c| c.redirect_uris = vec!["http://app.example/cb".to_owned()]),
        ("redirect-uri", |c| c.redirect_uris = vec!["https://app.example/cb#x".to_owned()]),
        ("cors", |c| c.cors = vec!["https://app.example/".to_owned()]),
        ("trusted", |c| c.grants = vec![GrantType::Password]),
        ("confidential", |c| c.client_type = ClientType::Public),
        ("introspect", |c| {
            (c.client_type, c.introspect) = (ClientType::Public, true);
            c.grants.clear();
        }),
    ];
    let fixture = Fixture::new().await;
    for (word, spoil) in bad {
        let mut new = machine("billing");
        spoil(&mut new);
        let (kind, message) = fixture.refused(Command::ClientAdd(new)).await;
        assert!(kind == ErrorKind::Refused && message.contains(word), "{word}: {message}");
    }
    assert_eq!(fixture.run(Command::ClientList { after: None }).await["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_list_goes_on_after_a_full_page() {
    let fixture = Fixture::new().await;
    for number in 0..super::PAGE + 3 {
        let new = NewUser { username: format!("user{number}"), ..NewUser::default() };
        fixture.run(Command::UserAdd(new)).await;
    }
    let first = fixture.run(Command::UserList { after: None }).await;
    assert_eq!(first["items"].as_array().unwrap().len(), super::PAGE);
    let next = first["next"].as_str().unwrap().to_owned();
    let second = fixture.run(Command::UserList { after: Some(next) }).await;
    assert_eq!(second["items"].as_array().unwrap().len(), 3);
    assert_eq!(second["next"], Value::Null);
}

#[tokio::test]
async fn failed_logins_are_listed_and_released() {
    let fixture = Fixture::with_dory().await;
    assert_eq!(fixture.login("wrong password").await.unwrap_err(), "invalid_grant");
    let listed = fixture.run(Command::LockoutList { after: None }).await;
    assert_eq!((&listed["items"][0]["label"], &listed["items"][0]["failures"]), (&json!("dory"), &json!(1)));
    let release = || Command::LockoutRelease(Release::Account(user("Dory")));
    assert_eq!(fixture.run(release()).await["released"], 1);
    assert_eq!(fixture.refused(release()).await.0, ErrorKind::NotFound);
    assert_eq!(fixture.run(Command::LockoutRelease(Release::All)).await["released"], 0);
}

#[tokio::test]
async fn keys_are_listed_and_rotated() {
    let fixture = Fixture::new().await;
    let rotate = |algorithm: &str| Command::KeysRotate { algorithm: Some(algorithm.to_owned()), immediately: false };
    let rotated = fixture.run(rotate("EdDSA")).await;
    let listed = fixture.run(Command::KeysList).await;
    let next = listed["items"].as_array().unwrap().iter().find(|key| key["state"] == "next").unwrap();
    assert_eq!(next["id"], rotated["rotations"][0]["key_id"]);
    assert_eq!(fixture.refused(rotate("RS256")).await.0, ErrorKind::Refused);
    assert_eq!(fixture.refused(rotate("none")).await.0, ErrorKind::Refused);
}

#[test]
fn a_command_goes_over_the_wire_and_shows_no_secret() {
    let command = Command::UserAdd(dory());
    let wire = serde_json::to_string(&command).unwrap();
    assert_eq!(serde_json::from_str::<Command>(&wire).unwrap(), command);
    assert!(!format!("{command:?}").contains("swimming"));
}
