//! An API that accepts Pintle's access tokens.
//!
//! ```text
//! cargo run --example resource_server -- --issuer http://127.0.0.1:8080 --audience https://api.example
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:<port>/me
//! ```
//!
//! By default it verifies JWTs itself (RFC 9068 §4) with the keys that the server publishes. With `--introspect id:secret`
//! it asks the server about each token (RFC 7662), which works for opaque tokens too and sees a revocation at once.
//!
//! It speaks plain HTTP for the sake of brevity; for TLS, give `Http` another connector.

#[path = "resource_server/api.rs"]
pub mod api;
#[path = "resource_server/http.rs"]
pub mod http;
#[path = "resource_server/introspection.rs"]
pub mod introspection;
#[path = "resource_server/jwt.rs"]
pub mod jwt;
#[cfg(test)]
#[path = "resource_server/tests.rs"]
mod tests;

use api::{Api, serve};
use clap::Parser;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use url::Url;

/// A small API behind Pintle.
#[derive(Parser, Clone, Debug)]
pub struct Options {
    /// The issuer whose tokens are accepted.
    #[arg(long)]
    pub issuer: Url,
    /// What this API is called in `aud`.
    #[arg(long)]
    pub audience: String,
    /// A scope that every token must have.
    #[arg(long)]
    pub scope: Option<String>,
    /// Ask the server about each token, as this client (`id:secret`).
    #[arg(long)]
    pub introspect: Option<String>,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let api = Api::connect(&options).await.map_err(|refusal| format!("{}: {refusal:?}", options.issuer))?;
    let listener = TcpListener::bind(options.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, Arc::new(api)).await;
    Ok(())
}
