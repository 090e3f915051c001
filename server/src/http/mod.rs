//! HTTP: the listener, what it puts before a request, and the endpoints.

mod activity;
pub mod body;
mod connection;
pub mod cors;
pub mod listener;
pub mod monitor;
pub mod peer;
mod proxy;
mod socket;
pub mod tls;
