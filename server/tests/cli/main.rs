//! The real binary: its commands beside a running server and without one.

mod check;
mod commands;
mod development;
mod ground;
mod socket;
