//! Behaviour over HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod audit;
mod authorize;
mod backends;
mod bad_requests;
mod bundle;
mod chain;
mod clients;
mod composed;
mod cors;
mod erp_rest;
mod events;
mod examples;
mod grants;
mod hostile;
mod hostile_host;
mod hostile_native;
mod hostile_text;
mod kill;
mod kinds;
mod ldap;
mod lockout;
mod logins;
mod monitoring;
mod packagings;
mod plugins;
mod reference;
mod refresh;
mod restarts;
mod seeds;
mod slapd;
mod sync;
mod tokens;
mod tryton;
mod vendor;
mod webhook;
