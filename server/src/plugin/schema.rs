//! A JSON schema (draft 2020-12) of a plugin's config. It comes with the plugin, so it is bounded, fetches nothing and
//! has no regular expressions that backtrack.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;

/// The largest schema, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// How many violations are told.
const MAX_FAULTS: usize = 32;

/// A compiled schema.
#[derive(Debug)]
pub struct ConfigSchema(Validator);

impl ConfigSchema {
    /// - `json`: the schema
    ///
    /// # Errors
    /// Where it is too large, no JSON, no schema, or refers to another document.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        if json.len() > MAX_BYTES {
            return Err(format!("it has {} bytes, at most {MAX_BYTES}", json.len()));
        }
        let schema: Value = serde_json::from_slice(json).map_err(|error| format!("it is no JSON: {error}"))?;
        let options =
            jsonschema::options().with_draft(Draft::Draft202012).with_pattern_options(PatternOptions::regex());
        options.offline().build(&schema).map(Self).map_err(|error| format!("it is no schema: {error}"))
    }

    /// What of the config breaks the schema: `path: why`, or only `why` where it is the config as a whole. Values are not
    /// shown, as a config may hold passwords.
    #[must_use]
    pub fn faults(&self, config_json: &str) -> Vec<String> {
        match serde_json::from_str::<Value>(config_json) {
            Ok(config) => self.0.iter_errors(&config).flat_map(|error| faults(&error)).take(MAX_FAULTS).collect(),
            Err(error) => vec![format!("it is no JSON: {error}")],
        }
    }
}

fn faults(error: &ValidationError<'_>) -> Vec<String> {
    let pointer = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::Required { property: Value::String(name) } => {
            vec![fault(pointer, Some(name), "is missing, and required by the plugin's schema")]
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().map(|name| fault(pointer, Some(name), "the plugin's schema knows no such key")).collect()
        }
        _ => vec![fault(pointer, None, &error.masked().to_string())],
    }
}

/// `pointer` is a JSON pointer (RFC 6901); the fault names a path as the configuration writes it.
fn fault(pointer: &str, key: Option<&str>, why: &str) -> String {
    let mut path = String::new();
    let keys = pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~"));
    for key in keys.chain(key.map(str::to_owned)) {
        if !path.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{key}]"));
        } else {
            path.push_str(if path.is_empty() { "" } else { "." });
            path.push_str(&key);
        }
    }
    if path.is_empty() { why.to_owned() } else { format!("{path}: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r##"{
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object", "additionalProperties": false, "required": ["url"],
        "properties": {
            "url": { "type": "string", "pattern": "^https://" },
            "rules": { "type": "array", "items": { "$ref": "#/$defs/rule" } }
        },
        "$defs": { "rule": { "type": "object", "properties": { "ttl": { "type": "integer", "minimum": 1 } } } }
    }"##;

    #[test]
    fn every_violation_has_its_path_and_no_value() {
        let schema = ConfigSchema::parse(SCHEMA.as_bytes()).unwrap();
        assert!(schema.faults(r#"{"url":"https://a","rules":[{"ttl":1}]}"#).is_empty());
        let mut faults = schema.faults(r#"{"url":"hunter2","rules":[{"ttl":1},{"ttl":0}],"typo":1}"#);
        faults.sort();
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(faults[0].starts_with("rules[1].ttl: "), "{faults:?}");
        assert_eq!(faults[1], "typo: the plugin's schema knows no such key");
        assert!(faults[2].starts_with("url: ") && !faults[2].contains("hunter2"), "{faults:?}");
        assert_eq!(schema.faults("{}"), ["url: is missing, and required by the plugin's schema"]);
    }

    #[test]
    fn a_schema_that_is_none_or_reaches_out_is_refused() {
        for (schema, why) in [
            ("{", "no JSON"),
            (r#"{"type":"objekt"}"#, "no schema"),
            (r#"{"$ref":"https://example.com/schema.json"}"#, "no schema"),
            (r#"{"$ref":"file:///etc/passwd"}"#, "no schema"),
        ] {
            let refused = ConfigSchema::parse(schema.as_bytes()).unwrap_err();
            assert!(refused.contains(why), "{schema}: {refused}");
        }
        assert!(ConfigSchema::parse(&vec![b' '; MAX_BYTES + 1]).unwrap_err().contains("bytes"));
    }

    #[test]
    fn a_pattern_that_would_backtrack_for_ever_answers_at_once() {
        let schema = ConfigSchema::parse(br#"{"pattern":"^(a+)+$"}"#).unwrap();
        assert_eq!(schema.faults(&format!("\"{}!\"", "a".repeat(5000))).len(), 1);
    }
}
