//! What the author of a Pintle plugin sees: the records of the contract, a trait for each kind, and the host.
//!
//! The same source is linked into the server, built as a native library, or built as a Wasm component:
//!
//! ```
//! use pintle_plugin_api::{Call, Manifest, Plugin, PluginError, ScopeDecision, ScopePolicy, ScopeQuery, export_plugin};
//!
//! /// Grants whatever is asked for.
//! pub struct Everything;
//!
//! impl Plugin for Everything {
//!     fn manifest() -> Manifest {
//!         Manifest::new::<Self>("everything", env!("CARGO_PKG_VERSION"))
//!     }
//!
//!     fn create(config_json: &str) -> Result<Self, Vec<String>> {
//!         pintle_plugin_api::config::takes_nothing(config_json)?;
//!         Ok(Self)
//!     }
//! }
//!
//! impl ScopePolicy for Everything {
//!     fn evaluate(&self, _call: &Call<'_>, query: &ScopeQuery) -> Result<ScopeDecision, PluginError> {
//!         Ok(ScopeDecision { granted: query.requested.clone(), ..ScopeDecision::default() })
//!     }
//! }
//!
//! export_plugin!(Everything: scope_policy);
//! # fn main() {}
//! ```
//!
//! [`tutorial`] goes the whole way, from an empty folder to a signed bundle.
//!
//! A plugin crate is a plain library with a feature `export = ["pintle-plugin-api/export"]`; `pintle plugin build` makes
//! the component and the native library of it.

pub mod abi;
pub mod config;
mod export;
pub mod fields;
pub mod kinds;
pub mod linked;
pub mod method;
pub mod types;
pub mod wire;

#[cfg(not(target_arch = "wasm32"))]
pub mod conformance;
#[cfg(all(feature = "export", not(target_arch = "wasm32")))]
pub mod native;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
#[cfg(any(doc, doctest))]
pub mod tutorial;
#[cfg(target_arch = "wasm32")]
pub mod wasm;

pub use kinds::{
    AccountSource, Call, ClaimsSource, Directory, EventSink, ExtensionGrant, Host, Plugin, ScopePolicy, TokenFormat,
    UserVerifier,
};
pub use types::*;
