//! The config and its schema.
//!
//! The operator writes `config = { … }` in the plugin's entry; [`Plugin::create`](crate::Plugin::create) gets it as JSON. It
//! reads all of it, and names every fault with its key, so that one start shows all that is wrong. A key that nobody asks for
//! is a fault too: a misspelt option that is silently ignored is worse than one that is missing.
//! [`Fields`](crate::fields::Fields) does both.
//!
//! There is no URL in this config. Which origins the plugin reaches is the operator's grant (`network`), and where that is one
//! origin, a request names a path only.
//!
//! ```
//! use pintle_plugin_api::fields::{Faults, Fields};
//! use pintle_plugin_api::{Manifest, Plugin, config};
//! # use pintle_plugin_api::{Call, PluginError, UserVerifier, VerifyOutcome, VerifyRequest, export_plugin};
//! use std::collections::BTreeMap;
//!
//! /// The users of a CRM.
//! pub struct Crm {
//!     timeout_ms: u32,
//!     /// How long what the CRM said of a user is good enough, in seconds.
//!     cache_s: u32,
//!     /// What a department's people may be granted.
//!     scopes: BTreeMap<String, Vec<String>>,
//! }
//!
//! impl Plugin for Crm {
//!     const WANTS: &'static [&'static str] = &["http", "kv", "secrets"];
//!
//!     fn manifest() -> Manifest {
//!         Manifest::new::<Self>("crm", env!("CARGO_PKG_VERSION"))
//!     }
//!
//!     fn create(config_json: &str) -> Result<Self, Vec<String>> {
//!         let (table, faults) = (config::table(config_json)?, Faults::default());
//!         let crm = Self::parse(&Fields::new(&table, &faults));
//!         faults.into_result(crm)
//!     }
//! }
//!
//! impl Crm {
//!     fn parse(fields: &Fields<'_>) -> Self {
//!         let number = |key, range, otherwise| fields.integer(key, range).map_or(otherwise, |number| number as u32);
//!         Self {
//!             timeout_ms: number("timeout_ms", 100..=2_000, 1_000),
//!             cache_s: number("cache_s", 0..=3_600, 60),
//!             scopes: fields.tables("departments").iter().filter_map(department).collect(),
//!         }
//!     }
//! }
//!
//! /// Whose faults are named by their place: `departments[1].scopes[0]`.
//! fn department(fields: &Fields<'_>) -> Option<(String, Vec<String>)> {
//!     let name = fields.required_text("name", "the department's name in the CRM");
//!     let mut scopes = Vec::new();
//!     for (path, scope) in fields.list("scopes") {
//!         match scope.as_str() {
//!             Some(scope) => scopes.push(scope.to_owned()),
//!             None => fields.faults().add(&path, "expected a string"),
//!         }
//!     }
//!     Some((name?.to_owned(), scopes))
//! }
//! # impl UserVerifier for Crm {
//! #     fn verify(&self, _call: &Call<'_>, _request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
//! #         Ok(VerifyOutcome::UnknownUser)
//! #     }
//! # }
//! # export_plugin!(Crm: user_verifier);
//!
//! # fn main() {
//! let crm = Crm::create(r#"{"departments": [{"name": "sales", "scopes": ["orders"]}]}"#).unwrap();
//! assert_eq!((crm.timeout_ms, crm.cache_s, crm.scopes["sales"].as_slice()), (1_000, 60, &["orders".to_owned()][..]));
//!
//! let faults = Crm::create(r#"{"timeout_ms": 5, "departments": [{"scopes": [1]}], "cache": 1}"#).err().unwrap();
//! assert_eq!(
//!     faults,
//!     [
//!         "timeout_ms: expected a whole number from 100 to 2000, found 5",
//!         "departments[0].name: missing; it is the department's name in the CRM",
//!         "departments[0].scopes[0]: expected a string",
//!         "cache: unknown key; known are timeout_ms, cache_s, departments",
//!     ]
//! );
//! # }
//! ```
//!
//! # The schema
//!
//! A bundle may carry a JSON schema of the config (draft 2020-12). The server then names each fault with its place in the
//! operator's file before it runs any of the plugin's code. It does not replace `create`, which also runs where there is no
//! bundle. `config.schema.json`, beside `plugin.toml`:
//!
//! ```json
//! {
//!   "$schema": "https://json-schema.org/draft/2020-12/schema",
//!   "type": "object",
//!   "additionalProperties": false,
//!   "properties": {
//!     "timeout_ms": { "type": "integer", "minimum": 100, "maximum": 2000 },
//!     "cache_s": { "type": "integer", "minimum": 0, "maximum": 3600 },
//!     "departments": {
//!       "type": "array",
//!       "items": {
//!         "type": "object",
//!         "additionalProperties": false,
//!         "required": ["name"],
//!         "properties": {
//!           "name": { "type": "string", "minLength": 1 },
//!           "scopes": { "type": "array", "items": { "type": "string" } }
//!         }
//!       }
//!     }
//!   }
//! }
//! ```
