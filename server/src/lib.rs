//! The Pintle identity server as a library.

pub mod clock;
pub mod config;
pub mod entropy;
pub mod oauth;
pub mod keys;
pub mod plugin;
pub mod store;
