//! The Pintle identity server as a library.

pub mod audit;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod plugin;
pub mod store;
pub mod systemd;
