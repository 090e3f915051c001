#[cfg(feature = "wasm")]
mod bundles;

use super::*;
use crate::config::model::PluginSource;
use crate::plugin::outbound::SystemResolver;
use crate::plugin::testing::{FakeServices, ann};
use pintle_plugin_api::Accepted;
use tempfile::TempDir;

const HANDLE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn builtin(name: &str) -> PluginEntry {
    PluginEntry::new(PluginSource::Builtin(name.to_owned()))
}

fn environment(folder: &TempDir) -> Environment {
    Environment {
        services: Arc::new(FakeServices::default()),
        builtins: builtins(),
        cache_dir: folder.path().join("cache"),
        variables: Vec::new(),
        known_dir: None,
        resolver: Arc::new(SystemResolver),
        last_run: LastRun::default(),
        kept: Arc::default(),
    }
}

async fn load_with(entries: Vec<(&str, PluginEntry)>, trust: Trust) -> (TempDir, Result<Registry, Vec<LoadError>>) {
    let folder = tempfile::tempdir().unwrap();
    let environment = environment(&folder);
    let entries = entries.into_iter().map(|(name, entry)| (name.to_owned(), entry)).collect();
    let registry = Registry::load(&entries, &trust, &environment).await;
    (folder, registry)
}

async fn load(entries: Vec<(&str, PluginEntry)>) -> Result<Registry, Vec<LoadError>> {
    load_with(entries, Trust::default()).await.1
}

fn errors(loaded: Result<Registry, Vec<LoadError>>) -> Vec<String> {
    loaded.err().unwrap().iter().map(ToString::to_string).collect()
}

fn password(username: &str, secret: &str) -> VerifyRequest {
    VerifyRequest {
        username: Some(username.to_owned()),
        kind: "password".to_owned(),
        secret: secret.as_bytes().to_vec().into(),
        ..VerifyRequest::default()
    }
}

#[tokio::test]
async fn the_builtin_accounts_verify_through_the_host() {
    let registry = load(vec![("local", builtin("accounts"))]).await.unwrap();
    let verifier = registry.user_verifier("local").unwrap();
    let call = CallContext::default();
    let accepted = Accepted { account: ann(), amr: vec!["pwd".to_owned()], acr: None };
    assert_eq!(verifier.verify(&call, password("ann", "secret")).await, Ok(VerifyOutcome::Accepted(accepted)));
    assert!(matches!(verifier.verify(&call, password("ann", "wrong")).await, Ok(VerifyOutcome::Rejected(_))));
    assert_eq!(verifier.verify(&call, password("bob", "secret")).await, Ok(VerifyOutcome::UnknownUser));
}

#[tokio::test]
async fn a_builtins_code_is_the_executables() {
    let registry = load(vec![("local", builtin("accounts"))]).await.unwrap();
    assert_eq!(registry.plugin("local").unwrap().code, Some(Code::Own));
}

#[tokio::test]
async fn an_allow_list_without_accounts_takes_them_from_a_builtin() {
    let entry = PluginEntry { allow: Some(vec![]), ..builtin("accounts") };
    let registry = load(vec![("local", entry)]).await.unwrap();
    let answer = registry.user_verifier("local").unwrap().verify(&CallContext::default(), password("ann", "x")).await;
    assert!(matches!(answer.unwrap_err().error, PluginError::Denied(_)));
}

