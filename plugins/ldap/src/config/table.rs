//! One table of the config while it is read: every fault is kept, with the key's whole path.

use pintle_plugin_api::config::{sort_of, unknown_key};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::time::Duration;

/// What is wrong with the config so far.
#[derive(Default)]
pub(crate) struct Faults(RefCell<Vec<String>>);

impl Faults {
    pub(crate) fn add(&self, fault: String) {
        self.0.borrow_mut().push(fault);
    }

    /// What was found, or else `value`.
    pub(crate) fn or<T>(self, value: Option<T>) -> Result<T, Vec<String>> {
        let faults = self.0.into_inner();
        match value {
            Some(value) if faults.is_empty() => Ok(value),
            _ => Err(faults),
        }
    }
}

/// A table at `path`, which is empty or ends with a dot.
pub(crate) struct Table<'a> {
    path: String,
    fields: &'a Map<String, Value>,
    faults: &'a Faults,
}

impl<'a> Table<'a> {
    /// The whole config; keys that are none of `known` are faults.
    pub(crate) fn root(fields: &'a Map<String, Value>, known: &[&str], faults: &'a Faults) -> Self {
        Self::new(String::new(), fields, known, faults)
    }

    fn new(path: String, fields: &'a Map<String, Value>, known: &[&str], faults: &'a Faults) -> Self {
        for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
            faults.add(unknown_key(&format!("{path}{key}"), known));
        }
        Self { path, fields, faults }
    }

    /// The table `key`.
    pub(crate) fn table(&self, key: &str, known: &[&str]) -> Option<Self> {
        match self.fields.get(key)? {
            Value::Object(fields) => Some(Self::new(format!("{}{key}.", self.path), fields, known, self.faults)),
            other => self.expected(key, "a table", other),
        }
    }

    /// All keys of this table and their values.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.fields.iter()
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.fields.get(key)
    }

    /// Notes what is wrong with `key`.
    pub(crate) fn fault(&self, key: &str, why: &str) {
        self.faults.add(format!("{}{key}: {why}", self.path));
    }

    /// Notes that `key` is not `what`.
    pub(crate) fn expected<T>(&self, key: &str, what: &str, found: &Value) -> Option<T> {
        self.fault(key, &format!("expected {what}, found {}", sort_of(found)));
        None
    }

    /// Text that is not empty.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.text_at(key, self.fields.get(key)?)
    }

    /// As [`Table::text`]; its lack is a fault.
    pub(crate) fn required(&self, key: &str, example: &str) -> Option<String> {
        if !self.has(key) {
            self.fault(key, &format!("missing; expected a string such as {example:?}"));
        }
        self.text(key)
    }

    /// `value` as text that is not empty.
    pub(crate) fn text_at(&self, key: &str, value: &Value) -> Option<String> {
        match value {
            Value::String(text) if text.trim().is_empty() => {
                self.fault(key, "is empty");
                None
            }
            Value::String(text) => Some(text.clone()),
            other => self.expected(key, "a string", other),
        }
    }

    /// An attribute's name or OID (RFC 4512 §2.5), options included.
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        self.attribute_at(key, self.fields.get(key)?)
    }

    /// `value` as an attribute's name.
    pub(crate) fn attribute_at(&self, key: &str, value: &Value) -> Option<String> {
        let name = self.text_at(key, value)?;
        if is_attribute(&name) {
            return Some(name);
        }
        self.fault(key, &format!("{name:?} is not an attribute's name"));
        None
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        match self.fields.get(key) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => self.expected(key, "a boolean", other).unwrap_or_default(),
        }
    }

    /// A number from 1 to `most`.
    pub(crate) fn count(&self, key: &str, most: u64) -> Option<usize> {
        let value = self.fields.get(key)?;
        let number = value.as_u64().filter(|number| (1..=most).contains(number));
        if number.is_none() {
            self.fault(key, &format!("expected a number from 1 to {most}, found {value}"));
        }
        number.and_then(|number| usize::try_from(number).ok())
    }

    /// A time such as `"1s"`, above zero.
    pub(crate) fn time(&self, key: &str) -> Option<Duration> {
        let text = self.text(key)?;
        let time = humantime::parse_duration(&text).ok().filter(|time| !time.is_zero());
        if time.is_none() {
            self.fault(key, &format!("expected a time such as \"1s\", found {text:?}"));
        }
        time
    }
}

/// Whether `name` may be an attribute description (RFC 4512 §2.5): `mail`, `cn;lang-de`, `2.5.4.3`.
pub(crate) fn is_attribute(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';' | '_'))
}
