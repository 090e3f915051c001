//! The protocol's rules, pure: no async, I/O, clock or randomness. What they need is passed in, what they decide is
//! returned.

pub mod authorization_request;
pub mod bearer;
pub mod claims;
pub mod client;
pub mod client_auth;
pub mod code;
pub mod error;
pub mod family;
pub mod grant;
pub mod handle;
pub mod introspection;
pub mod metadata;
pub mod params;
pub mod pkce;
pub mod redirect_uri;
pub mod revocation;
pub mod scope;
pub mod token_request;
