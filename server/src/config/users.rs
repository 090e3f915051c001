//! `[users]`, `[scopes]` and `[development]`.

use super::model::{ChainEntry, ClaimsEntry, Development, PolicyEntry, Share, SyncEntry};
use super::read::Node;
use figment::value::Value;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// `[users]`.
#[derive(Default)]
pub(super) struct Users {
    pub chain: Vec<ChainEntry>,
    pub sync: Vec<SyncEntry>,
}

/// `[users]`: the chain, and whose accounts are copied.
pub(super) fn users(node: &Node<'_>) -> Option<Users> {
    node.table(|table| Users {
        chain: table.key("chain", |node| node.list(chain_entry)),
        sync: table.key("sync", |node| node.list(sync_entry)),
    })
}

fn sync_entry(node: &Node<'_>) -> Option<SyncEntry> {
    if !matches!(node.value, Value::Dict(..)) {
        // As in the chain.
        let plugin = node.text_as("a plugin's name, or { plugin = \"…\", every = \"10m\" }").unwrap_or_default();
        return Some(SyncEntry::new(plugin));
    }
    node.table(|table| {
        let plugin = table.required("plugin", "a plugin's name", Node::text);
        let default = SyncEntry::new(plugin);
        let time = |node: &Node<'_>| node.duration(MINUTE..=365 * 24 * HOUR);
        SyncEntry {
            every: table.optional("every", time).unwrap_or(default.every),
            full_every: table.optional("full_every", time).unwrap_or(default.full_every),
            refuse_removal_over: table.optional("refuse_removal_over", share).unwrap_or(default.refuse_removal_over),
            ..default
        }
    })
}

fn share(node: &Node<'_>) -> Option<Share> {
    let expected = "a share of 0% to 100%, such as \"5%\" or \"0.5%\"";
    Share::parse(&node.checked(expected, |text| Share::parse(text).map(drop).ok_or(None))?)
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
