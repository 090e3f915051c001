//! A JSON schema (draft 2020-12) of a plugin's config. It comes with the plugin, so it is bounded in size and in the work
//! that it makes, fetches nothing and has no regular expressions that backtrack.

mod work;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;
use work::Work;

/// The largest schema, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// The most regular expressions in it, and the bytes that each may take once compiled.
const MAX_PATTERNS: usize = 256;
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// How many violations are told.
const MAX_FAULTS: usize = 32;

/// A compiled schema.
#[derive(Debug)]
pub struct ConfigSchema {
    validator: Validator,
    work: Work,
}

impl ConfigSchema {
    /// - `json`: the schema
    ///
    /// # Errors
    /// Where it is too large, no JSON, no schema, refers to another document, or makes too much work.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        if json.len() > MAX_BYTES {
            return Err(format!("it has {} bytes, at most {MAX_BYTES}", json.len()));
        }
        let schema: Value = serde_json::from_slice(json).map_err(|error| format!("it is no JSON: {error}"))?;
        // Before it is compiled, which follows references as well.
        let work = Work::of(&schema).map_err(|why| format!("it is not used: {why}"))?;
        let count = patterns(&schema);
        if count > MAX_PATTERNS {
            return Err(format!("it has {count} regular expressions, at most {MAX_PATTERNS}"));
        }
        let regex = PatternOptions::regex().size_limit(MAX_PATTERN_BYTES);
        let options = jsonschema::options().with_draft(Draft::Draft202012).with_pattern_options(regex);
        let validator = options.offline().build(&schema).map_err(|error| format!("it is no schema: {error}"))?;
        Ok(Self { validator, work })
    }

    /// What of the config breaks the schema: `path: why`, or only `why` where it is the config as a whole. Values are not
    /// shown, as a config may hold passwords. How much work a recursive schema makes is only known now.
    #[must_use]
    pub fn faults(&self, config_json: &str) -> Vec<String> {
        let config: Value = match serde_json::from_str(config_json) {
            Ok(config) => config,
            Err(error) => return vec![format!("it is no JSON: {error}")],
        };
        if let Err(why) = self.work.admit(&config) {
            return vec![format!("it cannot be checked by the plugin's schema: {why}")];
        }
        self.validator.iter_errors(&config).flat_map(|error| faults(&error)).take(MAX_FAULTS).collect()
    }
}

/// How many regular expressions there are at most: a property of this name counts as well.
fn patterns(schema: &Value) -> usize {
    match schema {
        Value::Array(values) => values.iter().map(patterns).sum(),
        Value::Object(object) => {
            let of = |(key, value): (&String, &Value)| match (key.as_str(), value) {
                ("pattern", Value::String(_)) => 1,
                ("patternProperties", Value::Object(properties)) => properties.len() + patterns(value),
                _ => patterns(value),
            };
            object.iter().map(of).sum()
        }
        _ => 0,
    }
}

