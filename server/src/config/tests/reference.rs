//! The reference configurations load as they stand, to the values that they say; one leaves two things open.

use crate::config::model::{Address, Algorithm, BearerErrors, ClientType, PluginSource, SecretSource};
use crate::config::{LoadOptions, Loaded, load};
use std::path::PathBuf;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/reference").join(name)
}

fn loaded(name: &str) -> Loaded {
    let options = LoadOptions { file: Some(fixture(name)), ..LoadOptions::default() };
    load(&options).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn clarico_loads_unchanged() {
    let Loaded { config, .. } = loaded("clarico.toml");
    assert_eq!(config.issuer, "http://127.0.0.1:18080");
    assert_eq!(config.data_dir, fixture("data"));
    assert_eq!(config.listen.addresses, [Address::Tcp("127.0.0.1:18080".parse().unwrap())]);
    assert_eq!(config.paths.token, ["/token"]);
    assert_eq!(config.grants.default_client.as_deref(), Some("quote-web"));
    let access = &config.tokens.access;
    assert_eq!((access.format.as_str(), access.algorithm, access.lifetime), ("jwt", Algorithm::Rs256, HOUR));
    assert_eq!(access.audience, ["http://127.0.0.1:18080/api"]);
    assert_eq!(config.tokens.refresh.lifetime, 30 * 24 * HOUR);
    assert_eq!(config.tokens.refresh.grace, Duration::from_secs(5));
    let [client] = config.clients.as_slice() else { panic!("one client") };
    assert_eq!((client.id.as_str(), client.name.as_str()), ("quote-web", "Quote web application"));
    assert_eq!((client.client_type, client.trusted), (ClientType::Public, true));
    assert_eq!(client.grants, ["password", "refresh_token"]);
    assert_eq!(client.scopes, ["read", "write"]);
    assert_eq!(client.cors, ["http://localhost:3000"]);
    assert_eq!(config.plugins["local"].source, PluginSource::Builtin("accounts".to_owned()));
    assert_eq!(config.chain.iter().map(|entry| entry.plugin.as_str()).collect::<Vec<_>>(), ["local"]);
}

#[test]
fn korap_loads_unchanged() {
    let Loaded { config, .. } = loaded("korap.toml");
    assert_eq!(config.issuer, "http://127.0.0.1:18089/api");
    assert_eq!(
        (config.paths.root.as_str(), config.paths.token.as_slice()),
        ("/api", &["/api/oauth2/token".to_owned()][..])
    );
    assert_eq!(config.paths.authorize, ["/api/oauth2/authorize"]);
    assert_eq!(config.paths.revoke, ["/api/oauth2/revoke"]);
    assert_eq!(config.paths.jwks, ["/api/jwks"]);
    assert_eq!((config.tokens.access.format.as_str(), config.tokens.access.lifetime), ("opaque", 72 * HOUR));
    assert_eq!(config.tokens.access.audience, ["http://127.0.0.1:18089/api"]);
    let refresh = &config.tokens.refresh;
    assert_eq!((refresh.lifetime, refresh.grace), (365 * 24 * HOUR, Duration::ZERO));
    assert!(refresh.ends_access_tokens && config.authorize.bearer_login);
    assert_eq!(config.compatibility.unauthorized_client_status, 401);
    assert_eq!(config.compatibility.bearer_errors, BearerErrors::Korap);
    let [kalamar, third] = config.clients.as_slice() else { panic!("two clients") };
    assert_eq!(kalamar.secrets, [SecretSource::Value("_IGaQqvUUrPTzRKJvqPYnA".to_owned().into())]);
    assert_eq!((kalamar.client_type, kalamar.trusted), (ClientType::Confidential, true));
    assert_eq!(kalamar.scopes, ["search", "match_info", "authorize", "user_info"]);
    assert_eq!(third.redirect_uris, ["http://localhost:9999/callback"]);
    assert_eq!(third.grants, ["authorization_code", "refresh_token", "client_credentials"]);
    assert!(!third.trusted && !third.introspect);
}

#[test]
fn composed_lacks_only_what_it_leaves_open() {
    let options = LoadOptions { file: Some(fixture("composed.toml")), ..LoadOptions::default() };
    let errors = load(&options).map(|_| ()).unwrap_err().to_string();
    let places: Vec<_> = errors.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(places, ["trust.keys[0]", "plugins.directory.sha256"], "{errors}");
}
