//! What a plugin talks to, or what is left of it.

use std::net::TcpListener;

/// A server's origin.
pub(super) enum Upstream {
    /// A real one.
    Named(String),
    /// One where nobody listens.
    Dead(String),
    /// One that takes connections and never answers: the system completes them, nobody reads.
    Slow(String, #[expect(dead_code, reason = "held so that it listens")] TcpListener),
}

impl Upstream {
    pub(super) fn dead() -> Result<Self, String> {
        let (origin, listener) = listen()?;
        drop(listener);
        Ok(Self::Dead(origin))
    }

    pub(super) fn slow() -> Result<Self, String> {
        let (origin, listener) = listen()?;
        Ok(Self::Slow(origin, listener))
    }

    pub(super) fn origin(&self) -> &str {
        let (Self::Named(origin) | Self::Dead(origin) | Self::Slow(origin, _)) = self;
        origin
    }
}

fn listen() -> Result<(String, TcpListener), String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("a port for the upstream: {error}"))?;
    let address = listener.local_addr().map_err(|error| format!("a port for the upstream: {error}"))?;
    Ok((format!("http://{address}"), listener))
}
