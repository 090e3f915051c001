//! The listener over real sockets.

mod limits;
mod plain;
mod support;
