//! Verifies users against the core's own account table. Hashing, its cost for unknown names, and rehashing stay in the
//! server, behind the host interface `accounts`.

use pintle_plugin_api::{
    Accepted, AccountVerdict, Call, Manifest, Plugin, PluginError, UserVerifier, VerifyOutcome, VerifyRequest, config,
    export_plugin,
};

/// The plugin; it has no options.
pub struct Accounts;

impl Plugin for Accounts {
    const WANTS: &'static [&'static str] = &["accounts"];

    fn manifest() -> Manifest {
        Manifest::new::<Self>("accounts", env!("CARGO_PKG_VERSION"))
    }

    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        config::takes_nothing(config_json)?;
        Ok(Self)
    }
}

impl UserVerifier for Accounts {
    fn verify(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        // A proof of another kind, or one without a name, says nothing about any user of the table.
        if request.kind != "password" {
            return Ok(VerifyOutcome::UnknownUser);
        }
        let Some(username) = &request.username else { return Ok(VerifyOutcome::UnknownUser) };
        Ok(match call.host.account_verify(username, &request.secret)? {
            AccountVerdict::Accepted(account) if account.disabled => rejected(),
            AccountVerdict::Accepted(account) => {
                VerifyOutcome::Accepted(Accepted { account, amr: vec!["pwd".to_owned()], acr: None })
            }
            AccountVerdict::Rejected => rejected(),
            AccountVerdict::UnknownUser => VerifyOutcome::UnknownUser,
        })
    }
}

fn rejected() -> VerifyOutcome {
    VerifyOutcome::Rejected("wrong password or disabled account".to_owned())
}

export_plugin!(Accounts: user_verifier);

#[cfg(test)]
mod tests;
