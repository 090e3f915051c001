//! The operator's `config` table.

use pintle_plugin_api::HeaderValue;
use pintle_plugin_api::config::table;
use pintle_plugin_api::fields::{Faults, Fields};

/// Headers that are the plugin's own to set.
const OWN_HEADERS: [&str; 4] = ["content-type", "webhook-id", "webhook-timestamp", "webhook-signature"];

/// What is configured.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Absolute, or a path of the only granted origin.
    pub(crate) url: String,
    /// Whether all events of a call go into one request.
    pub(crate) batch: bool,
    /// Further headers.
    pub(crate) headers: Vec<(String, HeaderValue)>,
}

impl Config {
    pub(crate) fn parse(json: &str) -> Result<Self, Vec<String>> {
        let (table, faults) = (table(json)?, Faults::default());
        let fields = Fields::new(&table, &faults);
        let url = fields.required_text("url", "where events are posted, or a path there").unwrap_or("/");
        let absolute = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if !url.starts_with('/') && absolute.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            fields
                .fault("url", "expected a URL such as \"https://example.com/hook\", or a path that begins with \"/\"");
        }
        let batch = fields.boolean("batch").unwrap_or(false);
        let mut headers = Vec::new();
        for (name, value) in fields.headers("headers", &OWN_HEADERS) {
            headers.push((name.to_owned(), HeaderValue::Text(value.to_owned())));
        }
        for (name, value) in fields.headers("secret_headers", &OWN_HEADERS) {
            headers.push((name.to_owned(), HeaderValue::Secret(value.to_owned())));
        }
        let config = Self { url: url.to_owned(), batch, headers };
        drop(fields);
        faults.into_result(config)
    }
}
