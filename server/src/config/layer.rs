//! One source of keys: a file, a built-in text or the environment. Figment merges them.

use super::error::{ConfigError, Place};
use super::path::{KeyPath, Segment};
use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::path::Path;
use toml_edit::{ImDocument, Item};

const PREFIX: &str = "PINTLE_";

/// Where toml's deserializer hides a date.
const DATE_KEY: &str = "$__toml_private_datetime";

/// One source of keys.
pub(super) struct Layer {
    /// The file's name as the operator gave it, or what a built-in text is called.
    pub name: String,
    keys: Dict,
    written: Written,
}

enum Written {
    /// The parsed text with its spans; `None` cannot be reached for a text that figment took.
    Text { text: String, document: Option<ImDocument<String>> },
    /// Each variable's path, name and text.
    Variables(Vec<(KeyPath, String, String)>),
}

impl Layer {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// The file cannot be read, or is no TOML.
    pub fn file(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|error| whole_file(&name, None, format!("no readable file: {error}"), "a TOML file"))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
            whole_file(&name, Some(line), "bytes that are not UTF-8".to_owned(), "a TOML file, which is UTF-8")
        })?;
        Self::text(name, text)
    }

    /// Parses a text.
    ///
    /// # Errors
    /// It is no TOML; the first mistake is reported.
    pub fn text(name: String, text: String) -> Result<Self, ConfigError> {
        let mut keys: Dict = Toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| line_at(&text, span.start));
            let reason = error.message().trim_end().replace('\n', ", ");
            whole_file(&name, line, format!("broken TOML ({reason})"), "valid TOML")
        })?;
        keys.values_mut().for_each(show_date);
        let document = ImDocument::parse(text.clone()).ok();
        Ok(Self { name, keys, written: Written::Text { text, document } })
    }

    /// `PINTLE_LISTEN__ADDRESS` sets `listen.address`: upper case, two underscores between keys. `except` are variables
    /// that the configuration itself names as the places of secrets.
    pub fn environment(variables: &[(String, String)], except: &[String]) -> Self {
        let mut keys = Dict::new();
        let mut written = Vec::new();
        for (name, text) in variables.iter().filter(|(name, _)| !except.contains(name)) {
            let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| !rest.is_empty()) else { continue };
            let segments: Vec<String> = rest.split("__").map(str::to_lowercase).collect();
            insert(&mut keys, &segments, parse_variable(text));
            let path = KeyPath(segments.into_iter().map(Segment::Key).collect());
            written.push((path, name.clone(), text.clone()));
        }
        Self { name: "environment".to_owned(), keys, written: Written::Variables(written) }
    }

    /// Where this layer writes `path` or something within it.
    pub fn locate(&self, path: &KeyPath) -> Option<Place> {
        match &self.written {
            Written::Variables(variables) => variables
                .iter()
                .find(|(variable, ..)| variable.0.starts_with(&path.0))
                .map(|(_, name, _)| Place::Environment(name.clone())),
            Written::Text { text, document } => {
                let span = span_of(document.as_ref()?.as_item(), &path.0)?;
                Some(Place::File { name: self.name.clone(), line: span.map(|start| line_at(text, start)) })
            }
        }
    }

    /// The text of the environment variable for exactly `path`.
    pub fn variable(&self, path: &KeyPath) -> Option<&str> {
        match &self.written {
            Written::Variables(variables) => {
                variables.iter().find(|(variable, ..)| variable == path).map(|(_, _, text)| text.as_str())
            }
            Written::Text { .. } => None,
        }
    }
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.keys.clone())]))
    }
}

/// Merges: a later layer's keys win, tables are joined, lists are replaced as a whole.
pub(super) fn merge(layers: &[Layer]) -> Dict {
    let figment = layers.iter().fold(Figment::new(), |figment, layer| figment.merge(layer));
    // Our layers cannot fail, so neither can their merge.
    figment.data().unwrap_or_default().remove(&Profile::Default).unwrap_or_default()
}

fn whole_file(name: &str, line: Option<usize>, found: String, expected: &str) -> ConfigError {
    ConfigError {
        place: Place::File { name: name.to_owned(), line },
        key: String::new(),
        found,
        expected: expected.to_owned(),
        help: None,
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// `None`: not written here. `Some(None)`: written, but without a position of its own.
fn span_of(item: &Item, path: &[Segment]) -> Option<Option<usize>> {
    match path {
        [] => Some(item.span().map(|span| span.start)),
        [Segment::Key(name), rest @ ..] => {
            let (key, value) = item.as_table_like()?.get_key_value(name)?;
            match rest {
                [] => Some(key.span().or_else(|| value.span()).map(|span| span.start)),
                _ => span_of(value, rest),
            }
        }
        [Segment::Index(index), rest @ ..] => {
            if let Some(table) = item.as_array_of_tables().and_then(|tables| tables.get(*index)) {
                return match rest {
                    [] => Some(table.span().map(|span| span.start)),
                    _ => span_of(&Item::Table(table.clone()), rest),
                };
            }
            let value = item.as_array()?.get(*index)?;
            span_of(&Item::Value(value.clone()), rest)
        }
    }
}

fn insert(keys: &mut Dict, segments: &[String], value: Value) {
    match segments {
        [] => {}
        [last] => {
            keys.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let mut inner = match keys.remove(first) {
                Some(Value::Dict(_, inner)) => inner,
                _ => Dict::new(),
            };
            insert(&mut inner, rest, value);
            keys.insert(first.clone(), Value::from(inner));
        }
    }
}

/// Numbers, booleans and `[lists]` as figment reads them from the environment; anything else is text.
fn parse_variable(text: &str) -> Value {
    text.parse().unwrap_or_else(|_| Value::from(text))
}

/// A date has no use here but in a plugin's config: as text.
fn show_date(value: &mut Value) {
    match value {
        Value::Array(_, values) => values.iter_mut().for_each(show_date),
        Value::Dict(_, keys) => match keys.remove(DATE_KEY) {
            Some(date) => *value = date,
            None => keys.values_mut().for_each(show_date),
        },
        _ => {}
    }
}
