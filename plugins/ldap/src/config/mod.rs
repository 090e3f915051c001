//! The operator's config, read strictly.

use crate::endpoint::Endpoint;
use crate::filter::{LoginFilter, Template};
use crate::id::IdAttribute;
use rustls::ClientConfig;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod table;
pub(crate) use table::is_attribute;
use table::{Faults, Table};

const KEYS: [&str; 16] = [
    "url",
    "starttls",
    "plain",
    "ca",
    "bind_dn",
    "base",
    "filter",
    "username_attribute",
    "id_attribute",
    "may_use",
    "blocked",
    "attributes",
    "groups",
    "pool_size",
    "connect_timeout",
    "operation_timeout",
];
const DEFAULT_ID: &str = "entryUUID";
const DEFAULT_POOL: usize = 8;
const MOST_POOL: u64 = 256;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// See the README for what each means.
pub(crate) struct Config {
    /// At least one, the preferred one first.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Set where an endpoint uses TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) bind_dn: Option<String>,
    pub(crate) base: String,
    pub(crate) filter: LoginFilter,
    pub(crate) username: String,
    pub(crate) id: IdAttribute,
    pub(crate) may_use: Option<Template>,
    pub(crate) blocked: Option<Template>,
    pub(crate) attributes: Attributes,
    pub(crate) groups: Option<Groups>,
    pub(crate) pool_size: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) operation_timeout: Duration,
}

/// Where an account's facts are.
pub(crate) struct Attributes {
    pub(crate) display_name: String,
    pub(crate) email: String,
    pub(crate) email_verified: bool,
    pub(crate) claims: Vec<Claim>,
}

/// A claim of an attribute's value, or of the list of its values.
pub(crate) struct Claim {
    pub(crate) name: String,
    pub(crate) attribute: String,
    pub(crate) is_list: bool,
}

/// Where an account's groups are.
pub(crate) enum Groups {
    /// In an attribute of the user. `whole`: a value is the name; otherwise the first value of the DN that it is.
    Attribute { name: String, whole: bool },
    /// Entries that name the user.
    Search { base: String, filter: Template, name: String },
}

impl Config {
    /// Reads the table.
    ///
    /// # Errors
    /// Every fault, with its key.
    pub(crate) fn parse(json: &str) -> Result<Self, Vec<String>> {
        let fields = pintle_plugin_api::config::table(json)?;
        let faults = Faults::default();
        let config = read(&Table::root(&fields, &KEYS, &faults));
        faults.or(config)
    }
}

/// None where something is missing or wrong; each such fault is noted.
fn read(table: &Table<'_>) -> Option<Config> {
    let (endpoints, tls) = connection(table);
    let bind_dn = table.text("bind_dn");
    let base = table.required("base", "ou=people,dc=example,dc=com");
    let filter = table.required("filter", "(uid={username})");
    let filter = filter.and_then(|text| checked(table, "filter", LoginFilter::parse(&text)));
    let username = table.attribute("username_attribute");
    let id = table.attribute("id_attribute");
    let condition = |key| table.text(key).and_then(|text| checked(table, key, Template::parse(&text)));
    let (may_use, blocked) = (condition("may_use"), condition("blocked"));
    let attributes = attributes(table);
    let groups = table.table("groups", &["attribute", "names", "base", "filter", "name"]).map(|table| groups(&table));
    let pool_size = table.count("pool_size", MOST_POOL);
    let (connect_timeout, operation_timeout) = (table.time("connect_timeout"), table.time("operation_timeout"));
    let filter = filter?;
    let first_compared = filter.attributes().next().map(str::to_owned);
    Some(Config {
        endpoints,
        tls,
        bind_dn,
        base: base?,
        username: username.or(first_compared)?,
        filter,
        id: IdAttribute::new(id.as_deref().unwrap_or(DEFAULT_ID)),
        may_use,
        blocked,
        attributes,
        groups: match groups {
            None => None,
            Some(groups) => Some(groups?),
        },
        pool_size: pool_size.unwrap_or(DEFAULT_POOL),
        connect_timeout: connect_timeout.unwrap_or(DEFAULT_TIMEOUT),
        operation_timeout: operation_timeout.unwrap_or(DEFAULT_TIMEOUT),
    })
}

fn checked<T>(table: &Table<'_>, key: &str, parsed: Result<T, String>) -> Option<T> {
    parsed.map_err(|why| table.fault(key, &why)).ok()
}

