//! How the log is written. The library installs nothing: `main.rs` takes a subscriber from here.

use crate::config::model::Log;
use crate::printable;
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::format::{Format, Full, Json, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// The target of the audit log, whose messages are JSON objects already.
const AUDIT: &str = "audit";

/// A subscriber that writes to `writer` as `log` says: one JSON object a line, or text for people (with colours if
/// `colours`). Lines written while a request runs carry its id, as the span `request`; in JSON, an audit line has its
/// event as the object `audit`. Whatever a value brings along, an event is one line, and steers no terminal.
///
/// # Errors
/// `log.filter` is no filter.
pub fn subscriber<W>(log: &Log, colours: bool, writer: W) -> Result<Box<dyn Subscriber + Send + Sync>, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(&log.filter)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<_> + Send + Sync> = if log.json {
        let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
        lines.map_event_format(JsonLine).boxed()
    } else {
        lines
            .with_ansi(colours)
            .map_event_format(|format| TextLine { format: format.with_ansi(colours), colours })
            .boxed()
    };
    Ok(Box::new(Registry::default().with(filter).with(lines)))
}

/// An event as one line for people.
struct TextLine {
    format: Format<Full>,
    colours: bool,
}

impl<S, N> FormatEvent<S, N> for TextLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut text = String::new();
        self.format.format_event(context, Writer::new(&mut text), event)?;
        // The colours' escapes are the format's own: it has escaped those of values.
        let text = printable::escaped(text.strip_suffix('\n').unwrap_or(&text), |c| self.colours && c == '\u{1b}');
        writeln!(line, "{text}")
    }
}

/// An event as one JSON object; an audit event within it as what it is, rather than as a string of JSON.
struct JsonLine(Format<Json>);

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    Format<Json>: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let mut message = Message(String::new());
        if metadata.target() == AUDIT {
            event.record(&mut message);
        }
        // Somebody else's target of that name must not break the line.
        if !message.0.starts_with('{') || serde_json::from_str::<serde::de::IgnoredAny>(&message.0).is_err() {
            let mut text = String::new();
            self.0.format_event(context, Writer::new(&mut text), event)?;
            return line.write_str(&printable::json(&text));
        }
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        writeln!(line, "\",\"level\":\"{}\",\"target\":\"{AUDIT}\",\"audit\":{}}}", metadata.level(), message.0)
    }
}

/// An event's message.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool, filter: &str) -> String {
        let lines = Lines::default();
        let log = Log { json, filter: filter.to_owned(), audit: None };
        let writer = lines.clone();
        let subscriber = subscriber(&log, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let _request = tracing::info_span!("request", id = "abc").entered();
            tracing::info!(client = "web\u{1b}[31m", "issued");
            tracing::debug!("detail");
        });
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn json_lines_carry_fields_and_the_requests_id() {
        let line: serde_json::Value = serde_json::from_str(logged(true, "info").trim()).unwrap();
        assert_eq!(line["message"], "issued");
        assert_eq!(line["client"], "web\u{1b}[31m");
        assert_eq!(line["span"]["id"], "abc");
    }

    #[test]
    fn an_audit_event_is_an_object_in_a_json_line() {
        let lines = Lines::default();
        let log = Log { json: true, filter: "info".to_owned(), audit: None };
        let writer = lines.clone();
        let subscriber = subscriber(&log, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "audit", "{}", r#"{"event":"admin","username":"d\"ory"}"#);
            tracing::info!(target: "audit", "not of ours: }}");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["audit"], serde_json::json!({ "event": "admin", "username": "d\"ory" }));
        assert_eq!((&lines[0]["level"], &lines[0]["target"]), (&"INFO".into(), &"audit".into()));
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z') && lines[0]["message"].is_null());
        assert_eq!(lines[1]["message"], "not of ours: }");
    }

    #[test]
    fn text_lines_carry_the_requests_id_and_no_escape_sequence_of_a_value() {
        let text = logged(false, "info");
        assert!(text.contains("request{id=\"abc\"}") && text.contains("issued"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains("detail"), "{text}");
        assert!(logged(false, "debug").contains("detail"));
    }

    #[test]
    fn a_message_is_one_line_and_turns_nothing_around() {
        for (json, colours) in [(false, false), (false, true), (true, false)] {
            let lines = Lines::default();
            let log = Log { json, filter: "info".to_owned(), audit: None };
            let writer = lines.clone();
            let subscriber = subscriber(&log, colours, move || writer.clone()).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                let evil = "x\r\n2026 ERROR forged\u{9b}2J\u{202e}\0";
                tracing::info!(shown = %evil, "{evil}\n");
            });
            let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
            let harmful = |c| printable::is_harmful(c) && !(colours && c == '\u{1b}');
            assert_eq!(text.chars().filter(|c| harmful(*c)).collect::<String>(), "\n", "{text:?}");
        }
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_an_error() {
        let log = Log { json: false, filter: "info,=".to_owned(), audit: None };
        assert!(subscriber(&log, false, io::sink).is_err());
    }
}
