//! What `pintle check` warns of, word by word.

use super::Setup;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

const MASTER: &str = "keys.master.env = \"MASTER\"\n";

#[test]
fn a_careful_configuration_has_no_warnings() {
    assert_eq!(Setup::new(&format!("issuer = \"https://id.example.com\"\n{MASTER}")).warnings(), "");
}

#[test]
fn transport_warnings() {
    let text = format!(
        "issuer = \"http://id.example.com\"\n{MASTER}[listen]\naddress = \"0.0.0.0:80\"\nbehind_proxy = true\n\
         trusted_proxies = [\"10.0.0.1\", \"0.0.0.0/0\", \"::/0\"]\n[monitoring]\naddress = \"0.0.0.0:9090\"\n\
         plain_http = true\n"
    );
    let expected = "\
pintle.toml:1: issuer: http beyond loopback: clients should refuse it (RFC 8414 §2)
pintle.toml:4: listen.address: plain HTTP beyond loopback: whoever is between the proxy and this server reads passwords
pintle.toml:6: listen.trusted_proxies[1]: 0.0.0.0/0 trusts everybody: any client may claim any address
pintle.toml:6: listen.trusted_proxies[2]: ::/0 trusts everybody: any client may claim any address
pintle.toml:8: monitoring.address: metrics beyond loopback: plain HTTP, for everybody";
    assert_eq!(Setup::new(&text).warnings(), expected);
}

#[test]
fn a_sync_that_decides_about_no_login_is_warned_of() {
    let text = format!(
        "issuer = \"https://id.example.com\"\n{MASTER}plugins.erp.source = \"erp.wasm\"\n\
         plugins.crm.source = \"crm.wasm\"\n[users]\nchain = [\"crm\"]\nsync = [\"crm\", \"erp\"]\n"
    );
    let expected = "pintle.toml:7: users.sync[1]: \"erp\" is not in users.chain: its sync decides about nobody who logs in \
                    with a password";
    assert_eq!(Setup::new(&text).warnings(), expected);
}

#[test]
fn client_and_key_warnings() {
    let text = "\
issuer = \"http://localhost:8080\"
users.chain = [\"local\"]
plugins.local.source = \"builtin:accounts\"
[[clients]]
id = \"web\"
type = \"public\"
trusted = true
grants = [\"refresh_token\", \"password\"]
[[clients]]
id = \"service\"
type = \"confidential\"
secret = [{ env = \"OLD\" }, { value = \"readable\" }]
grants = [\"authorization_code\"]
";
    let setup = Setup::new(text);
    let file = setup.options.file.clone().unwrap();
    set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let expected = "\
pintle.toml: keys.master: not set: the master key is generated and kept beside what it protects; give a file elsewhere \
or an environment variable
pintle.toml:7: clients[0].trusted: \"web\" is public and trusted: any program can take its id and ask users for passwords
pintle.toml:8: clients[0].grants[1]: \"web\" uses the password grant, which RFC 9700 §2.4 rules out: for first-party \
clients only
pintle.toml:12: clients[1].secret: the secret of \"service\" is given as it is: use file, env or hash
pintle.toml:12: clients[1].secret: the secret of \"service\" has fewer than 16 characters: it can be guessed
pintle.toml:13: clients[1].grants[0]: \"service\" has no redirect_uris: its authorization requests are refused
pintle.toml: holds a secret and every user of this machine may read it: run chmod o-r on it";
    assert_eq!(setup.warnings(), expected);
    set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    assert!(!setup.warnings().contains("chmod"));
}

#[test]
fn brute_force_warnings() {
    let text = format!(
        "issuer = \"http://127.0.0.1:8080\"\n{MASTER}[passwords]\nfailure_time = \"0s\"\nmemory_kib = 1024\n\
         [lockout]\nbase_delay = \"0s\"\n"
    );
    let expected = "\
pintle.toml:4: passwords.failure_time: 0: the time of a failed login tells whether the account exists
pintle.toml:5: passwords.memory_kib: 1024: below 7168 Argon2id is cheap to attack
pintle.toml:7: lockout.base_delay: 0: passwords can be tried without delay";
    assert_eq!(Setup::new(&text).warnings(), expected);
}

#[test]
fn a_master_key_within_the_data_is_warned_of_and_one_elsewhere_is_not() {
    let warnings = |file: &str| {
        let text = format!("issuer = \"https://id.example.com\"\ndata_dir = \"data\"\nkeys.master.file = \"{file}\"\n");
        let setup = Setup::new(&text);
        let data = setup.folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&data, setup.folder.path().join("link")).unwrap();
        setup.warnings()
    };
    let expected = "pintle.toml:3: keys.master: lies in data_dir, beside what it protects: keep it elsewhere";
    for within in ["data/key", "data/deep/key", "link/key", "link/../data/key"] {
        assert_eq!(warnings(within), expected, "{within}");
    }
    for elsewhere in ["key", "database/key"] {
        assert_eq!(warnings(elsewhere), "", "{elsewhere}");
    }
}

#[test]
fn an_issuer_on_loopback_where_nobody_listens_is_warned_of() {
    let warnings = |issuer: &str, address: &str| {
        Setup::new(&format!("issuer = \"{issuer}\"\n{MASTER}listen.address = {address}\n")).warnings()
    };
    let expected = "pintle.toml:1: issuer: \"http://127.0.0.1:8080\" leads elsewhere than listen.address, \
                    127.0.0.1:28441: clients that follow the metadata do not come here";
    assert_eq!(warnings("http://127.0.0.1:8080", "\"127.0.0.1:28441\""), expected);
    assert!(warnings("http://127.0.0.1:8080", "\"[::1]:8080\"").contains("leads elsewhere"));
    for (issuer, address) in [
        ("http://127.0.0.1:8080", "[\"[::1]:8080\", \"127.0.0.1:8080\"]"),
        ("http://[::1]:8080", "\"[::1]:8080\""),
        ("http://localhost:8080", "\"127.0.0.1:8080\""),
        ("http://localhost:8080", "\"unix:p.sock\""),
        ("https://id.example.com", "\"127.0.0.1:28441\""),
    ] {
        assert_eq!(warnings(issuer, address), "", "{issuer} {address}");
    }
}
