//! How the log is written. The library installs nothing: `main.rs` takes a subscriber from here.

use crate::config::model::Log;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

/// A subscriber that writes to `writer` as `log` says: one JSON object a line, or text for people (with colours if
/// `colours`). Lines written while a request runs carry its id, as the span `request`.
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
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    } else {
        lines.with_ansi(colours).boxed()
    };
    Ok(Box::new(Registry::default().with(filter).with(lines)))
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
    fn text_lines_carry_the_requests_id_and_no_escape_sequence_of_a_value() {
        let text = logged(false, "info");
        assert!(text.contains("request{id=\"abc\"}") && text.contains("issued"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains("detail"), "{text}");
        assert!(logged(false, "debug").contains("detail"));
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_an_error() {
        let log = Log { json: false, filter: "info,=".to_owned(), audit: None };
        assert!(subscriber(&log, false, io::sink).is_err());
    }
}
