//! `[[clients]]`.

use super::model::{ClientEntry, ClientType, MAX_ACCESS_LIFETIME, SecretSource};
use super::nearest::{one_of, suggestion};
use super::read::{Node, Table, quoted};
use super::secret::{Allowed, source};
use super::uri;
use figment::value::Value;
use std::time::Duration;

/// The grants a client may be given.
pub(super) const GRANTS: [&str; 4] = ["password", "refresh_token", "client_credentials", "authorization_code"];

/// Scopes a client may have.
pub(super) const MAX_SCOPES: usize = 64;

pub(super) const ID: &str = "a client's id: printable ASCII, at most 255 characters (RFC 6749 appendix A.1)";
pub(super) const SCOPE: &str = "a scope: printable ASCII without space, '\"' and '\\' (RFC 6749 §3.3)";
const TYPES: [(&str, ClientType); 2] = [("public", ClientType::Public), ("confidential", ClientType::Confidential)];

/// `[[clients]]`.
pub(super) fn clients(node: &Node<'_>) -> Option<Vec<ClientEntry>> {
    // One that cannot be read stays as an empty one, so that the index of each is the file's.
    node.list(|node| Some(node.table(client).unwrap_or_else(unreadable)))
}

fn client(table: &mut Table<'_>) -> ClientEntry {
    let id = table.required("id", ID, |node| node.checked(ID, check_id));
    ClientEntry {
        name: table.optional("name", Node::text).unwrap_or_else(|| id.clone()),
        id,
        client_type: client_type(table),
        secrets: table.key("secret", secrets),
        trusted: table.key("trusted", Node::boolean),
        introspect: table.key("introspect", Node::boolean),
        grants: table.key("grants", |node| node.distinct(grant)),
        scopes: table.key("scopes", scopes),
        redirect_uris: table.key("redirect_uris", |node| node.distinct(uri::redirect)),
        cors: table.key("cors", |node| node.distinct(uri::origin)),
        access_lifetime: table
            .optional("access_lifetime", |node| node.duration(Duration::from_secs(1)..=MAX_ACCESS_LIFETIME)),
    }
}

fn unreadable() -> ClientEntry {
    ClientEntry {
        id: String::new(),
        name: String::new(),
        client_type: ClientType::Public,
        secrets: Vec::new(),
        trusted: false,
        introspect: false,
        grants: Vec::new(),
        scopes: Vec::new(),
        redirect_uris: Vec::new(),
        cors: Vec::new(),
        access_lifetime: None,
    }
}

fn client_type(table: &mut Table<'_>) -> ClientType {
    if !table.dict.contains_key("type") {
        let path = table.path.key("type");
        table.context.report.error(&path, "no such key", "\"public\" or \"confidential\"", None);
    }
    table.optional("type", |node| node.choice(&TYPES)).unwrap_or(ClientType::Public)
}

pub(super) fn check_id(text: &str) -> Result<(), Option<String>> {
    let good = text.len() <= 255 && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    if good { Ok(()) } else { Err(None) }
}

fn secrets(node: &Node<'_>) -> Option<Vec<SecretSource>> {
    match node.value {
        Value::Array(_, values) if values.len() > 2 => {
            node.refuse(format!("{} secrets", values.len()), "at most two, so that one can replace the other", None)
        }
        Value::Array(..) => node.list(|node| source(node, Allowed::All)),
        _ => source(node, Allowed::All).map(|one| vec![one]),
    }
}

fn grant(node: &Node<'_>) -> Option<String> {
    let expected = format!("{}, or the absolute URI of a plugin's grant", one_of(GRANTS));
    node.checked(&expected, |text| {
        // RFC 6749 §4.5: a grant of one's own has an absolute URI.
        let is_uri = || url::Url::parse(text).is_ok_and(|url| url.fragment().is_none());
        if GRANTS.contains(&text) || is_uri() { Ok(()) } else { Err(suggestion(text, GRANTS)) }
    })
}

fn scopes(node: &Node<'_>) -> Option<Vec<String>> {
    let scopes = node.distinct(scope)?;
    if scopes.len() > MAX_SCOPES {
        return node.refuse(format!("{} scopes", scopes.len()), format!("at most {MAX_SCOPES}"), None);
    }
    Some(scopes)
}

fn scope(node: &Node<'_>) -> Option<String> {
    node.checked(SCOPE, check_scope)
}

pub(super) fn check_scope(text: &str) -> Result<(), Option<String>> {
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if text.bytes().all(allowed) {
        return Ok(());
    }
    let parts: Vec<String> = text.split_whitespace().map(quoted).collect();
    Err((parts.len() > 1).then(|| format!("write each scope on its own: {}", parts.join(", "))))
}
