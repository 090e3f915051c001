//! The Pintle identity server as a library.

pub mod clock;
pub mod config;
pub mod entropy;
pub mod http;
pub mod plugin;
pub mod store;
