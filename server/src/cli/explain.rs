//! `pintle explain …`: the answer as a page for people.

use super::args::ExplainLogin;
use super::exit::Failure;
use super::open::Opening;
use super::{admin, block_on, log, password, text};
use pintle::admin::{Command, Question};
use serde_json::{Map, Value};
use std::fmt::Write;

const BACKENDS: &[(&str, &str)] = &[("BACKEND", "backend"), ("VERDICT", "verdict"), ("MS", "ms"), ("WHY", "why")];
const POLICIES: &[(&str, &str)] = &[
    ("POLICY", "policy"),
    ("VERDICT", "verdict"),
    ("MS", "ms"),
    ("GRANTED", "granted"),
    ("REQUIRES", "require"),
    ("MAX TTL", "max_ttl_s"),
    ("ERROR", "error"),
];

pub fn login(open: &Opening, json: bool, login: ExplainLogin) -> Result<(), Failure> {
    let ExplainLogin { username, password_stdin, no_password, client, scopes } = login;
    let password = if no_password { None } else { Some(password::present(password_stdin)?) };
    log::install_for_command()?;
    let command = Command::ExplainLogin(Question { username, password, client, scopes });
    let answer = block_on(admin::execute(open, command))?;
    if json {
        text::print_json(&answer);
    } else {
        text::print(&page(&answer));
    }
    Ok(())
}

fn page(answer: &Value) -> String {
    let mut page = text::table(BACKENDS, rows(&answer["backends"]));
    let _ = write!(page, "\noutcome: {}\n", answer["outcome"].as_str().unwrap_or_default());
    if let Value::String(why) = &answer["hindrance"] {
        let _ = writeln!(page, "why:     {}", why);
    }
    if let Value::Object(identity) = &answer["identity"] {
        let _ = write!(page, "\n{}", text::object(identity));
    }
    if let Value::Object(scope) = &answer["scope"] {
        let policies = rows(&answer["scope"]["policies"]);
        if !policies.is_empty() {
            let _ = write!(page, "\n{}", text::table(POLICIES, policies));
        }
        let rest: Map<String, Value> = scope
            .iter()
            .filter(|(key, _)| *key != "policies")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let _ = write!(page, "\n{}", text::object(&rest));
    }
    page
}

fn rows(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_shows_who_was_asked_whom_it_led_to_and_what_the_client_gets() {
        let answer = json!({
            "backends": [
                { "backend": "ldap", "verdict": "unknown-user", "ms": 12, "why": "not its user: the next one is asked" },
                { "backend": "local", "verdict": "accepted", "ms": 30, "why": "it is its user: nobody else is asked" },
            ],
            "outcome": "accepted",
            "identity": { "backend": "local", "account": "7", "groups": ["staff"], "sub": null },
            "scope": {
                "client": "web", "requested": ["read", "write"], "granted": ["read"], "expires_in": 600, "refused": null,
                "policies": [{
                    "policy": "rules", "verdict": "decided", "ms": 1, "granted": ["read"], "require": [],
                    "max_ttl_s": 600, "error": null,
                }],
            },
        });
        let expected = "\
BACKEND  VERDICT       MS  WHY
ldap     unknown-user  12  not its user: the next one is asked
local    accepted      30  it is its user: nobody else is asked

outcome: accepted

account: 7
backend: local
groups:  staff
sub:     -

POLICY  VERDICT  MS  GRANTED  REQUIRES  MAX TTL  ERROR
rules   decided  1   read     -         600      -

client:     web
expires_in: 600
granted:    read
refused:    -
requested:  read write
";
        assert_eq!(page(&answer), expected);
    }
}
