//! Killed processes and cut power: what was acknowledged is there, whatever happens when; the store's commits by
//! themselves, and the tokens and revocations of a server on it.
//!
//! The tests run this very binary again as the process that writes (`writer`), with a recorder preloaded that knows every
//! write and sync, and can kill the process before any of them (`recorder.c`, built with `cc`).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test they are how it fails")]

mod child;
mod disk;
mod kill;
mod power_cut;
mod record;
mod sessions;
mod sync;
mod workload;
