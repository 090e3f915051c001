//! A server to test against: the real one over real HTTP, with a clock that the test moves.

mod call;
mod environment;
mod server;

pub use call::{Answer, Caller};
pub use environment::environment;
pub use server::{Options, TestServer, fixtures, free_port};
