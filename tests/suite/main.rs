//! Behaviour over HTTP.
#![allow(missing_docs)]

mod seeds;
