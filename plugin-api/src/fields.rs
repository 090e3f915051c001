//! Reading the keys of a plugin's `config` table strictly: all faults are found, each named by the path of its key, and a
//! key that nobody asked for is one.
//!
//! ```
//! use pintle_plugin_api::{config, fields::{Faults, Fields}};
//!
//! let table = config::table(r#"{"database": "erp", "prot": 8000}"#).unwrap();
//! let faults = Faults::default();
//! let fields = Fields::new(&table, &faults);
//! let (database, port) = (fields.required_text("database", "the database's name"), fields.integer("port", 1..=65535));
//! drop(fields);
//! assert_eq!((database, port), (Some("erp"), None));
//! assert_eq!(faults.into_result(()), Err(vec!["prot: unknown key; known are database, port".to_owned()]));
//! ```

use crate::config::{sort_of, unknown_key};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::ops::RangeInclusive;

/// What is wrong, in the order in which it was found.
#[derive(Debug, Default)]
pub struct Faults(RefCell<Vec<String>>);

impl Faults {
    /// Adds one; `path` leads to the value that is wrong.
    pub fn add(&self, path: &str, why: impl std::fmt::Display) {
        self.0.borrow_mut().push(format!("{path}: {why}"));
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// The value, if there is no fault.
    ///
    /// # Errors
    /// The faults.
    pub fn into_result<T>(self, value: T) -> Result<T, Vec<String>> {
        let faults = self.0.into_inner();
        if faults.is_empty() { Ok(value) } else { Err(faults) }
    }
}

/// One table. When it is dropped, every key that was not asked for becomes a fault.
pub struct Fields<'a> {
    path: String,
    table: &'a Map<String, Value>,
    faults: &'a Faults,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// The keys of the config itself.
    #[must_use]
    pub fn new(table: &'a Map<String, Value>, faults: &'a Faults) -> Self {
        Self { path: String::new(), table, faults, asked: RefCell::default() }
    }

    /// The keys of the table at `path`.
    fn at(path: String, value: &'a Value, faults: &'a Faults) -> Option<Self> {
        let Value::Object(table) = value else {
            faults.add(&path, format_args!("expected a table, found {}", sort_of(value)));
            return None;
        };
        Some(Self { path, table, faults, asked: RefCell::default() })
    }

    /// The path of a key of this table.
    #[must_use]
    pub fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The path of this table; empty for the config itself.
    #[must_use]
    pub fn own_path(&self) -> &str {
        &self.path
    }

    /// Adds a fault of a key.
    pub fn fault(&self, key: &str, why: impl std::fmt::Display) {
        self.faults.add(&self.path(key), why);
    }

