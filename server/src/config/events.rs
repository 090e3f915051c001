//! `[events]`.

use super::model::{Events, SinkEntry};
use super::nearest::suggestion;
use super::read::Node;
use figment::value::Value;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The kinds of events: the audit log's, and the commands that change something.
pub const KINDS: &[&str] = &[
    "token.issued",
    "token.refused",
    "token.revoked",
    "token.replayed",
    "token.not_revoked",
    "token.introspected",
    "token.request_refused",
    "code.issued",
    "code.refused",
    "client.rejected",
    "login.accepted",
    "login.rejected",
    "login.failed",
    "lockout",
    "user.add",
    "user.passwd",
    "user.disable",
    "user.enable",
    "user.remove",
    "client.add",
    "client.rotate_secret",
    "client.remove",
    "token.revoke",
    "keys.rotate",
    "lockout.release",
    "event.replay",
    "event.drop",
    "user.export",
    "user.import",
    "sync.run",
    "sync.preview",
    "sync.known",
    "account.withdrawn",
    "reload",
    "plugin.disable",
    "plugin.enable",
];

pub(super) fn events(node: &Node<'_>) -> Option<Events> {
    node.table(|table| Events {
        sinks: table.key("sinks", |node| node.list(sink)),
        max_age: table.key("max_age", |node| node.duration(MINUTE..=90 * DAY)),
        max_entries: table.key("max_entries", |node| node.integer(100..=10_000_000)),
        keep_dead: table.key("keep_dead", |node| node.duration(MINUTE..=365 * DAY)),
    })
}

fn sink(node: &Node<'_>) -> Option<SinkEntry> {
    if !matches!(node.value, Value::Dict(..)) {
        // A wrong one stays, as an empty name, so that the index of each is the file's.
        let plugin = node.text_as("a plugin's name, or { plugin = \"…\", kinds = [\"login.*\"] }").unwrap_or_default();
        return Some(SinkEntry { plugin, kinds: vec!["*".to_owned()], strict: false });
    }
    node.table(|table| SinkEntry {
        plugin: table.required("plugin", "a plugin's name", Node::text),
        kinds: table.optional("kinds", kinds).unwrap_or_else(|| vec!["*".to_owned()]),
        strict: table.key("strict", Node::boolean),
    })
}

fn kinds(node: &Node<'_>) -> Option<Vec<String>> {
    match node.value {
        Value::Array(_, values) if values.is_empty() => node.refuse("an empty list", "at least one kind", None),
        _ => node.list(kind),
    }
}

/// One that no event can have is a mistake that would show in nothing but silence.
fn kind(node: &Node<'_>) -> Option<String> {
    node.checked("a kind of event, such as \"login.rejected\", \"login.*\" or \"*\"", |text| {
        let is_known = match text.strip_suffix(".*") {
            Some(start) => KINDS.iter().any(|kind| kind.split_once('.').is_some_and(|(first, _)| first == start)),
            None => text == "*" || KINDS.contains(&text),
        };
        let starts = KINDS.iter().filter_map(|kind| kind.split_once('.')).map(|(first, _)| format!("{first}.*"));
        let starts: Vec<String> = starts.collect();
        let known = || KINDS.iter().copied().chain(starts.iter().map(String::as_str));
        if is_known { Ok(()) } else { Err(suggestion(text, known())) }
    })
}
