use super::*;

const MINIMAL: &str =
    r#"{"url": "ldap://127.0.0.1:3890", "base": "ou=people,dc=example,dc=com", "filter": "(uid={username})"}"#;

fn with(more: &str) -> String {
    format!("{}, {more}}}", &MINIMAL[..MINIMAL.len() - 1])
}

fn faults(json: &str) -> Vec<String> {
    Config::parse(json).err().unwrap_or_default()
}

#[test]
fn three_keys_are_enough() {
    let config = Config::parse(MINIMAL).unwrap();
    assert_eq!((config.endpoints.len(), config.username.as_str(), config.pool_size), (1, "uid", 8));
    assert_eq!(config.id, IdAttribute::new("entryUUID"));
    assert!(config.tls.is_none() && config.groups.is_none() && config.bind_dn.is_none());
    assert_eq!((config.attributes.display_name.as_str(), config.attributes.email.as_str()), ("cn", "mail"));
}

#[test]
fn every_key_is_taken() {
    let json = r#"{
        "url": ["ldap://127.0.0.1:3890", "ldap://localhost:3891"], "plain": true,
        "bind_dn": "cn=pintle,dc=example", "base": "dc=example", "filter": "(|(mail={username})(uid={username}))",
        "username_attribute": "uid", "id_attribute": "objectGUID",
        "may_use": "(memberOf=cn=users,dc=example)", "blocked": "(pwdAccountLockedTime=*)",
        "attributes": {"display_name": "displayName", "email": "mail", "email_verified": true, "claims": {"dep": "ou", "roles": ["title"]}},
        "groups": {"base": "ou=groups,dc=example", "filter": "(member={dn})", "name": "cn"},
        "pool_size": 3, "connect_timeout": "500ms", "operation_timeout": "2s"}"#;
    let config = Config::parse(json).unwrap();
    assert_eq!((config.endpoints.len(), config.pool_size), (2, 3));
    assert_eq!((config.connect_timeout.as_millis(), config.operation_timeout.as_millis()), (500, 2000));
    assert!(config.may_use.is_some() && config.blocked.is_some() && config.attributes.email_verified);
    let lists: Vec<_> = config.attributes.claims.iter().map(|claim| (claim.name.as_str(), claim.is_list)).collect();
    assert_eq!(lists, [("dep", false), ("roles", true)]);
    assert!(matches!(config.groups, Some(Groups::Search { .. })));
}

#[test]
fn every_fault_is_named_by_its_key() {
    assert_eq!(
        faults("{}"),
        [
            "url: missing; expected a string such as \"ldaps://ldap.example.com\", or a list of them",
            "base: missing; expected a string such as \"ou=people,dc=example,dc=com\"",
            "filter: missing; expected a string such as \"(uid={username})\"",
        ]
    );
    let json = r#"{"url": ["ldap://ldap.example.com", 7], "starttls": "yes", "ca": "ca.pem", "bind_dn": "", "base": 1,
        "filter": "(uid=x)", "id_attribute": "a b", "blocked": "x", "pool_size": 0, "connect_timeout": "soon",
        "operation_timeout": "0s", "attributes": {"mail": "mail", "claims": {"a": [], "b": 1}},
        "groups": {"attribute": "memberOf", "base": "x", "names": "cn"}, "bind_password": "x"}"#;
    let keys: Vec<String> =
        faults(json).iter().map(|fault| fault.split(':').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(
        keys,
        [
            "bind_password",
            "starttls",
            "url[0]",
            "url[1]",
            "ca",
            "bind_dn",
            "base",
            "filter",
            "id_attribute",
            "blocked",
            "attributes.mail",
            "attributes.claims.a",
            "attributes.claims.b",
            "groups.base",
            "groups.names",
            "pool_size",
            "connect_timeout",
            "operation_timeout",
        ]
    );
}

#[test]
fn options_that_do_nothing_are_faults() {
    assert_eq!(faults(&with(r#""ca": "/etc/ssl/ca.pem""#)), ["ca: no url uses TLS"]);
    assert_eq!(
        faults(&with(r#""groups": {"names": "rdn", "base": "dc=x", "filter": "(a={dn})"}"#)),
        ["groups.names: is for groups of an `attribute`"]
    );
    let ldaps = MINIMAL.replace("ldap://127.0.0.1:3890", "ldaps://ldap.example.com");
    let ldaps = ldaps.replace("\"base\"", "\"starttls\": true, \"ca\": \"/no/such/file\", \"base\"");
    let found = faults(&ldaps);
    assert!(found[0].starts_with("starttls: no url is ldap://"), "{found:?}");
    assert!(found[1].starts_with("ca: /no/such/file"), "{found:?}");
}

#[test]
fn nothing_switches_verification_off() {
    for key in ["insecure", "no_verify", "verify", "tls_verify"] {
        assert!(faults(&with(&format!(r#""{key}": true"#)))[0].contains("unknown key"), "{key}");
    }
}
