//! The real binary: its commands beside a running server and without one.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is test code")]

#[cfg(feature = "wasm")]
mod bundles;
mod check;
mod commands;
mod development;
mod ground;
mod reloading;
mod serving;
mod socket;
mod transfer;
