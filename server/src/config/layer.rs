//! One source of keys: a file, a built-in text or the environment. Figment merges them.

use super::error::{ConfigError, Place};
use super::path::{KeyPath, Segment};
use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::cell::OnceCell;
use std::path::Path;
use toml_edit::{ImDocument, Item, TableLike};

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
    /// A text; parsed with its spans once something has to be located.
    Text { text: String, document: OnceCell<Option<Box<ImDocument<String>>>> },
    /// Each variable's path, name and text.
    Variables(Vec<(KeyPath, String, String)>),
}

impl Layer {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// The file cannot be read, or is no TOML.
    pub fn file(path: &Path) -> Result<Self, Box<ConfigError>> {
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
    pub fn text(name: String, text: String) -> Result<Self, Box<ConfigError>> {
        let mut keys: Dict = Toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| line_at(&text, span.start));
            let reason = error.message().trim_end().replace('\n', ", ");
            whole_file(&name, line, format!("broken TOML ({reason})"), "valid TOML")
        })?;
        keys.values_mut().for_each(show_date);
        Ok(Self { name, keys, written: Written::Text { text, document: OnceCell::new() } })
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
                let document = document.get_or_init(|| ImDocument::parse(text.clone()).ok().map(Box::new));
                let span = within_table(document.as_ref()?.as_table(), &path.0)?;
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

fn whole_file(name: &str, line: Option<usize>, found: String, expected: &str) -> Box<ConfigError> {
    let place = Place::File { name: name.to_owned(), line };
    Box::new(ConfigError { place, key: String::new(), found, expected: expected.to_owned(), help: None })
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// Where `path` starts. `None`: it is not written here. `Some(None)`: it is, but without a position of its own.
fn within_table(table: &dyn TableLike, path: &[Segment]) -> Option<Option<usize>> {
    let [Segment::Key(name), rest @ ..] = path else { return None };
    let (key, item) = table.get_key_value(name)?;
    match (rest, item) {
        ([], _) => Some(key.span().or_else(|| item.span()).map(|span| span.start)),
        (_, Item::Table(table)) => within_table(table, rest),
        (_, Item::Value(value)) => within_value(value, rest),
        ([Segment::Index(index), rest @ ..], Item::ArrayOfTables(tables)) => match (tables.get(*index)?, rest) {
            (table, []) => Some(table.span().map(|span| span.start)),
            (table, _) => within_table(table, rest),
        },
        _ => None,
    }
}

fn within_value(value: &toml_edit::Value, path: &[Segment]) -> Option<Option<usize>> {
    match (path, value) {
        ([], _) => Some(value.span().map(|span| span.start)),
        (_, toml_edit::Value::InlineTable(table)) => within_table(table, path),
        ([Segment::Index(index), rest @ ..], toml_edit::Value::Array(values)) => {
            within_value(values.get(*index)?, rest)
        }
        _ => None,
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