fn faults(error: &ValidationError<'_>) -> Vec<String> {
    let pointer = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::Required { property: Value::String(name) } => {
            vec![fault(pointer, Some(name), "is missing, and required by the plugin's schema")]
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|name| fault(pointer, Some(name), "the plugin's schema knows no such key")).collect()
        }
        // Also for the keys of an object that may have none: the whole of it is meant then.
        ValidationErrorKind::FalseSchema => vec![fault(pointer, None, "the plugin's schema allows nothing here")],
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
    fn regular_expressions_are_bounded_in_number_and_size() {
        let with = |count: usize, pattern: &str| {
            let property = |at| (format!("p{at}"), serde_json::json!({ "type": "string", "pattern": pattern }));
            let properties: serde_json::Map<String, Value> = (0..count).map(property).collect();
            ConfigSchema::parse(serde_json::json!({ "properties": properties }).to_string().as_bytes())
        };
        assert!(with(MAX_PATTERNS, "^https://[a-z.]+$").is_ok());
        assert!(with(MAX_PATTERNS + 1, "^a$").unwrap_err().contains("257 regular expressions, at most 256"));
        assert!(with(1, r"^\w{1,60}$").is_ok(), "letters of every script");
        assert!(with(1, "((a{100}){100}){100}").unwrap_err().contains("no schema"));
    }

    #[test]
    fn a_schema_that_is_none_or_reaches_out_is_refused() {
        for (schema, why) in [
            ("{", "no JSON"),
            (r#"{"type":"objekt"}"#, "no schema"),
            (r#"{"$ref":"https://example.com/schema.json"}"#, "another document"),
            (r#"{"$ref":"file:///etc/passwd"}"#, "another document"),
            (r#"{"$id":"https://a/b","$ref":"https://example.com/schema.json#/x"}"#, "another document"),
            (
                r#"{"$id":"https://json-schema.org/draft/2020-12/x","properties":{"a":{"$ref":"schema"}}}"#,
                "another document",
            ),
            (r##"{"$ref":"#/$defs/none"}"##, "not in it"),
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

    /// Schemas `a0` to `a<count>`; `of` makes one of a reference to the one before.
    fn chain(count: usize, of: impl Fn(&str) -> String) -> Vec<u8> {
        let earlier = |number: usize| of(&format!(r##"{{"$ref":"#/$defs/a{}"}}"##, number - 1));
        let schemas: Vec<String> = (1..=count).map(|number| format!(r#""a{number}":{}"#, earlier(number))).collect();
        format!(r##"{{"$ref":"#/$defs/a{count}","$defs":{{"a0":{{"type":"object"}},{}}}}}"##, schemas.join(","))
            .into_bytes()
    }

    #[test]
    fn a_schema_that_would_take_for_ever_is_refused_at_once() {
        let allowed = ConfigSchema::parse(&chain(40, |it| format!(r#"{{"allOf":[{it}]}}"#))).unwrap();
        assert_eq!((allowed.faults("{}").len(), allowed.faults("1").len()), (0, 1));
        for (schema, why) in [
            (chain(40, |it| format!(r#"{{"allOf":[{it},{it}]}}"#)), "200,000 steps"),
            (chain(40, |it| format!(r#"{{"not":{it},"dependentSchemas":{{"a":{it}}}}}"#)), "200,000 steps"),
            (chain(3000, |it| format!(r#"{{"allOf":[{it}]}}"#)), "too many schemas"),
            (br##"{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}"##.to_vec(), "it refers to itself"),
            (br##"{"$anchor":"a","if":{"$ref":"#a"}}"##.to_vec(), "it refers to itself"),
            (br##"{"$defs":{"a b":{"$ref":"#/%24defs/a%20b"}},"$ref":"#/$defs/a b"}"##.to_vec(), "it refers to itself"),
        ] {
            let refused = ConfigSchema::parse(&schema).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn an_ordinary_recursive_schema_and_a_large_flat_one_are_used() {
        let tree = br##"{"properties":{"name":{"type":"string"},"children":{"items":{"$ref":"#"}}}}"##;
        let tree = ConfigSchema::parse(tree).unwrap();
        assert_eq!(tree.faults(r#"{"children":[{"children":[{"name":1}]}]}"#).len(), 1);
        let deep = format!("{}{}{}", r#"{"children":["#.repeat(50), r#"{"name":1}"#, "]}".repeat(50));
        assert_eq!(tree.faults(&deep).len(), 1);
        let rules = br##"{"$ref":"#rule","$defs":{"rule":{"$anchor":"rule","type":"object","properties":{
            "all":{"items":{"$ref":"#rule"}},"any":{"items":{"$ref":"#rule"}},"not":{"$ref":"#rule"}}}}}"##;
        let rules = ConfigSchema::parse(rules).unwrap();
        let nested = format!("{}1{}", r#"{"all":[{"any":[{"not":"#.repeat(12), "}]}]}".repeat(12));
        assert_eq!(rules.faults(&nested).len(), 1);
        let properties: Vec<String> = (0..9000).map(|number| format!(r#""p{number}":{{"type":"string"}}"#)).collect();
        let flat = format!(r#"{{"additionalProperties":false,"properties":{{{}}}}}"#, properties.join(","));
        let flat = ConfigSchema::parse(flat.as_bytes()).unwrap();
        assert_eq!(flat.faults(r#"{"p7":"a","p8":1,"q":2}"#).len(), 2);
    }

    #[test]
    fn keywords_whose_work_cannot_be_foreseen_are_refused() {
        for (schema, why) in [
            (r#"{"properties":{"a":{"items":{"unevaluatedProperties":false}}}}"#, "unevaluatedProperties"),
            (r##"{"$ref":"#/$defs/a","$defs":{"a":{"unevaluatedItems":false}}}"##, "additionalProperties and $ref"),
            (r##"{"items":{"$dynamicRef":"#a"}}"##, "$dynamicRef"),
            (r#"{"$id":"https://a/b","$defs":{"c":{"$id":"c"}}}"#, "an `$id` or `$schema` within it"),
            (
                r#"{"properties":{"s":{"$schema":"http://json-schema.org/draft-04/schema#","id":"http://q/"}}}"#,
                "`$schema`",
            ),
            (r##"{"$defs":{"a":{"$anchor":"x"},"b":{"$dynamicAnchor":"x"}},"$ref":"#x"}"##, "`$dynamicAnchor`"),
            (r##"{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}},"$ref":"#x"}"##, "`$anchor` twice"),
            (r##"{"x":[[true]],"allOf":[{"$ref":"#/x/00/0"}]}"##, "not in it"),
            (r#"{"$id":"https://a/b","allOf":[{"$ref":"https://a/b#/$defs/c"}],"$defs":{"c":{}}}"#, "another document"),
        ] {
            let refused = ConfigSchema::parse(schema.as_bytes()).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        // As names of keys they are as good as others, and one document may say who it is.
        let named = r##"{"$id":"https://a/b","additionalProperties":false,"properties":{"unevaluatedItems":{"$ref":"#/$defs/c"},
            "$id":{"type":"string"}},"$defs":{"c":{"type":"integer"}}}"##;
        let named = ConfigSchema::parse(named.as_bytes()).unwrap();
        assert!(named.faults(r#"{"unevaluatedItems":1,"$id":"x"}"#).is_empty());
        assert_eq!(named.faults(r#"{"unevaluatedItems":"x","other":1}"#).len(), 2);
    }

    /// The validator keeps what it has compiled, and does not call itself for each reference.
    #[test]
    fn compiling_takes_no_longer_for_many_ways_to_a_schema() {
        for schema in [
            chain(2500, |it| format!(r#"{{"additionalProperties":{it}}}"#)),
            chain(2500, |it| format!(r#"{{"items":{it}}}"#)),
            chain(200, |it| format!(r#"{{"patternProperties":{{"a":{it}}},"additionalProperties":{it}}}"#)),
            chain(200, |it| format!(r#"{{"properties":{{"x":{it},"y":{it}}},"propertyNames":{it}}}"#)),
            chain(200, |it| format!(r#"{{"prefixItems":[{it},{it}],"items":{it},"contains":{it}}}"#)),
        ] {
            let schema = ConfigSchema::parse(&schema).unwrap();
            assert!(schema.faults(r#"{"a":{"x":[{"y":1}]}}"#).len() <= MAX_FAULTS);
        }
    }

    /// Each of them is an error of its own, all of which there are before the first is told.
    #[test]
    fn what_a_schema_lists_is_counted_as_well() {
        let names: Vec<String> = (0..3000).map(|number| format!(r#""n{number}""#)).collect();
        let required = format!(r#"{{"items":{{"required":[{}]}}}}"#, names.join(","));
        let required = ConfigSchema::parse(required.as_bytes()).unwrap();
        assert_eq!(required.faults("[{}]").len(), MAX_FAULTS);
        let many = format!("[{}]", vec!["{}"; 100].join(","));
        assert!(required.faults(&many)[0].contains("200,000 steps"), "{:?}", required.faults(&many)[0]);
        for keyword in ["enum", "const", "not"] {
            let leaf = if keyword == "not" {
                format!(r#"{{"enum":[{}]}}"#, names.join(","))
            } else {
                format!("[{}]", names.join(","))
            };
            let schema = chain(7, |it| format!(r#"{{"allOf":[{it},{it}],"{keyword}":{leaf}}}"#));
            assert!(ConfigSchema::parse(&schema).unwrap_err().contains("200,000 steps"), "{keyword}");
        }
    }

    #[test]
    fn a_recursive_schema_that_doubles_is_used_for_a_shallow_config_only() {
        let schema = br##"{"properties":{"a":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}"##;
        let schema = ConfigSchema::parse(schema).unwrap();
        let config = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        assert!(schema.faults(&config(8)).is_empty());
        assert!(schema.faults(&config(60))[0].contains("200,000 steps"));
    }
}
