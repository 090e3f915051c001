//! What of an answer is meant: JSONPath (RFC 9535), and conditions over it.

use pintle_plugin_api::HttpResponse;
use pintle_plugin_api::config::sort_of;
use pintle_plugin_api::fields::{Faults, Fields};
use serde_json::Value;
use serde_json_path::JsonPath;

/// A path that the operator wrote.
#[derive(Clone, Debug)]
pub(crate) struct Path(JsonPath);

impl Path {
    /// `value`: found at `at` of the config.
    pub(crate) fn parse(faults: &Faults, at: &str, value: &Value) -> Option<Self> {
        let Value::String(text) = value else {
            faults.add(at, format_args!("expected a JSON path such as \"$.user.name\", found {}", sort_of(value)));
            return None;
        };
        match JsonPath::parse(text) {
            Ok(path) => Some(Self(path)),
            Err(why) => {
                faults.add(at, format_args!("{text:?} is no JSON path (RFC 9535): {}", why.message()));
                None
            }
        }
    }

    pub(crate) fn of(fields: &Fields<'_>, key: &'static str) -> Option<Self> {
        Self::parse(fields.faults(), &fields.path(key), fields.value(key)?)
    }

    pub(crate) fn all<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        self.0.query(value).all()
    }

    /// The first that it leads to and is not null.
    pub(crate) fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.all(value).into_iter().find(|value| !value.is_null())
    }
}

/// `status`, `path` and `equals`; all that are there must hold.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) statuses: Vec<u16>,
    value: Option<(Path, Option<Value>)>,
}

impl Condition {
    pub(crate) fn parse(fields: &Fields<'_>) -> Self {
        let statuses = match fields.value("status") {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                let item = |(at, item)| status(fields.faults(), &format!("{}[{at}]", fields.path("status")), item);
                items.iter().enumerate().filter_map(item).collect()
            }
            Some(one) => status(fields.faults(), &fields.path("status"), one).into_iter().collect(),
        };
        let (path, equals) = (Path::of(fields, "path"), fields.value("equals").cloned());
        if fields.value("status").is_none() && fields.value("path").is_none() {
            fields.fault("status", "missing; a condition has a status, a path, or both");
        }
        if equals.is_some() && fields.value("path").is_none() {
            fields.fault("path", "missing; it leads to what equals is compared with");
        }
        Self { statuses, value: path.map(|path| (path, equals)) }
    }

    /// A status alone.
    pub(crate) fn of_status(status: u16) -> Self {
        Self { statuses: vec![status], value: None }
    }

    /// Without `equals`, a path has to lead to something that is not null.
    pub(crate) fn holds(&self, answer: &HttpResponse) -> bool {
        let status = self.statuses.is_empty() || self.statuses.contains(&answer.status);
        let value = |(path, equals): &(Path, Option<Value>)| {
            let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else { return false };
            match equals {
                Some(equals) => path.all(&body).contains(&equals),
                None => path.first(&body).is_some(),
            }
        };
        status && self.value.as_ref().is_none_or(value)
    }
}

fn status(faults: &Faults, path: &str, value: &Value) -> Option<u16> {
    let status = value.as_u64().and_then(|status| u16::try_from(status).ok());
    let status = status.filter(|status| (100..=599).contains(status));
    if status.is_none() {
        faults.add(path, format_args!("expected a status from 100 to 599, found {value}"));
    }
    status
}
