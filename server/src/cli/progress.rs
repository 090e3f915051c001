//! Progress on standard error, where that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar where it is known how much there is, else a counter.
pub struct Progress(ProgressBar);

impl Progress {
    /// Of `total`, where that is known; `what` is counted.
    pub fn new(total: Option<u64>, what: &str) -> Self {
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        Self(bar).styled(what)
    }

    fn styled(self, what: &str) -> Self {
        let template = match self.0.length() {
            Some(_) => format!("{{bar:40}} {{pos}}/{{len}} {what} {{msg}}"),
            None => format!("{{spinner}} {{pos}} {what} {{msg}}"),
        };
        // A template that is not understood leaves the default one.
        if let Ok(style) = ProgressStyle::with_template(&template) {
            self.0.set_style(style);
        }
        self
    }

    /// It has come so far.
    pub fn at(&self, position: u64, message: &str) {
        if self.0.length().is_some_and(|length| position > length) {
            self.0.set_length(position);
        }
        self.0.set_message(message.to_owned());
        self.0.set_position(position);
    }

    /// A line on standard error, above the bar.
    pub fn say(&self, line: &str) {
        self.0.suspend(|| eprintln!("{}", pintle::printable::lines(line)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
