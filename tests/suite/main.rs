//! Behaviour over HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod bad_requests;
mod chain;
mod clients;
mod examples;
mod hostile;
mod kill;
mod kinds;
mod ldap;
mod lockout;
mod logins;
mod packagings;
mod plugins;
mod refresh;
mod seeds;
mod slapd;
mod tokens;
