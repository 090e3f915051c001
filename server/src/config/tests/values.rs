//! Values that are unusual and right.

use super::Setup;
use crate::config::model::{ChainEntry, PolicyEntry, SecretSource, Tls};
use std::time::Duration;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";

#[test]
fn a_client_takes_two_secrets_of_any_form() {
    let text = format!(
        "issuer = \"http://127.0.0.1\"\n[[clients]]\nid = \"a b:c\"\ntype = \"confidential\"\naccess_lifetime = \"90s\"\n\
         secret = [{{ hash = \"{HASH}\" }}, {{ env = \"NEXT\" }}]\n"
    );
    let client = Setup::new(&text).load().config.clients.remove(0);
    assert_eq!(client.secrets, [SecretSource::Hash(HASH.to_owned()), SecretSource::Env("NEXT".to_owned())]);
    assert_eq!((client.name.as_str(), client.access_lifetime), ("a b:c", Some(Duration::from_secs(90))));
}

#[test]
fn redirect_uris_stay_as_they_are_written() {
    let uris = ["http://[::1]:80/cb?x=1", "https://APP.example.com", "com.example.app:/cb", "http://127.0.0.1/a%20b"];
    let text = format!(
        "issuer = \"http://127.0.0.1\"\n[[clients]]\nid = \"a\"\ntype = \"public\"\n\
         grants = [\"authorization_code\"]\nredirect_uris = {uris:?}\n"
    );
    assert_eq!(Setup::new(&text).load().config.clients[0].redirect_uris, uris);
}

#[test]
fn an_issuer_may_have_a_path_and_a_port() {
    for issuer in ["https://id.example.com:8443/tenant/1", "http://[::1]:8080", "https://id.example.com"] {
        assert_eq!(Setup::new(&format!("issuer = \"{issuer}\"\n")).load().config.issuer, issuer);
    }
}

#[test]
fn a_chain_entry_may_pass_over_a_broken_backend() {
    let text = "issuer = \"http://127.0.0.1\"\nplugins.erp.source = \"erp.wasm\"\nplugins.local.source = \"builtin:accounts\"\n\
                users.chain = [{ plugin = \"erp\", on_error = \"next\" }, \"local\", ]\n";
    let chain = Setup::new(text).load().config.chain;
    let entry =
        |plugin: &str, next_on_error| ChainEntry { plugin: plugin.to_owned(), next_on_error, stale: Duration::ZERO };
    assert_eq!(chain, [entry("erp", true), entry("local", false)]);
}

#[test]
fn a_scope_policy_may_be_done_without_while_it_is_broken() {
    let text = "issuer = \"http://127.0.0.1\"\nplugins.crm.source = \"crm.wasm\"\nplugins.rules.source = \"builtin:scope-rules\"\n\
                scopes.policies = [\"rules\", { plugin = \"crm\", on_error = \"static\" }]\n";
    let policies = Setup::new(text).load().config.scope_policies;
    let entry = |plugin: &str, static_on_error| PolicyEntry { plugin: plugin.to_owned(), static_on_error };
    assert_eq!(policies, [entry("rules", false), entry("crm", true)]);
}

#[test]
fn a_trusted_native_plugin_with_a_hash_and_tls_beyond_loopback_load() {
    let hash = "AB".repeat(32);
    let text = format!(
        "issuer = \"https://id.example.com\"\ntrust.native = true\n\
         trust.keys = [\"ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"]\n\
         plugins.directory = {{ source = \"/usr/lib/l.so\", sha256 = \"{hash}\", limits.timeout = \"2s\", reuse = 128 }}\n\
         [listen]\naddress = [\"0.0.0.0:8443\", \"[::]:8443\"]\ntls = {{ certificate = \"/c.pem\", key = \"/k.pem\" }}\n\
         trusted_proxies = [\"10.1.2.3/8\", \"::1\"]\n"
    );
    let config = Setup::new(&text).load().config;
    let plugin = &config.plugins["directory"];
    assert_eq!(plugin.sha256, Some(hash.to_lowercase()));
    assert_eq!((plugin.limits.timeout, plugin.limits.cpu, plugin.reuse), (Some(Duration::from_secs(2)), None, 128));
    assert_eq!(config.listen.tls, Some(Tls { certificate: "/c.pem".into(), key: "/k.pem".into() }));
    let networks: Vec<String> = config.listen.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "::1/128"]);
}

#[test]
fn an_endpoint_may_have_several_paths_behind_the_root() {
    let text =
        "issuer = \"http://127.0.0.1\"\n[paths]\nroot = \"/api/v1.0\"\ntoken = [\"/token\", \"/oauth2/token\"]\n";
    let paths = Setup::new(text).load().config.paths;
    assert_eq!(paths.token, ["/api/v1.0/token", "/api/v1.0/oauth2/token"]);
    assert_eq!(paths.revoke, ["/api/v1.0/revoke"]);
}
