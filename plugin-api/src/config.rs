//! Reading a plugin's `config` table strictly, with every fault named by its key.

use serde_json::{Map, Value};

/// The table. Empty text counts as an empty table.
///
/// # Errors
/// One fault: it is not a JSON object.
pub fn table(config_json: &str) -> Result<Map<String, Value>, Vec<String>> {
    if config_json.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(config_json) {
        Ok(Value::Object(table)) => Ok(table),
        Ok(other) => Err(vec![format!("config: expected a table, found {}", sort_of(&other))]),
        Err(error) => Err(vec![format!("config: not JSON: {error}")]),
    }
}

/// For a plugin without options.
///
/// # Errors
/// A fault for each key.
pub fn takes_nothing(config_json: &str) -> Result<(), Vec<String>> {
    let faults: Vec<_> = table(config_json)?.keys().map(|key| unknown_key(key, &[])).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// The fault of a key that is none of `known`.
#[must_use]
pub fn unknown_key(key: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("{key}: unknown key; this plugin has no options");
    }
    format!("{key}: unknown key; known are {}", known.join(", "))
}

/// What a value is, for "expected …, found …".
#[must_use]
pub fn sort_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_without_options_names_each_key_that_it_got() {
        assert_eq!(takes_nothing("{}"), Ok(()));
        assert_eq!(takes_nothing(""), Ok(()));
        let faults = takes_nothing(r#"{"a": 1, "b": 2}"#).unwrap_err();
        assert_eq!(
            faults,
            ["a: unknown key; this plugin has no options", "b: unknown key; this plugin has no options"]
        );
    }

    #[test]
    fn a_config_that_is_no_table_is_refused() {
        assert_eq!(table("[1]").unwrap_err(), ["config: expected a table, found a list"]);
        assert!(table("{").unwrap_err()[0].starts_with("config: not JSON"));
    }
}