fn connection(table: &Table<'_>) -> (Vec<Endpoint>, Option<Arc<ClientConfig>>) {
    let (starttls, plain) = (table.flag("starttls"), table.flag("plain"));
    let mut endpoints = Vec::new();
    let mut add = |key: &str, value: &Value| {
        let parsed = table.text_at(key, value).map(|url| Endpoint::parse(&url, starttls, plain));
        endpoints.extend(parsed.and_then(|parsed| checked(table, key, parsed)));
    };
    match table.value("url") {
        None => {
            table.fault("url", "missing; expected a string such as \"ldaps://ldap.example.com\", or a list of them")
        }
        Some(Value::Array(urls)) if urls.is_empty() => table.fault("url", "the list is empty"),
        Some(Value::Array(urls)) => urls.iter().enumerate().for_each(|(at, url)| add(&format!("url[{at}]"), url)),
        Some(url) => add("url", url),
    }
    let uses_tls = endpoints.iter().any(Endpoint::uses_tls);
    if starttls && !endpoints.is_empty() && !endpoints.iter().any(|endpoint| endpoint.starttls) {
        table.fault("starttls", "no url is ldap://; ldaps:// needs no StartTLS");
    }
    let ca = table.text("ca");
    if ca.is_some() && !endpoints.is_empty() && !uses_tls {
        table.fault("ca", "no url uses TLS");
    }
    let ca = ca.as_deref().map(Path::new);
    if ca.is_some_and(|ca| !ca.is_absolute()) {
        table.fault("ca", "expected an absolute path");
        return (endpoints, None);
    }
    let tls = if uses_tls { checked(table, "ca", crate::tls::client(ca)) } else { None };
    (endpoints, tls)
}

fn attributes(table: &Table<'_>) -> Attributes {
    let named = table.table("attributes", &["display_name", "email", "email_verified", "claims"]);
    let of = |key: &str, default: &str| {
        named.as_ref().and_then(|named| named.attribute(key)).unwrap_or_else(|| default.to_owned())
    };
    let fields = named.as_ref().and_then(|named| match named.value("claims")? {
        Value::Object(fields) => Some(fields),
        other => named.expected("claims", "a table", other),
    });
    let known: Vec<&str> = fields.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let claims = named.as_ref().and_then(|named| named.table("claims", &known));
    let claims =
        claims.iter().flat_map(|claims| claims.entries().filter_map(|(name, value)| claim(claims, name, value)));
    Attributes {
        display_name: of("display_name", "cn"),
        email: of("email", "mail"),
        email_verified: named.as_ref().is_some_and(|named| named.flag("email_verified")),
        claims: claims.collect(),
    }
}

/// `name = "attribute"`, or `name = ["attribute"]` for all its values.
fn claim(table: &Table<'_>, name: &str, value: &Value) -> Option<Claim> {
    let (value, is_list) = match value {
        Value::Array(values) => match values.as_slice() {
            [value] => (value, true),
            _ => {
                table.fault(name, "expected an attribute, or a list with one attribute for all its values");
                return None;
            }
        },
        value => (value, false),
    };
    let attribute = table.attribute_at(name, value)?;
    Some(Claim { name: name.to_owned(), attribute, is_list })
}

fn groups(table: &Table<'_>) -> Option<Groups> {
    if table.has("attribute") {
        for key in ["base", "filter", "name"].into_iter().filter(|key| table.has(key)) {
            table.fault(key, "is for groups that are searched for, not beside `attribute`");
        }
        let whole = match table.text("names").as_deref() {
            None | Some("rdn") => false,
            Some("whole") => true,
            Some(other) => {
                table.fault("names", &format!("expected \"rdn\" or \"whole\", found {other:?}"));
                false
            }
        };
        return Some(Groups::Attribute { name: table.attribute("attribute")?, whole });
    }
    if table.has("names") {
        table.fault("names", "is for groups of an `attribute`");
    }
    let base = table.required("base", "ou=groups,dc=example,dc=com");
    let filter = table.required("filter", "(member={dn})");
    let filter = filter.and_then(|text| checked(table, "filter", Template::parse(&text)));
    let name = if table.has("name") { table.attribute("name") } else { Some("cn".to_owned()) };
    Some(Groups::Search { base: base?, filter: filter?, name: name? })
}

#[cfg(test)]
mod tests;
