//! Behaviour over HTTP.
#![allow(missing_docs)]

mod clients;
mod hostile;
mod kill;
mod lockout;
mod packagings;
mod plugins;
mod refresh;
mod seeds;
