//! A plugin's log lines: made harmless and held to a rate before they reach the server's log.

use crate::printable::is_harmful;
use pintle_plugin_api::{Attr, PluginError};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

const MAX_MESSAGE_CHARS: usize = 2048;
const MAX_FIELDS: usize = 16;
const MAX_FIELD_CHARS: usize = 256;
/// Of why a call has no answer.
const MAX_REASON_CHARS: usize = 1024;
/// Lines that may come at once.
const BURST: u64 = 100;
/// Milliseconds after which one more line is let through.
const MS_PER_LINE: u64 = 50;

/// The message and its fields on one line, cut to a bounded length.
pub(crate) fn line(message: &str, fields: &[Attr]) -> String {
    let mut line = String::new();
    push_safe(&mut line, message, MAX_MESSAGE_CHARS);
    for (name, value) in fields.iter().take(MAX_FIELDS) {
        line.push(' ');
        push_safe(&mut line, name, MAX_FIELD_CHARS);
        line.push('=');
        push_safe(&mut line, value, MAX_FIELD_CHARS);
    }
    line
}

/// Text for a log: one line, no control characters, at most `max_chars` of the original.
pub(crate) fn safe(text: &str, max_chars: usize) -> String {
    let mut out = String::new();
    push_safe(&mut out, text, max_chars);
    out
}

/// What a plugin says of why it has no answer, as it may stand in logs and on terminals.
pub(crate) fn safe_error(error: PluginError) -> PluginError {
    let safe = |why: String| safe(&why, MAX_REASON_CHARS);
    match error {
        PluginError::Unavailable(why) => PluginError::Unavailable(safe(why)),
        PluginError::Invalid(why) => PluginError::Invalid(safe(why)),
        PluginError::Denied(why) => PluginError::Denied(safe(why)),
        PluginError::Internal(why) => PluginError::Internal(safe(why)),
    }
}

/// The faults of a config, likewise.
pub(crate) fn safe_faults(faults: Vec<String>) -> Vec<String> {
    faults.iter().map(|fault| safe(fault, MAX_REASON_CHARS)).collect()
}

fn push_safe(out: &mut String, text: &str, max_chars: usize) {
    let mut characters = text.chars();
    for character in characters.by_ref().take(max_chars) {
        if is_harmful(character) {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}", character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    if characters.next().is_some() {
        out.push('…');
    }
}

/// A token bucket: a burst of lines, then one every 50 ms.
#[derive(Debug, Default)]
pub(crate) struct Rate(Mutex<Bucket>);

#[derive(Debug, Default)]
struct Bucket {
    /// When the bucket will be full again, in milliseconds of the monotonic clock.
    full_at_ms: u64,
    dropped: u64,
}

impl Rate {
    /// Whether a line may be written now; then also how many were dropped since the last.
    pub(crate) fn take(&self, now_ms: u64) -> Option<u64> {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at_ms = bucket.full_at_ms.max(now_ms) + MS_PER_LINE;
        if full_at_ms > now_ms + BURST * MS_PER_LINE {
            bucket.dropped += 1;
            return None;
        }
        bucket.full_at_ms = full_at_ms;
        Some(std::mem::take(&mut bucket.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_end_itself_or_drive_a_terminal() {
        let fields = [("user".to_owned(), "a\rb\u{202e}".to_owned())];
        let line = line("in\nERROR forged\u{1b}[2J", &fields);
        assert_eq!(line, "in\\u{a}ERROR forged\\u{1b}[2J user=a\\u{d}b\\u{202e}");
    }

    #[test]
    fn a_line_has_a_bounded_length() {
        assert_eq!(line(&"ü".repeat(5_000), &[]).chars().count(), MAX_MESSAGE_CHARS + 1);
    }

    #[test]
    fn a_flood_of_lines_is_cut_and_counted() {
        let rate = Rate::default();
        let written = (0..1_000).filter(|_| rate.take(1_000).is_some()).count();
        assert_eq!(written, 100);
        assert_eq!(rate.take(1_000 + MS_PER_LINE), Some(900));
        assert_eq!(rate.take(1_000 + MS_PER_LINE), None);
    }
}
