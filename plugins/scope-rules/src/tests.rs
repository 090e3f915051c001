use super::*;
use pintle_plugin_api::conformance::{Fixtures, LinkedSubject, run};
use pintle_plugin_api::testing::{FakeHost, missing_from_plugin_toml};
use pintle_plugin_api::{Account, CallContext};

const CONFIG: &str = r#"{"rules": [
    {"scopes": ["admin"], "groups": ["admins"], "require": ["otp"], "max_ttl": "10m"},
    {"scopes": ["admin"], "users": ["root"]},
    {"scopes": ["batch", "admin"], "clients": ["robot"], "grant_types": ["client_credentials"], "max_ttl": "1h"}
]}"#;

fn query(username: &str, groups: &[&str], requested: &[&str]) -> ScopeQuery {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    ScopeQuery {
        client_json: r#"{"id": "app", "trusted": true}"#.to_owned(),
        account: Some(Account { username: username.to_owned(), groups, ..Account::default() }),
        grant_type: "password".to_owned(),
        requested: requested.iter().map(|scope| (*scope).to_owned()).collect(),
        ..ScopeQuery::default()
    }
}

fn decide(query: &ScopeQuery) -> ScopeDecision {
    let call = Call { context: &CallContext::default(), host: &FakeHost::default() };
    ScopeRules::create(CONFIG).unwrap().evaluate(&call, query).unwrap()
}

fn faults(config: &str) -> Vec<String> {
    ScopeRules::create(config).err().unwrap()
}

#[test]
fn a_scope_that_no_rule_names_passes() {
    assert_eq!(decide(&query("eve", &[], &["read"])).granted, ["read"]);
}

#[test]
fn a_named_scope_needs_a_rule_that_matches() {
    assert_eq!(decide(&query("eve", &["staff"], &["read", "admin"])).granted, ["read"]);
    assert_eq!(decide(&query("root", &[], &["admin"])).granted, ["admin"]);
}

#[test]
fn the_first_matching_rule_sets_requirement_and_lifetime() {
    let decision = decide(&query("root", &["admins"], &["admin", "read"]));
    assert_eq!((decision.granted.len(), decision.require, decision.max_ttl_s), (2, vec!["otp".to_owned()], Some(600)));
    let by_name = decide(&query("root", &[], &["admin"]));
    assert_eq!((by_name.require, by_name.max_ttl_s), (Vec::<String>::new(), None));
}

#[test]
fn every_condition_of_a_rule_must_hold() {
    let robot = |id: &str, grant_type: &str| ScopeQuery {
        client_json: format!(r#"{{"id": "{id}"}}"#),
        account: None,
        grant_type: grant_type.to_owned(),
        ..query("", &[], &["batch", "admin"])
    };
    assert_eq!(decide(&robot("robot", "client_credentials")).granted, ["batch", "admin"]);
    assert_eq!(decide(&robot("robot", "password")).granted, Vec::<String>::new());
    assert_eq!(decide(&robot("other", "client_credentials")).granted, Vec::<String>::new());
}

#[test]
fn the_shortest_lifetime_counts() {
    let both = ScopeQuery {
        client_json: r#"{"id": "robot"}"#.to_owned(),
        grant_type: "client_credentials".to_owned(),
        ..query("ann", &["admins"], &["batch", "admin"])
    };
    assert_eq!(decide(&both).max_ttl_s, Some(600));
}

#[test]
fn a_client_without_an_id_is_an_error_rather_than_a_grant() {
    let call = Call { context: &CallContext::default(), host: &FakeHost::default() };
    let query = ScopeQuery { client_json: "{}".to_owned(), ..query("ann", &[], &["read"]) };
    let answer = ScopeRules::create("{}").unwrap().evaluate(&call, &query);
    assert!(matches!(answer, Err(PluginError::Invalid(_))), "{answer:?}");
}

#[test]
fn every_fault_of_the_config_is_named_with_its_key() {
    let config = r#"{"rule": 1, "rules": [7, {"scope": ["a"]}, {"scopes": [], "groups": "x", "users": [1, ""]},
        {"scopes": ["a"], "max_ttl": "1 hourr"}, {"scopes": ["a"], "max_ttl": 5}, {"scopes": ["a"], "max_ttl": "0s"}]}"#;
    let keys = KNOWN;
    assert_eq!(
        faults(config),
        [
            "rule: unknown key; known are rules".to_owned(),
            "rules[0]: expected a table, found a number".to_owned(),
            format!("rules[1].scope: unknown key; known are {keys}"),
            "rules[1].scopes: missing; a rule names at least one scope".to_owned(),
            "rules[2].scopes: the list is empty; leave it out, or name at least one".to_owned(),
            "rules[2].groups: expected a list of strings, found a string".to_owned(),
            "rules[2].users[0]: expected a string, found a number".to_owned(),
            "rules[2].users[1]: is empty".to_owned(),
            "rules[3].max_ttl: expected a lifetime of a second or more such as \"10m\", found \"1 hourr\"".to_owned(),
            "rules[4].max_ttl: expected a lifetime such as \"10m\", found a number".to_owned(),
            "rules[5].max_ttl: expected a lifetime of a second or more such as \"10m\", found \"0s\"".to_owned(),
        ]
    );
}

const KNOWN: &str = "scopes, groups, users, clients, grant_types, require, max_ttl";

#[test]
fn it_conforms() {
    let host = FakeHost::default();
    for config in ["{}", CONFIG] {
        let fixtures = Fixtures { config_json: config.to_owned(), ..Fixtures::default() };
        let report = run(&LinkedSubject::new(linked(), config, &host).unwrap(), &fixtures);
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn plugin_toml_says_what_the_manifest_says() {
    let missing = missing_from_plugin_toml(include_str!("../plugin.toml"), &ScopeRules::manifest());
    assert_eq!(missing, Vec::<String>::new());
}
