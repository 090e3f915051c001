//! `[keys]`.

use super::model::Keys;
use super::read::Node;
use super::secret::{Allowed, source};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// `[keys]`.
pub(super) fn keys(node: &Node<'_>) -> Option<Keys> {
    node.table(|table| Keys {
        master: table.optional("master", |node| source(node, Allowed::FileOrEnv)),
        rotate_every: table.key("rotate_every", |node| node.duration(HOUR..=3650 * DAY)),
        publish_before: table.key("publish_before", |node| node.duration(Duration::ZERO..=365 * DAY)),
    })
}
