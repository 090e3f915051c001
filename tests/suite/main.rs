//! Behaviour over HTTP.
#![allow(missing_docs)]

mod clients;
mod lockout;
mod refresh;
mod seeds;
