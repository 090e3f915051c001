//! From an object of the API to an account.

use crate::select::Path;
use pintle_plugin_api::config::sort_of;
use pintle_plugin_api::fields::Fields;
use pintle_plugin_api::{Account, PluginError};
use serde_json::{Map, Value};

/// `[account]`: where each field is, seen from the object.
#[derive(Debug)]
pub(crate) struct Mapping {
    id: Option<Path>,
    username: Option<Path>,
    display_name: Option<Path>,
    email: Option<Path>,
    email_verified: Option<Flag>,
    disabled: Option<Flag>,
    groups: Option<Path>,
    claims: Vec<(String, Path)>,
}

/// Something that is so or not: a path to a boolean, or a path and what it must lead to.
#[derive(Debug)]
pub(crate) struct Flag {
    path: Path,
    equals: Option<Value>,
}

impl Flag {
    pub(crate) fn of(fields: &Fields<'_>, key: &'static str) -> Option<Self> {
        match fields.value(key)? {
            Value::Object(_) => {
                let table = fields.table(key)?;
                table.require("path", "where the value is");
                table.require("equals", "the value that means yes");
                Some(Self { path: Path::of(&table, "path")?, equals: table.value("equals").cloned() })
            }
            _ => Some(Self { path: Path::of(fields, key)?, equals: None }),
        }
    }

    /// None: where a boolean should be is none. 0 and 1 are booleans too.
    pub(crate) fn is_set(&self, object: &Value) -> Option<bool> {
        match &self.equals {
            Some(equals) => Some(self.path.all(object).contains(&equals)),
            None => match self.path.first(object)? {
                Value::Bool(value) => Some(*value),
                other => other.as_u64().filter(|number| *number <= 1).map(|number| number == 1),
            },
        }
    }
}

impl Mapping {
    pub(crate) fn parse(fields: &Fields<'_>) -> Self {
        fields.require("id", "the JSON path of what never changes about an account");
        fields.require("username", "the JSON path of the name that users log in with");
        let claims = fields.texts("claims").into_iter().filter_map(|(at, name, text)| {
            Some((name.to_owned(), Path::parse(fields.faults(), &at, &Value::String(text.to_owned()))?))
        });
        Self {
            claims: claims.collect(),
            id: Path::of(fields, "id"),
            username: Path::of(fields, "username"),
            display_name: Path::of(fields, "display_name"),
            email: Path::of(fields, "email"),
            email_verified: Flag::of(fields, "email_verified"),
            disabled: Flag::of(fields, "disabled"),
            groups: Path::of(fields, "groups"),
        }
    }

    /// The id alone.
    pub(crate) fn id(&self, object: &Value) -> Result<String, PluginError> {
        self.required(self.id.as_ref(), object, "id")
    }

    /// An account; `Internal` where the object lacks what it must have.
    pub(crate) fn account(&self, object: &Value) -> Result<Account, PluginError> {
        let email = optional(self.email.as_ref(), object, "email")?;
        let verified = self.email_verified.as_ref().and_then(|flag| flag.is_set(object)).unwrap_or(false);
        let disabled = match &self.disabled {
            None => false,
            // Whoever may be disabled is not let in by guessing.
            Some(flag) => flag.is_set(object).ok_or_else(|| malformed("disabled", "is no boolean"))?,
        };
        Ok(Account {
            id: self.id(object)?,
            username: self.required(self.username.as_ref(), object, "username")?,
            display_name: optional(self.display_name.as_ref(), object, "display_name")?,
            email_verified: verified && email.is_some(),
            email,
            disabled,
            groups: self.groups(object)?,
            claims_json: self.claims(object),
            ext: Vec::new(),
        })
    }

    fn required(&self, path: Option<&Path>, object: &Value, name: &str) -> Result<String, PluginError> {
        optional(path, object, name)?.ok_or_else(|| malformed(name, "is missing"))
    }

    /// All that the path leads to, and what is in the lists that it leads to.
    fn groups(&self, object: &Value) -> Result<Vec<String>, PluginError> {
        let found = self.groups.as_ref().map(|path| path.all(object)).unwrap_or_default();
        let items = found.into_iter().flat_map(|value| match value {
            Value::Array(items) => items.iter().collect(),
            Value::Null => Vec::new(),
            one => vec![one],
        });
        items.map(|item| text(item, "groups")).collect()
    }

    /// A path that leads to several values gives a list of them.
    fn claims(&self, object: &Value) -> String {
        let mut claims = Map::new();
        for (name, path) in &self.claims {
            match path.all(object).as_slice() {
                [] | [Value::Null] => {}
                [one] => drop(claims.insert(name.clone(), (*one).clone())),
                several => drop(claims.insert(name.clone(), several.iter().copied().cloned().collect())),
            }
        }
        if claims.is_empty() { String::new() } else { Value::Object(claims).to_string() }
    }
}

/// Text that is not empty; a number counts as its digits.
fn optional(path: Option<&Path>, object: &Value, name: &str) -> Result<Option<String>, PluginError> {
    let Some(value) = path.and_then(|path| path.first(object)) else { return Ok(None) };
    Ok(Some(text(value, name)?).filter(|text| !text.is_empty()))
}

fn text(value: &Value, name: &str) -> Result<String, PluginError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
        other => Err(malformed(name, &format!("is {}", sort_of(other)))),
    }
}

fn malformed(name: &str, why: &str) -> PluginError {
    PluginError::Internal(format!("an account of the API's answer makes no sense: {name} {why}"))
}
