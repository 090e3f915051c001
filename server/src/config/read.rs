//! Reads the merged tree: every mistake is noted and reading goes on. Where a value is wrong the type's default stands
//! in, which nobody sees, as loading then fails.

use super::nearest::{one_of, suggestion};
use super::path::KeyPath;
use super::report::Report;
use figment::value::{Dict, Value};
use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A value and where it is.
pub(super) struct Node<'a> {
    pub value: &'a Value,
    pub path: KeyPath,
    pub context: &'a Context<'a>,
}

/// What all readers of one load share.
pub(super) struct Context<'a> {
    pub report: Report<'a>,
    /// The configuration file's folder, which relative paths start from.
    pub folder: PathBuf,
}

impl<'a> Node<'a> {
    /// Notes that this value is wrong. `found` is shown: never a secret.
    pub fn refuse<T>(&self, found: impl Into<String>, expected: impl Into<String>, help: Option<String>) -> Option<T> {
        self.context.report.error(&self.path, found, expected, help);
        None
    }

    /// Text as it stands, for secrets: a wrong type is named without its value.
    pub fn secret_text(&self, expected: &str) -> Option<String> {
        match self.raw_text() {
            Some(text) => Some(text),
            None => self.refuse(kind(self.value), expected, None),
        }
    }

    /// Text that is not empty.
    pub fn text(&self) -> Option<String> {
        self.text_as("a string")
    }

    /// Text that is not empty; `expected` says what it means.
    pub fn text_as(&self, expected: &str) -> Option<String> {
        match self.raw_text() {
            Some(text) if text.is_empty() => self.refuse("an empty string", expected, None),
            Some(text) => Some(text),
            None => self.refuse(shown(self.value), expected, None),
        }
    }

    /// Text for which `check` has no objection. It gives the help.
    pub fn checked(&self, expected: &str, check: impl FnOnce(&str) -> Result<(), Option<String>>) -> Option<String> {
        let text = self.text_as(expected)?;
        match check(&text) {
            Ok(()) => Some(text),
            Err(help) => self.refuse(quoted(&text), expected, help),
        }
    }

    fn raw_text(&self) -> Option<String> {
        // In the environment `0123` and `true` may well be meant as text.
        if let Some(text) = self.context.report.variable(&self.path) {
            return Some(text.to_owned());
        }
        match self.value {
            Value::String(_, text) => Some(text.clone()),
            Value::Char(_, char) => Some(char.to_string()),
            _ => None,
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match self.value {
            Value::Bool(_, value) => Some(*value),
            other => self.refuse(shown(other), "true or false", None),
        }
    }

    /// A whole number within `range`.
    pub fn integer<T: TryFrom<i128>>(&self, range: RangeInclusive<i128>) -> Option<T> {
        let number = match self.value {
            Value::Num(_, number) => number.to_actual_integer(),
            _ => None,
        };
        let within = number.filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
        within.or_else(|| {
            let between = if range.end() - range.start() == 1 { "or" } else { "to" };
            let expected = format!("a whole number, {} {between} {}", range.start(), range.end());
            self.refuse(shown(self.value), expected, None)
        })
    }

    /// A duration within `range`, as humantime writes it.
    pub fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let (least, most) = (brief(*range.start()), brief(*range.end()));
        let expected = format!("a duration from {least} to {most}, such as \"5s\", \"15m\", \"1h\" or \"30d\"");
        let text = self.text_as(&expected)?;
        match humantime::parse_duration(&text) {
            Ok(duration) if range.contains(&duration) => Some(duration),
            Ok(_) => self.refuse(quoted(&text), expected, None),
            Err(error) => self.refuse(quoted(&text), expected, Some(duration_help(error))),
        }
    }

