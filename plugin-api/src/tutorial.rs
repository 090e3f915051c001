//! From an empty folder to a plugin that an operator trusts, step by step.
//!
//! The plugin, `crm`, lets the users of a CRM log in. The CRM has two requests, both in JSON and with the header
//! `Authorization: Bearer <key>`:
//!
//! | Request | 200 | else |
//! |---|---|---|
//! | `POST /login {"login", "password"}` | the user | 404: no such user; 422: the password is wrong |
//! | `POST /find {"login"}` or `{"id"}` | the user | 404: no such user |
//!
//! A user is `{"id": "17", "login": "ann", "mail": "ann@example.com", "department": "sales", "active": true}`.
//!
//! 1. The project: below.
//! 2. [The config and its schema](config).
//! 3. [Asking the CRM](verify): the verifier, HTTP, secrets, and errors whose fault is told apart.
//! 4. [Keeping something](state): the host interface `kv`.
//! 5. [More kinds](kinds): the directory, a scope policy, claims.
//! 6. [The whole of it, with its tests](whole).
//! 7. [Shipping it](ship): `plugin test`, `bench`, bundle, signature, and the operator's configuration.
//!
//! # The project
//!
//! ```text
//! pintle plugin new crm --lang rust
//! cd crm
//! cargo add serde --features derive
//! cargo add serde_json
//! cargo test
//! pintle plugin build .
//! ```
//!
//! | File | What it is |
//! |---|---|
//! | `src/lib.rs`, `src/tests.rs` | a verifier over a list in its config, to be replaced |
//! | `plugin.toml` | name, version, kinds and wants, for who has not run the plugin yet |
//! | `conformance.toml` | what `pintle plugin test` runs it with |
//! | `pintle.toml` | the configuration of a server that has it |
//! | `sdk/` | this crate |
//!
//! `plugin.toml` says what the code says, and a test compares. That of `crm`:
//!
//! ```toml
//! name = "crm"
//! version = "0.1.0"
//! kinds = ["user-verifier", "directory", "scope-policy", "claims"]
//! wants = ["http", "kv", "secrets"]
//! self_contained = false
//! ```
//!
//! A plugin that leaves nothing to configure and asks nobody is this:
//!
//! ```
//! use pintle_plugin_api::{Call, Manifest, Plugin, PluginError, UserVerifier, VerifyOutcome, VerifyRequest, export_plugin};
//!
//! /// Knows nobody.
//! pub struct Nobody;
//!
//! impl Plugin for Nobody {
//!     fn manifest() -> Manifest {
//!         Manifest::new::<Self>("nobody", env!("CARGO_PKG_VERSION"))
//!     }
//!
//!     fn create(config_json: &str) -> Result<Self, Vec<String>> {
//!         pintle_plugin_api::config::takes_nothing(config_json)?;
//!         Ok(Self)
//!     }
//! }
//!
//! impl UserVerifier for Nobody {
//!     fn verify(&self, _call: &Call<'_>, _request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
//!         Ok(VerifyOutcome::UnknownUser)
//!     }
//! }
//!
//! export_plugin!(Nobody: user_verifier);
//!
//! # fn main() {
//! assert_eq!(Nobody::manifest().kinds, ["user-verifier"]);
//! assert_eq!(Nobody::create(r#"{"url": "x"}"#).err().unwrap(), ["url: unknown key; this plugin has no options"]);
//! # }
//! ```

pub mod config;
pub mod kinds;
pub mod ship;
pub mod state;
pub mod verify;
pub mod whole;
