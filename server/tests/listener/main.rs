//! The listener over real sockets.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is test code")]

mod http2;
mod limits;
mod plain;
mod support;
mod tls;