#[tokio::test]
async fn the_builtin_formats_issue_and_validate() {
    let registry = load(vec![("jwt", builtin("jwt")), ("opaque", builtin("opaque"))]).await.unwrap();
    let ext = vec![("alg".to_owned(), "EdDSA".to_owned()), ("typ".to_owned(), "at+jwt".to_owned())];
    let call = CallContext { ext, ..CallContext::default() };
    let claims = format!(r#"{{"iss":"https://id","jti":"{HANDLE}","exp":100}}"#);
    for name in ["jwt", "opaque"] {
        let format = registry.token_format(name).unwrap();
        let issued = format.issue(&call, &claims, "k1").await.unwrap();
        assert_eq!(format.validate(&call, &issued.token).await, Ok(TokenVerdict::Mine(HANDLE.to_owned())), "{name}");
    }
    assert!(registry.plugin("jwt").unwrap().self_contained);
    assert!(!registry.plugin("opaque").unwrap().self_contained);
}

#[tokio::test]
async fn the_builtin_scope_rules_evaluate() {
    let registry = load(vec![("rules", builtin("scope-rules"))]).await.unwrap();
    let query = ScopeQuery {
        client_json: r#"{"id":"c"}"#.to_owned(),
        requested: vec!["read".to_owned()],
        ..ScopeQuery::default()
    };
    let decision = registry.scope_policy("rules").unwrap().evaluate(&CallContext::default(), query).await.unwrap();
    assert_eq!(decision.granted, ["read"]);
}

#[tokio::test]
async fn another_kind_than_wanted_is_named() {
    let registry = load(vec![("local", builtin("accounts"))]).await.unwrap();
    let error = registry.token_format("local").err().unwrap().to_string();
    assert_eq!(error, "the plugin `local` is no token-format: it exports user-verifier");
    assert_eq!(registry.user_verifier("ldap").err(), Some(LookupError::Missing("ldap".to_owned())));
}

#[tokio::test]
async fn every_fault_of_every_entry_is_reported_with_its_name() {
    let native = |trusted: bool| PluginEntry {
        sha256: (!trusted).then(String::new),
        ..PluginEntry::new(PluginSource::Native("missing.so".into()))
    };
    let errors = errors(
        load(vec![
            ("a", PluginEntry { config_json: r#"{"typo":1}"#.to_owned(), ..builtin("jwt") }),
            ("b", builtin("jtw")),
            ("c", PluginEntry { allow: Some(vec!["http".to_owned()]), ..builtin("jwt") }),
            ("d", native(false)),
        ])
        .await,
    );
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(errors[0].starts_with("plugins.a: config: ") && errors[0].contains("typo"), "{}", errors[0]);
    assert_eq!(errors[1], "plugins.b: source: there is no builtin `jtw`, but accounts, jwt, opaque, scope-rules");
    assert_eq!(errors[2], "plugins.c: allow: `http` is granted by origins in `network`");
    assert_eq!(errors[3], "plugins.d: a native plugin needs `native = true` in [trust]");
    let trust = Trust { native: true, ..Trust::default() };
    let (_folder, loaded) = load_with(vec![("d", native(true))], trust).await;
    assert_eq!(self::errors(loaded), ["plugins.d: sha256: missing; a native plugin loads only by its hash"]);
}

#[tokio::test]
async fn a_plugin_that_cannot_be_loaded_is_unavailable_and_no_more() {
    let missing =
        || PluginEntry { sha256: Some("00".to_owned()), ..PluginEntry::new(PluginSource::Native("missing.so".into())) };
    let trust = Trust { native: true, ..Trust::default() };
    let (_folder, loaded) = load_with(vec![("ldap", missing()), ("local", builtin("accounts"))], trust.clone()).await;
    let registry = loaded.unwrap();
    assert!(registry.plugin("ldap").unwrap().failure().unwrap().contains("missing.so"));
    let answer = registry.user_verifier("ldap").unwrap().verify(&CallContext::default(), password("ann", "x")).await;
    assert!(matches!(answer.unwrap_err().error, PluginError::Unavailable(_)));
    assert!(registry.plugin("local").unwrap().failure().is_none());

    let required = PluginEntry { required: true, ..missing() };
    let (_folder, loaded) = load_with(vec![("ldap", required)], trust).await;
    assert!(errors(loaded)[0].starts_with("plugins.ldap: missing.so"));
}

#[tokio::test]
async fn what_keeps_the_server_from_starting_does_not_hide_what_would_not() {
    let optional =
        PluginEntry { sha256: Some("00".to_owned()), ..PluginEntry::new(PluginSource::Native("missing.so".into())) };
    let trust = Trust { native: true, ..Trust::default() };
    let (_folder, loaded) = load_with(vec![("a", optional), ("b", builtin("jtw"))], trust).await;
    let errors = errors(loaded);
    assert!(errors.len() == 2 && errors[0].starts_with("plugins.b: source:"), "{errors:?}");
    assert!(errors[1].starts_with("plugins.a: missing.so"), "{errors:?}");
}

#[cfg(feature = "wasm")]
mod wasm {
    use super::*;
    use crate::plugin::private_dir::sha256_hex;
    use crate::plugin::wasm::guests::{Guest, component, wit};
    use sha2::{Digest, Sha256};

    fn guest(folder: &TempDir) -> (PluginEntry, Code) {
        let bytes = component(&wit(), &Guest::counting());
        let path = folder.path().join("guest.wasm");
        std::fs::write(&path, &bytes).unwrap();
        (PluginEntry::new(PluginSource::Wasm(path)), Code::File(Sha256::digest(&bytes).into()))
    }

    #[tokio::test]
    async fn a_component_is_loaded_described_and_called() {
        let folder = tempfile::tempdir().unwrap();
        let (entry, code) = guest(&folder);
        let registry = load(vec![("text", entry)]).await.unwrap();
        let plugin = registry.plugin("text").unwrap();
        assert_eq!((plugin.version.as_str(), plugin.code), ("1.0.0", Some(code)));
        let answer = registry.user_verifier("text").unwrap().verify(&CallContext::default(), password("a", "x")).await;
        assert_eq!(answer, Ok(VerifyOutcome::Rejected("1".to_owned())));
        assert_eq!(plugin.health(&CallContext::default()).await, Ok(()));
    }

    #[tokio::test]
    async fn a_component_of_another_hash_than_the_configs_is_not_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let entry = PluginEntry { sha256: Some(sha256_hex(b"another")), required: true, ..guest(&folder).0 };
        assert!(errors(load(vec![("text", entry)]).await)[0].contains("sha256"));
    }
}
