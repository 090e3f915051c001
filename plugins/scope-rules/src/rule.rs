//! One rule, and how it is read.

use pintle_plugin_api::Account;
use pintle_plugin_api::config::{sort_of, table, unknown_key};
use serde_json::{Map, Value};

/// Every condition that is set must hold; within one, any of its values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    scopes: Vec<String>,
    groups: Option<Vec<String>>,
    users: Option<Vec<String>>,
    clients: Option<Vec<String>>,
    grant_types: Option<Vec<String>>,
    /// `amr` values (RFC 8176).
    pub(crate) require: Vec<String>,
    /// In seconds, at least 1.
    pub(crate) max_ttl_s: Option<u32>,
}

/// Who asks, and how.
pub(crate) struct Asked<'a> {
    pub(crate) account: Option<&'a Account>,
    pub(crate) client_id: &'a str,
    pub(crate) grant_type: &'a str,
}

impl Rule {
    pub(crate) fn names(&self, scope: &str) -> bool {
        self.scopes.iter().any(|named| named == scope)
    }

    pub(crate) fn matches(&self, asked: &Asked<'_>) -> bool {
        let holds = |condition: &Option<Vec<String>>, test: &dyn Fn(&String) -> bool| {
            condition.as_ref().is_none_or(|values| values.iter().any(test))
        };
        let of_account = |test: &dyn Fn(&Account) -> bool| asked.account.is_some_and(test);
        holds(&self.groups, &|group| of_account(&|account| account.groups.contains(group)))
            && holds(&self.users, &|user| of_account(&|account| account.username == *user))
            && holds(&self.clients, &|client| client == asked.client_id)
            && holds(&self.grant_types, &|grant_type| grant_type == asked.grant_type)
    }
}

const KEYS: [&str; 7] = ["scopes", "groups", "users", "clients", "grant_types", "require", "max_ttl"];

/// Reads `{"rules": [...]}`; all faults are found, each with its key.
pub(crate) fn parse_all(config_json: &str) -> Result<Vec<Rule>, Vec<String>> {
    let config = table(config_json)?;
    let mut faults: Vec<_> =
        config.keys().filter(|key| *key != "rules").map(|key| unknown_key(key, &["rules"])).collect();
    let rules = match config.get("rules") {
        None => Vec::new(),
        Some(Value::Array(rules)) => {
            rules.iter().enumerate().map(|(at, rule)| parse(&format!("rules[{at}]"), rule, &mut faults)).collect()
        }
        Some(other) => {
            faults.push(format!("rules: expected a list, found {}", sort_of(other)));
            Vec::new()
        }
    };
    if faults.is_empty() { Ok(rules) } else { Err(faults) }
}

fn parse(path: &str, rule: &Value, faults: &mut Vec<String>) -> Rule {
    let Value::Object(fields) = rule else {
        faults.push(format!("{path}: expected a table, found {}", sort_of(rule)));
        return Rule::default();
    };
    let unknown = fields.keys().filter(|key| !KEYS.contains(&key.as_str()));
    faults.extend(unknown.map(|key| unknown_key(&format!("{path}.{key}"), &KEYS)));
    if !fields.contains_key("scopes") {
        faults.push(format!("{path}.scopes: missing; a rule names at least one scope"));
    }
    Rule {
        scopes: names(path, "scopes", fields, faults).unwrap_or_default(),
        groups: names(path, "groups", fields, faults),
        users: names(path, "users", fields, faults),
        clients: names(path, "clients", fields, faults),
        grant_types: names(path, "grant_types", fields, faults),
        require: names(path, "require", fields, faults).unwrap_or_default(),
        max_ttl_s: fields.get("max_ttl").and_then(|value| lifetime(&format!("{path}.max_ttl"), value, faults)),
    }
}

/// A list of names that is not empty: an empty one would be a condition that nobody meets, most likely by mistake.
fn names(path: &str, key: &str, fields: &Map<String, Value>, faults: &mut Vec<String>) -> Option<Vec<String>> {
    let value = fields.get(key)?;
    let Value::Array(items) = value else {
        faults.push(format!("{path}.{key}: expected a list of strings, found {}", sort_of(value)));
        return None;
    };
    if items.is_empty() {
        faults.push(format!("{path}.{key}: the list is empty; leave it out, or name at least one"));
    }
    let mut names = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match item {
            Value::String(name) if !name.is_empty() => names.push(name.clone()),
            Value::String(_) => faults.push(format!("{path}.{key}[{at}]: is empty")),
            other => faults.push(format!("{path}.{key}[{at}]: expected a string, found {}", sort_of(other))),
        }
    }
    Some(names)
}

fn lifetime(path: &str, value: &Value, faults: &mut Vec<String>) -> Option<u32> {
    let Value::String(text) = value else {
        faults.push(format!("{path}: expected a lifetime such as \"10m\", found {}", sort_of(value)));
        return None;
    };
    let seconds = humantime::parse_duration(text).ok().and_then(|span| u32::try_from(span.as_secs()).ok());
    if seconds.is_none_or(|seconds| seconds == 0) {
        faults.push(format!("{path}: expected a lifetime of a second or more such as \"10m\", found {text:?}"));
    }
    seconds
}
