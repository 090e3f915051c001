//! A request as the operator describes it: `method`, `path`, `query`, `headers`, and a body as `form` or `json`.

use crate::template::{Template, Values, as_it_is};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pintle_plugin_api::fields::{Faults, Fields};
use pintle_plugin_api::{HeaderValue, HttpRequest};
use serde_json::Value;
use zeroize::Zeroizing;

/// RFC 3986 §2.3: what needs no escape anywhere in a URL.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// Enough for a login: a buffer that grows leaves copies behind.
const BODY_BYTES: usize = 32 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Request {
    method: String,
    path: Template,
    query: Pairs,
    headers: Vec<(String, HeaderValue)>,
    body: Body,
}

type Pairs = Vec<(String, Template)>;

#[derive(Debug)]
enum Body {
    Nothing,
    Form(Pairs),
    Json(Json),
}

#[derive(Debug)]
enum Json {
    Literal(Value),
    Text(Template),
    List(Vec<Self>),
    Table(Vec<(String, Self)>),
}

/// What a place of a request may have in it.
#[derive(Clone, Copy)]
pub(crate) struct Slots {
    /// In path and query. A password is not for URLs: they get into logs.
    pub(crate) url: &'static [&'static str],
    pub(crate) body: &'static [&'static str],
}

impl Request {
    /// Reads the keys of a request from `fields`.
    pub(crate) fn parse(fields: &Fields<'_>, slots: Slots) -> Self {
        let path = fields.required_text("path", "the path of the request, such as \"/users\"").unwrap_or("/");
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#\\\"<>^`|%".contains(&byte);
        if !path.starts_with('/') || !path.bytes().all(plain) || path.split('/').any(is_dots) {
            fields.fault("path", "expected a path that begins with \"/\", without what a URL has behind it");
        }
        let query = pairs(fields, "query", slots.url);
        let headers = fields.headers("headers", &["authorization", "content-type"]).into_iter();
        let headers = headers.map(|(name, value)| (name.to_owned(), HeaderValue::Text(value.to_owned()))).collect();
        let form = fields.value("form").map(|_| Body::Form(pairs(fields, "form", slots.body)));
        let json = fields
            .value("json")
            .map(|value| Body::Json(Json::parse(&fields.path("json"), value, slots.body, fields.faults())));
        if form.is_some() && json.is_some() {
            fields.fault("json", "a body is either form or json");
        }
        let body = form.or(json).unwrap_or(Body::Nothing);
        let default = if matches!(body, Body::Nothing) { "GET" } else { "POST" };
        let method = fields.one_of("method", &METHODS).unwrap_or(default).to_owned();
        Self { method, path: template(fields.faults(), &fields.path("path"), path, slots.url), query, headers, body }
    }

    pub(crate) fn is_get(&self) -> bool {
        self.method == "GET"
    }

    /// Whether a slot is anywhere in it.
    pub(crate) fn has(&self, slot: &str) -> bool {
        let any = |pairs: &Pairs| pairs.iter().any(|(_, template)| template.has(slot));
        let body = match &self.body {
            Body::Nothing => false,
            Body::Form(form) => any(form),
            Body::Json(json) => json.has(slot),
        };
        self.path.has(slot) || any(&self.query) || body
    }

    /// The filled-in request to `base` (a URL without a last `/`, or nothing) with further pairs of its query. None: a
    /// value would change the path, as `..` does (RFC 3986 §5.2.4), so that there can be no such thing.
    pub(crate) fn fill(&self, base: &str, values: &Values<'_>, more: &[(&str, &str)]) -> Option<HttpRequest> {
        let path = self.path.fill(values, path_segment);
        if path.split('/').any(is_dots) {
            return None;
        }
        let query = Zeroizing::new(form(&self.query, values, more));
        let separator = if query.is_empty() { "" } else { "?" };
        let url = format!("{base}{}{separator}{}", *path, *query);
        Some(self.to(url, values))
    }

    /// The same request to another URL.
    pub(crate) fn to(&self, url: String, values: &Values<'_>) -> HttpRequest {
        let mut headers = self.headers.clone();
        let (kind, body) = match &self.body {
            Body::Nothing => (None, Zeroizing::default()),
            Body::Form(pairs) => {
                let filled = form(pairs, values, &[]).into_bytes();
                (Some("application/x-www-form-urlencoded"), Zeroizing::new(filled))
            }
            Body::Json(json) => {
                let mut body = Zeroizing::new(Vec::with_capacity(BODY_BYTES));
                json.write(values, &mut body);
                (Some("application/json"), body)
            }
        };
        headers.extend(kind.map(|kind| ("content-type".to_owned(), HeaderValue::Text(kind.to_owned()))));
        HttpRequest { method: self.method.clone(), url, headers, body, timeout_ms: 0 }
    }
}

fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

fn path_segment(value: &str) -> Zeroizing<String> {
    Zeroizing::new(utf8_percent_encode(value, RESERVED).to_string())
}

/// `application/x-www-form-urlencoded`, also for queries.
fn form(pairs: &Pairs, values: &Values<'_>, more: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::with_capacity(BODY_BYTES));
    for (name, template) in pairs {
        form.append_pair(name, &template.fill(values, as_it_is));
    }
    form.extend_pairs(more);
    form.finish()
}

fn pairs(fields: &Fields<'_>, key: &'static str, slots: &[&'static str]) -> Pairs {
    let pair =
        |(path, name, text): (String, &str, &str)| (name.to_owned(), template(fields.faults(), &path, text, slots));
    fields.texts(key).into_iter().map(pair).collect()
}

fn template(faults: &Faults, path: &str, text: &str, slots: &[&'static str]) -> Template {
    Template::parse(text, slots).unwrap_or_else(|why| {
        faults.add(path, why);
        Template::default()
    })
}

impl Json {
    fn parse(path: &str, value: &Value, slots: &[&'static str], faults: &Faults) -> Self {
        match value {
            Value::String(text) => Self::Text(template(faults, path, text, slots)),
            Value::Array(items) => {
                let item = |(at, item)| Self::parse(&format!("{path}[{at}]"), item, slots, faults);
                Self::List(items.iter().enumerate().map(item).collect())
            }
            Value::Object(table) => {
                let field = |(name, value): (&String, &Value)| {
                    (name.clone(), Self::parse(&format!("{path}.{name}"), value, slots, faults))
                };
                Self::Table(table.iter().map(field).collect())
            }
            other => Self::Literal(other.clone()),
        }
    }

    fn has(&self, slot: &str) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Text(template) => template.has(slot),
            Self::List(items) => items.iter().any(|item| item.has(slot)),
            Self::Table(fields) => fields.iter().any(|(_, value)| value.has(slot)),
        }
    }

    /// Written piece by piece, as a `serde_json::Value` would keep copies of a password.
    fn write(&self, values: &Values<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Literal(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::Text(template) => write_text(&template.fill(values, as_it_is), out),
            Self::List(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    out.extend_from_slice(if at == 0 { b"" } else { b"," });
                    item.write(values, out);
                }
                out.push(b']');
            }
            Self::Table(fields) => {
                out.push(b'{');
                for (at, (name, value)) in fields.iter().enumerate() {
                    out.extend_from_slice(if at == 0 { b"" } else { b"," });
                    write_text(name, out);
                    out.push(b':');
                    value.write(values, out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Writing a string to memory cannot fail; where it did, the body would be no JSON and the server would refuse it.
fn write_text(text: &str, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, text);
}
