//! An appliance with Pintle inside: its own user table, no plugin file, no other process.
//!
//! ```text
//! cargo run --example embedded -- pintle.toml
//! ```
//!
//! The configuration's `[users] chain` names `appliance`, which is [`Appliance`] below.

use async_trait::async_trait;
use pintle::app::Builder;
use pintle::config::{self, LoadOptions};
use pintle::http::listener::Server;
use pintle::plugin::{CallError, UserVerifier};
use pintle_plugin_api::{Accepted, Account, CallContext, VerifyOutcome, VerifyRequest};
use std::error::Error;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Who may use the appliance: whoever has the code on its label.
struct Appliance {
    code: Vec<u8>,
}

#[async_trait]
impl UserVerifier for Appliance {
    async fn verify(&self, _call: &CallContext, request: VerifyRequest) -> Result<VerifyOutcome, CallError> {
        if request.username.as_deref() != Some("owner") {
            return Ok(VerifyOutcome::UnknownUser);
        }
        if !bool::from(request.secret.ct_eq(&self.code)) {
            return Ok(VerifyOutcome::Rejected("not the code on the label".to_owned()));
        }
        let account = Account { id: "1".to_owned(), username: "owner".to_owned(), ..Account::default() };
        Ok(VerifyOutcome::Accepted(Accepted { account, amr: vec!["pin".to_owned()], acr: None }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).ok_or("usage: embedded <configuration>")?;
    let embedded = vec!["appliance".to_owned()];
    let environment = std::env::vars().filter(|(name, _)| name.starts_with("PINTLE_")).collect();
    let loaded = config::load(&LoadOptions { file: Some(file.into()), overlays: vec![], environment, embedded })?;

    let owner = Arc::new(Appliance { code: b"4711-0815".to_vec() });
    let app = Builder::new(loaded.config).user_verifier("appliance", owner).build().await?;
    let app = Arc::new(app);
    let server = Server::bind(&app.config().listen, None, app.core().entropy.clone())?;
    println!("listening on {:?}", server.addresses());
    tokio::spawn(app.clone().upkeep());
    app.serve(server, async { drop(tokio::signal::ctrl_c().await) }).await;
    Ok(())
}
