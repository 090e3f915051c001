//! HTTP: the listener, what it puts before a request, and the endpoints.

mod activity;
pub mod body;
mod connection;
pub mod listener;
pub mod peer;
mod proxy;
pub mod socket;
pub mod tls;
