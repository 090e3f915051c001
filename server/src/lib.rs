//! The Pintle identity server as a library.

pub mod accounts;
pub mod admin;
pub mod app;
pub mod audit;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod events;
pub mod flow;
pub mod http;
pub mod keys;
pub mod lockout;
pub mod logging;
pub mod metrics;
pub mod oauth;
pub mod password;
pub mod plugin;
pub mod printable;
pub mod store;
pub mod systemd;
#[cfg(test)]
mod test_store;