    /// Where faults go.
    #[must_use]
    pub const fn faults(&self) -> &'a Faults {
        self.faults
    }

    /// A value as it stands.
    pub fn value(&self, key: &'static str) -> Option<&'a Value> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    /// Text that is not empty.
    pub fn text(&self, key: &'static str) -> Option<&'a str> {
        match self.value(key)? {
            Value::String(text) if !text.is_empty() => Some(text),
            Value::String(_) => self.none(key, "is empty"),
            other => self.none(key, format_args!("expected a string, found {}", sort_of(other))),
        }
    }

    /// Text that must be there; `what` says what it is.
    pub fn required_text(&self, key: &'static str, what: &str) -> Option<&'a str> {
        self.require(key, what);
        self.text(key)
    }

    /// Text that is one of `choices`.
    pub fn one_of(&self, key: &'static str, choices: &[&str]) -> Option<&'a str> {
        let text = self.text(key)?;
        if choices.contains(&text) {
            return Some(text);
        }
        self.none(key, format_args!("expected one of {}, found {text:?}", choices.join(", ")))
    }

    /// A boolean.
    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        match self.value(key)? {
            Value::Bool(value) => Some(*value),
            other => self.none(key, format_args!("expected a boolean, found {}", sort_of(other))),
        }
    }

    /// A whole number.
    pub fn integer(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(key)?;
        match value.as_u64() {
            Some(number) if range.contains(&number) => Some(number),
            _ => {
                let expected = format!("expected a whole number from {} to {}", range.start(), range.end());
                self.none(key, format_args!("{expected}, found {value}"))
            }
        }
    }

    /// A table.
    pub fn table(&self, key: &'static str) -> Option<Self> {
        Self::at(self.path(key), self.value(key)?, self.faults)
    }

    /// A list of tables.
    pub fn tables(&self, key: &'static str) -> Vec<Self> {
        let item = |(path, value): (String, &'a Value)| Self::at(path, value, self.faults);
        self.list(key).into_iter().filter_map(item).collect()
    }

    /// The items of a list, each with its path.
    pub fn list(&self, key: &'static str) -> Vec<(String, &'a Value)> {
        match self.value(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                items.iter().enumerate().map(|(at, item)| (format!("{}[{at}]", self.path(key)), item)).collect()
            }
            Some(other) => {
                self.fault(key, format_args!("expected a list, found {}", sort_of(other)));
                Vec::new()
            }
        }
    }

    /// A table of any keys whose values are strings, each with its path.
    pub fn texts(&self, key: &'static str) -> Vec<(String, &'a str, &'a str)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Value::Object(table) = value else {
            self.fault(key, format_args!("expected a table of strings, found {}", sort_of(value)));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (name, value) in table {
            let path = format!("{}.{name}", self.path(key));
            match value {
                Value::String(text) => texts.push((path, name.as_str(), text.as_str())),
                other => self.faults.add(&path, format_args!("expected a string, found {}", sort_of(other))),
            }
        }
        texts
    }

    /// A table of header names (RFC 9110 §5.1) and values, without `own`, which the plugin sets.
    pub fn headers(&self, key: &'static str, own: &[&str]) -> Vec<(&'a str, &'a str)> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let mut headers = Vec::new();
        for (path, name, value) in self.texts(key) {
            if name.is_empty() || !name.bytes().all(token) {
                self.faults.add(&path, "is not the name of a header");
            } else if own.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                self.faults.add(&path, "is set by the plugin");
            } else {
                headers.push((name, value));
            }
        }
        headers
    }

    /// Adds a fault where the key is missing; `what` says what it is.
    pub fn require(&self, key: &'static str, what: &str) {
        if !self.table.contains_key(key) {
            self.fault(key, format_args!("missing; it is {what}"));
        }
    }

    fn none<T>(&self, key: &str, why: impl std::fmt::Display) -> Option<T> {
        self.fault(key, why);
        None
    }
}

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        let mut asked = self.asked.borrow().clone();
        asked.dedup();
        for key in self.table.keys().filter(|key| !asked.contains(&key.as_str())) {
            self.faults.0.borrow_mut().push(unknown_key(&self.path(key), &asked));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table;

    #[test]
    fn every_fault_is_found_and_named_by_its_path() {
        let json = r#"{"a": 1, "b": "", "c": {"d": "x", "e": -1, "f": "no", "g": 0}, "h": [{"i": 1}, 2], "j": {"k": 3},
            "l": 4, "m": "x", "n": []}"#;
        let (table, faults) = (table(json).unwrap(), Faults::default());
        let fields = Fields::new(&table, &faults);
        assert_eq!((fields.text("a"), fields.text("b"), fields.required_text("z", "a letter")), (None, None, None));
        let inner = fields.table("c").unwrap();
        assert_eq!((inner.one_of("d", &["y", "z"]), inner.integer("e", 0..=9), inner.boolean("f")), (None, None, None));
        drop(inner);
        assert_eq!((fields.tables("h").len(), fields.texts("j").len(), fields.texts("l").len()), (1, 0, 0));
        assert!(fields.list("m").is_empty() && fields.table("n").is_none());
        drop(fields);
        let expected = [
            "a: expected a string, found a number",
            "b: is empty",
            "z: missing; it is a letter",
            "c.d: expected one of y, z, found \"x\"",
            "c.e: expected a whole number from 0 to 9, found -1",
            "c.f: expected a boolean, found a string",
            "c.g: unknown key; known are d, e, f",
            "h[1]: expected a table, found a number",
            "j.k: expected a string, found a number",
            "l: expected a table of strings, found a number",
            "h[0].i: unknown key; this plugin has no options",
            "m: expected a list, found a string",
            "n: expected a table, found a list",
        ];
        assert_eq!(faults.into_result(()).unwrap_err(), expected);
    }

    #[test]
    fn what_is_as_it_should_be_is_read() {
        let json = r#"{"a": "x", "b": {"c": true, "d": 9}, "e": [{"f": "g"}], "h": {"i": "j"}, "k": {"X-L": "m"}}"#;
        let (table, faults) = (table(json).unwrap(), Faults::default());
        let fields = Fields::new(&table, &faults);
        assert_eq!(fields.one_of("a", &["x"]), Some("x"));
        let inner = fields.table("b").unwrap();
        assert_eq!((inner.boolean("c"), inner.integer("d", 0..=9)), (Some(true), Some(9)));
        drop(inner);
        assert_eq!(fields.tables("e")[0].text("f"), Some("g"));
        assert_eq!(fields.texts("h"), [("h.i".to_owned(), "i", "j")]);
        assert_eq!(fields.headers("k", &["host"]), [("X-L", "m")]);
        drop(fields);
        assert_eq!(faults.into_result(7), Ok(7));
    }
}
