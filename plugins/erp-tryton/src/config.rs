//! The operator's `config` table.

use pintle_plugin_api::config::table;
use pintle_plugin_api::fields::{Faults, Fields};

/// What is configured.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// What the database is reached at: an absolute URL, or a path of the only granted origin. Ends in `/`.
    pub(crate) endpoint: String,
    /// Who looks users up.
    pub(crate) service_user: String,
    /// The code of the language that names of groups are in.
    pub(crate) language: String,
    /// Whether the service user's session is kept between calls.
    pub(crate) keep_session: bool,
    /// Whether Tryton's e-mail addresses count as verified.
    pub(crate) email_verified: bool,
}

impl Config {
    pub(crate) fn parse(json: &str) -> Result<Self, Vec<String>> {
        let (table, faults) = (table(json)?, Faults::default());
        let fields = Fields::new(&table, &faults);
        let base = fields.text("url").map(|url| base(&fields, url));
        let database = fields.required_text("database", "the name of Tryton's database").unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if !database.bytes().all(plain) {
            fields.fault("database", "expected letters, digits, \"_\" and \"-\"");
        }
        let what = "the login of the Tryton user that looks others up; its password is the secret service_password";
        let service_user = fields.required_text("service_user", what).unwrap_or_default();
        if service_user.contains(':') {
            fields.fault("service_user", "a login with a \":\" in it cannot be sent by HTTP Basic (RFC 7617 §2)");
        }
        let config = Self {
            endpoint: format!("{}/{database}/", base.unwrap_or_default()),
            service_user: service_user.to_owned(),
            language: fields.text("language").unwrap_or("en").to_owned(),
            keep_session: fields.boolean("keep_session").unwrap_or(false),
            email_verified: fields.boolean("email_verified").unwrap_or(false),
        };
        drop(fields);
        faults.into_result(config)
    }
}

/// Where Tryton is, without the last `/`.
fn base<'a>(fields: &Fields<'_>, url: &'a str) -> &'a str {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let plain = |rest: &str| !rest.starts_with('/') && !rest.contains(['?', '#', '@', '\\', ' ']);
    if !rest.is_some_and(plain) {
        fields.fault("url", "expected where Tryton is, such as \"https://erp.example.com\"");
    }
    url.trim_end_matches('/')
}
