//! HTTP: the listener, what it puts before a request, and the endpoints.

mod activity;
mod authorize;
pub mod body;
mod connection;
pub mod cors;
pub mod endpoint;
mod form;
mod gate;
mod introspect;
mod jwks;
pub mod listener;
mod metadata;
pub mod monitor;
pub mod paths;
pub mod peer;
mod proxy;
mod reply;
pub mod request;
mod revoke;
pub mod routes;
pub mod served;
mod sharing;
mod socket;
pub mod tls;
mod token;
