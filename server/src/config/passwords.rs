//! `[passwords]` and `[lockout]`.

use super::model::{Lockout, Passwords};
use super::read::Node;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// `[passwords]`.
pub(super) fn passwords(node: &Node<'_>) -> Option<Passwords> {
    node.table(|table| Passwords {
        memory_kib: table.key("memory_kib", |node| node.integer(8..=4 * 1024 * 1024)),
        iterations: table.key("iterations", |node| node.integer(1..=100)),
        parallelism: table.key("parallelism", |node| node.integer(1..=64)),
        threads: table.optional("threads", |node| node.integer(1..=1024)).unwrap_or_else(cores),
        queue: table.key("queue", |node| node.integer(1..=100_000)),
        min_length: table.key("min_length", |node| node.integer(1..=128)),
        failure_time: table.key("failure_time", |node| node.duration(Duration::ZERO..=10 * SECOND)),
    })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// `[lockout]`.
pub(super) fn lockout(node: &Node<'_>) -> Option<Lockout> {
    node.table(|table| Lockout {
        free_tries: table.key("free_tries", |node| node.integer(0..=1000)),
        base_delay: table.key("base_delay", |node| node.duration(Duration::ZERO..=HOUR)),
        max_delay: table.key("max_delay", |node| node.duration(Duration::ZERO..=24 * HOUR)),
        forget_after: table.key("forget_after", |node| node.duration(SECOND..=365 * 24 * HOUR)),
        max_entries: table.key("max_entries", |node| node.integer(1000..=100_000_000)),
        count_client_addresses: table.key("count_client_addresses", Node::boolean),
    })
}