    /// One of `choices`.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let names = || choices.iter().map(|(name, _)| *name);
        let expected = one_of(names().map(|name| format!("{name:?}")).collect::<Vec<_>>().iter().map(String::as_str));
        let text = self.text_as(&expected)?;
        match choices.iter().find(|(name, _)| *name == text) {
            Some((_, choice)) => Some(*choice),
            None => self.refuse(quoted(&text), expected, suggestion(&text, names())),
        }
    }

    /// A path, relative to the configuration file.
    pub fn file(&self) -> Option<PathBuf> {
        Some(self.resolve(&self.text_as("a path")?))
    }

    /// `path` from the configuration file's folder.
    pub fn resolve(&self, path: &str) -> PathBuf {
        if self.context.folder.as_os_str().is_empty() {
            PathBuf::from(path)
        } else {
            self.context.folder.join(Path::new(path))
        }
    }

    /// A list, each element read by `read`; wrong ones are left out.
    pub fn list<T>(&self, read: impl Fn(&Node<'a>) -> Option<T>) -> Option<Vec<T>> {
        match self.value {
            Value::Array(_, values) => Some(self.elements(values, read)),
            other => self.refuse(shown(other), "a list", self.not_from_environment()),
        }
    }

    /// A list, or one element without brackets.
    pub fn one_or_many<T>(&self, read: impl Fn(&Node<'a>) -> Option<T>) -> Option<Vec<T>> {
        match self.value {
            Value::Array(_, values) if values.is_empty() => self.refuse("an empty list", "at least one value", None),
            Value::Array(_, values) => Some(self.elements(values, read)),
            _ => read(self).map(|one| vec![one]),
        }
    }

    fn elements<T>(&self, values: &'a [Value], read: impl Fn(&Node<'a>) -> Option<T>) -> Vec<T> {
        let node = |(index, value)| Node { value, path: self.path.index(index), context: self.context };
        values.iter().enumerate().map(node).filter_map(|node| read(&node)).collect()
    }

    /// A list of different texts.
    pub fn distinct(&self, read: impl Fn(&Node<'a>) -> Option<String>) -> Option<Vec<String>> {
        let seen = RefCell::new(Vec::<String>::new());
        self.list(|node| {
            let text = read(node)?;
            if seen.borrow().contains(&text) {
                return node.refuse(format!("{} a second time", quoted(&text)), "each value once", None);
            }
            seen.borrow_mut().push(text.clone());
            Some(text)
        })
    }

    /// A table. Keys that `read` does not ask for are errors.
    pub fn table<T>(&self, read: impl FnOnce(&mut Table<'a>) -> T) -> Option<T> {
        let Value::Dict(_, dict) = self.value else {
            return self.refuse(kind(self.value), "a table", None);
        };
        let mut table = Table { dict, path: self.path.clone(), known: Vec::new(), context: self.context };
        let result = read(&mut table);
        table.refuse_unknown();
        Some(result)
    }

    fn not_from_environment(&self) -> Option<String> {
        self.context.report.is_from_environment(&self.path).then(|| {
            "environment variables do not reach into lists: write \"[a, b]\", or use an overlay file".to_owned()
        })
    }
}

/// A table that is being read.
pub(super) struct Table<'a> {
    pub dict: &'a Dict,
    pub path: KeyPath,
    pub context: &'a Context<'a>,
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// The value of a key that may be absent.
    pub fn optional<T>(&mut self, key: &'static str, read: impl FnOnce(&Node<'a>) -> Option<T>) -> Option<T> {
        self.known.push(key);
        let value = self.dict.get(key)?;
        read(&Node { value, path: self.path.key(key), context: self.context })
    }

    /// The value of a key that has a default: `config/default.toml`'s, or else the type's.
    pub fn key<T: Default>(&mut self, key: &'static str, read: impl FnOnce(&Node<'a>) -> Option<T>) -> T {
        self.optional(key, read).unwrap_or_default()
    }

    /// The value of a key that must be there; `expected` says what to write.
    pub fn required<T: Default>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> T {
        if !self.dict.contains_key(key) {
            self.context.report.error(&self.path.key(key), "no such key", expected, None);
        }
        self.key(key, read)
    }

    fn refuse_unknown(&self) {
        for name in self.dict.keys().filter(|name| !self.known.contains(&name.as_str())) {
            let path = self.path.key(name);
            let help = suggestion(name, self.known.iter().copied());
            // One key and no table: most likely not meant for us.
            let stray = self.path.0.is_empty() && self.context.report.variable(&path).is_some();
            let help = if stray { Some(stray_help(help)) } else { help };
            let expected = one_of(self.known.iter().copied());
            self.context.report.error(&path, "an unknown key", expected, help);
        }
    }
}

fn stray_help(suggestion: Option<String>) -> String {
    let stray = "every variable that starts with PINTLE_ sets a key, with two underscores between table and key; \
                 Kubernetes makes others for a service named pintle, unless the pod has enableServiceLinks: false";
    suggestion.map_or_else(|| stray.to_owned(), |near| format!("{near} {stray}"))
}

/// A duration in its largest whole unit.
pub(super) fn brief(duration: Duration) -> String {
    let ms = duration.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    match units.into_iter().find(|(_, length)| ms >= *length && ms.is_multiple_of(*length)) {
        Some((unit, length)) => format!("{}{unit}", ms / length),
        None if ms == 0 => "0s".to_owned(),
        None => format!("{ms}ms"),
    }
}

fn duration_help(error: humantime::DurationError) -> String {
    match error {
        humantime::DurationError::UnknownUnit { unit, .. } if !unit.is_empty() => match suggestion(&unit, UNITS) {
            Some(near) => format!("{unit:?} is no unit of time: {near}"),
            None => format!("{unit:?} is no unit of time"),
        },
        humantime::DurationError::InvalidCharacter(_) | humantime::DurationError::NumberExpected(_) => {
            "write numbers with units, such as \"1h 30m\"".to_owned()
        }
        other => other.to_string(),
    }
}

const UNITS: [&str; 14] =
    ["ms", "s", "sec", "second", "seconds", "m", "min", "minutes", "h", "hour", "hours", "d", "days", "weeks"];

/// A text as it is shown.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A value's type.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "a string",
        Value::Bool(..) => "a boolean",
        Value::Num(_, number) if number.to_actual_integer().is_some() => "an integer",
        Value::Num(..) => "a number with a fraction",
        Value::Empty(..) => "nothing",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
    }
}

/// A value's type, and the value if it is a single one.
fn shown(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("the string {}", quoted(text)),
        Value::Bool(_, value) => format!("the boolean {value}"),
        Value::Num(_, number) => match number.to_actual_integer() {
            Some(integer) => format!("the integer {integer}"),
            None => format!("the number {:?}", number.to_f64().unwrap_or(f64::NAN)),
        },
        other => kind(other).to_owned(),
    }
}

trait WholeNumber {
    /// The number if it was written as a whole one.
    fn to_actual_integer(&self) -> Option<i128>;
}

impl WholeNumber for figment::value::Num {
    fn to_actual_integer(&self) -> Option<i128> {
        (*self).to_i128().or_else(|| (*self).to_u128().and_then(|number| i128::try_from(number).ok()))
    }
}
