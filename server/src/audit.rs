//! The audit log: one JSON line for every decision, to the tracing target `audit` and, where configured, to a file.
//!
//! A file that cannot keep up loses lines rather than logins: waiting would let a slow disk stop the whole server, and
//! the line still goes to tracing. The loss is counted in the metrics, and a line `audit.dropped` in the file itself
//! says how many are missing where.

mod event;
mod text;
mod writer;

pub use event::{AuditEvent, AuditKind, PluginVerdict};
pub use text::Text;
pub use writer::check_writable;

use crate::clock::Clock;
use crate::metrics::Metrics;
use serde::Serialize;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use writer::Writer;

/// Where audit events go. A clone is a handle on the same log; dropping the last one writes what is queued.
#[derive(Clone)]
pub struct AuditLog {
    clock: Arc<dyn Clock>,
    writer: Option<Arc<Writer>>,
}

#[derive(Serialize)]
struct Line<'a, E: Serialize> {
    time: String,
    #[serde(flatten)]
    event: &'a E,
}

impl AuditLog {
    /// A log that also appends to `file`, which is made with mode 0600 and opened anew when it was renamed or removed
    /// (log rotation).
    ///
    /// # Errors
    /// The file cannot be opened, or no thread started.
    pub fn open(file: Option<&Path>, clock: Arc<dyn Clock>, metrics: Metrics) -> io::Result<Self> {
        let writer = match file {
            Some(path) => Some(Arc::new(Writer::start(path, clock.clone(), metrics)?)),
            None => None,
        };
        Ok(Self { clock, writer })
    }

    /// Whether anybody reads what is recorded; building an event for nobody costs more than a token.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.writer.is_some() || tracing::enabled!(target: "audit", tracing::Level::INFO)
    }

    /// Writes `event`. Never waits for the file.
    pub fn record(&self, event: &AuditEvent) {
        let line = line(&*self.clock, event);
        tracing::info!(target: "audit", "{line}");
        if let Some(writer) = &self.writer {
            writer.write(line);
        }
    }
}

/// `event` with the time, without a line end.
fn line(clock: &dyn Clock, event: &impl Serialize) -> String {
    let time = humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(clock.now_ms())).to_string();
    // Plain fields with string keys: this does not fail.
    serde_json::to_string(&Line { time, event }).unwrap_or_default()
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditLog").field("writer", &self.writer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
