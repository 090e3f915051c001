//! Behaviour over HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod audit;
mod authorize;
mod backends;
mod bad_requests;
mod chain;
mod clients;
mod cors;
mod erp_rest;
mod examples;
mod grants;
mod hostile;
mod kill;
mod kinds;
mod lockout;
mod logins;
mod monitoring;
mod packagings;
mod plugins;
mod refresh;
mod restarts;
mod seeds;
mod sync;
mod tokens;
mod tryton;
mod webhook;
