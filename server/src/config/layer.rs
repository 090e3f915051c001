//! One source of keys: a file, a built-in text or the environment. Figment merges them.

use super::error::{ConfigError, Place};
use super::path::{KeyPath, Segment};
use super::report::Report;
use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::cell::OnceCell;
use std::path::Path;
use toml_edit::{ImDocument, Item, TableLike};

const PREFIX: &str = "PINTLE_";

/// The longest text of an environment variable, in bytes.
const MAX_VARIABLE_BYTES: usize = 64 * 1024;

/// How deeply the lists and tables of a variable's text, and the keys of its name, may be nested: reading both recurses.
const MAX_DEPTH: usize = 16;

/// Where toml's deserializer hides a date.
const DATE_KEY: &str = "$__toml_private_datetime";

/// One source of keys.
pub(super) struct Layer {
    /// The file's name as the operator gave it, or what a built-in text is called.
    pub name: String,
    keys: Dict,
    written: Written,
    faults: Vec<Fault>,
}

/// A variable that sets nothing.
struct Fault {
    path: KeyPath,
    found: String,
    expected: String,
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
        Ok(Self { name, keys, written: Written::Text { text, document: OnceCell::new() }, faults: Vec::new() })
    }

    /// `PINTLE_LISTEN__ADDRESS` sets `listen.address`: upper case, two underscores between keys. `except` are variables
    /// that the configuration itself names as the places of secrets.
    pub fn environment(variables: &[(String, String)], except: &[String]) -> Self {
        let ours = variables.iter().filter(|(name, _)| !except.contains(name));
        let mut written: Vec<_> =
            ours.filter_map(|(name, text)| Some((key_path(name)?, name.clone(), text.clone()))).collect();
        // The process's order means nothing.
        written.sort();
        let mut layer = Self {
            name: "environment".to_owned(),
            keys: Dict::new(),
            written: Written::Variables(Vec::new()),
            faults: Vec::new(),
        };
        for (path, name, text) in &written {
            // One key set twice, or as a whole and in part.
            let others = written.iter().filter(|(_, other, _)| other != name);
            let rival = others.map(|(other, name, _)| (other, name)).find(|(other, _)| path.overlaps(other));
            match refusal(name, text, path, rival.map(|(_, name)| name.as_str())) {
                Some((found, expected)) => layer.faults.push(Fault { path: path.clone(), found, expected }),
                None => insert(&mut layer.keys, &path.0, parse_variable(text)),
            }
        }
        layer.written = Written::Variables(written);
        layer
    }

    /// An environment of which only the names are known.
    pub fn names(variables: Vec<(KeyPath, String)>) -> Self {
        let written = variables.into_iter().map(|(path, name)| (path, name, String::new())).collect();
        Self {
            name: "environment".to_owned(),
            keys: Dict::new(),
            written: Written::Variables(written),
            faults: Vec::new(),
        }
    }

    /// The variables of this layer: what each sets, and its name.
    pub fn variable_names(&self) -> Vec<(KeyPath, String)> {
        match &self.written {
            Written::Variables(variables) => {
                variables.iter().map(|(path, name, _)| (path.clone(), name.clone())).collect()
            }
            Written::Text { .. } => Vec::new(),
        }
    }

    /// Notes the variables that set nothing.
    pub fn report_faults(&self, report: &Report<'_>) {
        for Fault { path, found, expected } in &self.faults {
            report.error(path, found, expected, None);
        }
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

fn key_path(variable: &str) -> Option<KeyPath> {
    let rest = variable.strip_prefix(PREFIX).filter(|rest| !rest.is_empty())?;
    // What is below the deepest key is told by the name, which errors show.
    let keys = rest.split("__").take(MAX_DEPTH + 1).map(|key| Segment::Key(key.to_lowercase()));
    Some(KeyPath(keys.collect()))
}

/// What is wrong with a variable, and what is expected.
fn refusal(name: &str, text: &str, path: &KeyPath, rival: Option<&str>) -> Option<(String, String)> {
    if path.0.len() > MAX_DEPTH {
        return Some(("a name of too many keys".to_owned(), format!("at most {MAX_DEPTH} keys")));
    }
    if let Some(rival) = rival {
        let expected = "one of both: a table's keys one by one, or the table as a whole".to_owned();
        return Some((format!("{name} beside {rival}"), expected));
    }
    if text.len() > MAX_VARIABLE_BYTES {
        return Some((format!("a text of {} bytes", text.len()), format!("at most {MAX_VARIABLE_BYTES}")));
    }
    let depth = depth(text);
    (depth > MAX_DEPTH).then(|| {
        let expected = format!("at most {MAX_DEPTH} lists or tables within each other");
        (format!("{depth} opening brackets within each other"), expected)
    })
}

/// How deeply brackets are nested, at most; those within quotes count too.
fn depth(text: &str) -> usize {
    let (mut open, mut deepest) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

fn insert(keys: &mut Dict, path: &[Segment], value: Value) {
    let [Segment::Key(first), rest @ ..] = path else { return };
    if rest.is_empty() {
        keys.insert(first.clone(), value);
        return;
    }
    let mut inner = match keys.remove(first) {
        Some(Value::Dict(_, inner)) => inner,
        _ => Dict::new(),
    };
    insert(&mut inner, rest, value);
    keys.insert(first.clone(), Value::from(inner));
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
