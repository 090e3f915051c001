//! What a vendor says about the plugin's world: a TOML file beside the project.

use super::TrialError;
use pintle_plugin_api::conformance::{Fixtures, SecondStep};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// In a config, stands for the origin of what the plugin talks to.
const PLACEHOLDER: &str = "{upstream}";

/// See the module. What is left out is as in [`Fixtures`]: `ann`, whose password is `correct horse`, and the disabled `bob`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrialFixtures {
    /// A user that the backend accepts.
    pub username: Option<String>,
    /// Their password.
    pub password: Option<String>,
    /// A disabled user with the same password; empty where the backend has none.
    pub disabled: Option<String>,
    /// A user with the same password and a name beyond ASCII.
    pub unicode: Option<String>,
    /// How the users pass a second step, where the plugin asks for one.
    pub second: Option<SecondStep>,
    /// A user that the backend does not have.
    pub unknown: Option<String>,
    /// The scopes that a query asks for.
    pub scopes: Option<Vec<String>>,
    /// The parameters that an extension grant grants.
    pub grant_params: BTreeMap<String, String>,
    /// Scheme, host and port of what the plugin talks to. It is put in for `{upstream}` in `config`, and granted.
    pub upstream: Option<String>,
    /// What `secrets.get` gives.
    pub secrets: BTreeMap<String, String>,
    /// The plugin's config.
    pub config: Map<String, Value>,
}

impl TrialFixtures {
    /// From TOML.
    ///
    /// # Errors
    /// Where and what is wrong.
    pub fn parse(toml: &str) -> Result<Self, TrialError> {
        let fixtures: Self = toml::from_str(toml).map_err(|error| TrialError::Fixtures(error.to_string()))?;
        fixtures.checked()
    }

    /// The same with another config.
    ///
    /// # Errors
    /// Where it is no JSON object.
    pub fn with_config_json(self, json: &str) -> Result<Self, TrialError> {
        let config = serde_json::from_str(json).map_err(|error| TrialError::Fixtures(format!("config: {error}")))?;
        Self { config, ..self }.checked()
    }

    fn checked(self) -> Result<Self, TrialError> {
        let named = Value::Object(self.config.clone()).to_string().contains(PLACEHOLDER);
        if named && self.upstream.is_none() {
            let why = "the config has {upstream}, and `upstream` is missing: the origin of a server to test with";
            return Err(TrialError::Fixtures(why.to_owned()));
        }
        Ok(self)
    }

    /// For the kit, with `upstream` put in.
    #[must_use]
    pub fn kit(&self, upstream: Option<&str>) -> Fixtures {
        let usual = Fixtures::default();
        let config = Value::Object(self.config.clone()).to_string();
        let or = |own: &Option<String>, usual: String| own.clone().unwrap_or(usual);
        Fixtures {
            config_json: upstream.map_or(config.clone(), |origin| config.replace(PLACEHOLDER, origin)),
            username: or(&self.username, usual.username),
            password: or(&self.password, usual.password),
            disabled: self.disabled.clone().or(usual.disabled).filter(|name| !name.is_empty()),
            unicode: self.unicode.clone(),
            second: self.second.clone(),
            unknown: or(&self.unknown, usual.unknown),
            scopes: self.scopes.clone().unwrap_or(usual.scopes),
            grant_params: self.grant_params.clone().into_iter().collect(),
            key_id: usual.key_id,
            alg: usual.alg,
            claims_json: usual.claims_json,
        }
    }
}
