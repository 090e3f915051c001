//! The Pintle identity server as a library.

pub mod accounts;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod oauth;
pub mod keys;
pub mod lockout;
pub mod password;
pub mod plugin;
pub mod store;
#[cfg(test)]
mod test_store;
