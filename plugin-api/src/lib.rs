//! What the author of a Pintle plugin sees: the records of the contract, a trait for each kind, and the host.
//!
//! The same source is linked into the server, built as a native library, or built as a Wasm component.

pub mod abi;
pub mod kinds;
pub mod method;
pub mod types;
pub mod wire;

pub use kinds::{Call, Host, Plugin, ScopePolicy, TokenFormat, UserVerifier};
pub use types::*;
