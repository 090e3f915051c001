//! `plugin.toml`: what a plugin's author says about it.

use super::host::Interface;
use super::limits::Kind;
use semver::Version;
use serde::Deserialize;

/// The largest `plugin.toml`, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;

/// `plugin.toml`, beside a crate's `Cargo.toml` and in every bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginToml {
    /// The plugin's own name: lower-case letters, digits and hyphens, as it becomes a file name.
    pub name: String,
    /// By semver.
    pub version: String,
    /// The kinds by WIT name.
    pub kinds: Vec<String>,
    /// Host interfaces beside `log`, `clock`, `random` and `config`.
    #[serde(default)]
    pub wants: Vec<String>,
    /// A token format whose tokens carry their claims.
    #[serde(default)]
    pub self_contained: bool,
}

impl PluginToml {
    /// Reads its text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let about: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if about.name.is_empty() || about.name.len() > 64 || !about.name.bytes().all(plain) {
            return Err("name: only lower-case letters, digits and hyphens, at most 64".to_owned());
        }
        Ok(about)
    }

    /// What [`Self::parse`] leaves open and a bundle must not: a version by semver, and only names that the contract has.
    ///
    /// # Errors
    /// What is wrong.
    pub fn release(&self) -> Result<Version, String> {
        if let Some(kind) = self.kinds.iter().find(|kind| Kind::from_name(kind).is_none()) {
            return Err(format!("kinds: there is no kind `{kind}`"));
        }
        if let Some(wanted) = self.wants.iter().find(|wanted| Interface::from_name(wanted).is_none()) {
            return Err(format!("wants: there is no host interface `{wanted}`"));
        }
        Version::parse(&self.version)
            .map_err(|error| format!("version: {:?} is no semantic version: {error}", self.version))
    }
}
