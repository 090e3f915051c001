//! `[store]` and `[log]`.

use super::model::{Log, StoreOptions};
use super::read::Node;
use std::time::Duration;

/// `[store]`.
pub(super) fn store(node: &Node<'_>) -> Option<StoreOptions> {
    node.table(|table| StoreOptions {
        cache_mib: table.key("cache_mib", |node| node.integer(1..=65536)),
        sweep_every: table
            .key("sweep_every", |node| node.duration(Duration::from_secs(1)..=Duration::from_secs(24 * 3600))),
    })
}

/// `[log]`.
pub(super) fn log(node: &Node<'_>) -> Option<Log> {
    node.table(|table| Log {
        json: table.key("format", |node| node.choice(&[("pretty", false), ("json", true)])),
        filter: table.key("filter", filter),
        audit: table.optional("audit", Node::file),
    })
}

fn filter(node: &Node<'_>) -> Option<String> {
    node.checked("a filter, such as \"info\" or \"info,pintle=debug\"", |text| {
        let parsed = tracing_subscriber::EnvFilter::builder().parse(text);
        parsed.map(|_| ()).map_err(|error| Some(error.to_string()))
    })
}
