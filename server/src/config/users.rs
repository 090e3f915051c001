//! `[users]`, `[scopes]` and `[development]`.

use super::model::{ChainEntry, ClaimsEntry, Development, PolicyEntry};
use super::read::Node;
use figment::value::Value;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// `[users]`: the chain.
pub(super) fn users(node: &Node<'_>) -> Option<Vec<ChainEntry>> {
    node.table(|table| table.key("chain", |node| node.list(chain_entry)))
}

fn chain_entry(node: &Node<'_>) -> Option<ChainEntry> {
    const ON_ERROR: [(&str, bool); 2] = [("stop", false), ("next", true)];
    if !matches!(node.value, Value::Dict(..)) {
        // A wrong one stays, as an empty name, so that the index of each is the file's.
        let plugin = node.text_as("a plugin's name, or { plugin = \"…\", on_error = \"next\" }").unwrap_or_default();
        return Some(ChainEntry { plugin, next_on_error: false, stale: Duration::ZERO });
    }
    node.table(|table| ChainEntry {
        plugin: table.required("plugin", "a plugin's name", Node::text),
        next_on_error: table.key("on_error", |node| node.choice(&ON_ERROR)),
        stale: table.key("stale", |node| node.duration(Duration::ZERO..=24 * HOUR)),
    })
}

/// `[claims]`: the sources.
pub(super) fn claims(node: &Node<'_>) -> Option<Vec<ClaimsEntry>> {
    node.table(|table| table.key("sources", |node| node.list(claims_entry)))
}

fn claims_entry(node: &Node<'_>) -> Option<ClaimsEntry> {
    if !matches!(node.value, Value::Dict(..)) {
        // As in the chain.
        let plugin = node.text_as("a plugin's name, or { plugin = \"…\", optional = true }").unwrap_or_default();
        return Some(ClaimsEntry { plugin, optional: false });
    }
    node.table(|table| ClaimsEntry {
        plugin: table.required("plugin", "a plugin's name", Node::text),
        optional: table.key("optional", Node::boolean),
    })
}

/// `[scopes]`: the policies.
pub(super) fn scopes(node: &Node<'_>) -> Option<Vec<PolicyEntry>> {
    node.table(|table| table.key("policies", |node| node.list(policy)))
}

fn policy(node: &Node<'_>) -> Option<PolicyEntry> {
    const ON_ERROR: [(&str, bool); 2] = [("stop", false), ("static", true)];
    if !matches!(node.value, Value::Dict(..)) {
        // As in a chain, a wrong one stays.
        let plugin = node.text_as("a plugin's name, or { plugin = \"…\", on_error = \"static\" }").unwrap_or_default();
        return Some(PolicyEntry { plugin, static_on_error: false });
    }
    node.table(|table| PolicyEntry {
        plugin: table.required("plugin", "a plugin's name", Node::text),
        static_on_error: table.key("on_error", |node| node.choice(&ON_ERROR)),
    })
}

/// `[development]`.
pub(super) fn development(node: &Node<'_>) -> Option<Development> {
    node.table(|table| Development {
        demo_user: table.optional("demo_user", Node::text),
        demo_client: table.optional("demo_client", Node::text),
    })
}
