//! Users of a Tryton server: their passwords checked live, their accounts looked up and listed.

mod config;
mod rpc;
mod source;
mod user;

use config::Config;
use pintle_plugin_api::{
    Accepted, Account, AccountSource, Call, Directory, Manifest, Plugin, PluginError, SourcePage, UserVerifier,
    VerifyOutcome, VerifyRequest, export_plugin,
};
use rpc::{Rpc, malformed};

/// The plugin.
pub struct Tryton {
    rpc: Rpc,
}

impl Plugin for Tryton {
    const WANTS: &'static [&'static str] = &["http", "secrets"];

    fn manifest() -> Manifest {
        Manifest::new::<Self>("erp-tryton", env!("CARGO_PKG_VERSION"))
    }

    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        Ok(Self { rpc: Rpc::new(Config::parse(config_json)?) })
    }

    /// Whether Tryton answers the service user.
    fn health(&self, call: &Call<'_>) -> Result<(), PluginError> {
        user::search(&self.rpc, call, &serde_json::json!([]), 1).map(drop)
    }
}

impl UserVerifier for Tryton {
    /// Tryton answers an unknown name as it answers a wrong password, and slows down by name: a name is looked up first,
    /// so that Tryton never sees one that is another backend's, nor its password.
    fn verify(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        let Some(name) = request.username.as_deref().filter(|_| request.kind == "password") else {
            return Ok(VerifyOutcome::UnknownUser);
        };
        let Some(user) = user::by_login(&self.rpc, call, name)? else { return Ok(VerifyOutcome::UnknownUser) };
        let rejected = |why: &str| Ok(VerifyOutcome::Rejected(why.to_owned()));
        if !user.active() {
            return rejected("the user is deactivated in Tryton");
        }
        let Ok(password) = std::str::from_utf8(&request.secret) else { return rejected("the password is not UTF-8") };
        if password.is_empty() {
            return rejected("the password is empty");
        }
        let Some(session) = self.rpc.login(call, name, password)? else { return rejected("the password is wrong") };
        self.rpc.logout(call, &session);
        if session.user != user.id {
            return Err(malformed("it logged another user in"));
        }
        let account = user.into_account(self.rpc.config());
        Ok(VerifyOutcome::Accepted(Accepted { account, amr: vec!["pwd".to_owned()], acr: None }))
    }
}

impl Directory for Tryton {
    fn lookup(&self, call: &Call<'_>, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        let found = match by {
            "id" => user::by_id(&self.rpc, call, value)?,
            "username" => user::by_login(&self.rpc, call, value)?,
            _ => return Err(PluginError::Invalid("by is id or username".to_owned())),
        };
        Ok(found.map(|user| user.into_account(self.rpc.config())))
    }
}

impl AccountSource for Tryton {
    fn pull(&self, call: &Call<'_>, cursor: Option<&str>, limit: u32) -> Result<SourcePage, PluginError> {
        source::pull(&self.rpc, call, cursor, limit)
    }
}

export_plugin!(Tryton: user_verifier, directory, account_source);

#[cfg(test)]
mod tests;
