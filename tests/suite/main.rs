//! Behaviour over HTTP.
#![allow(missing_docs)]

mod lockout;
mod refresh;
mod seeds;
