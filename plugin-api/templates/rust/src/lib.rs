//! Verifies users by the list in the plugin's config.

use pintle_plugin_api::fields::{Faults, Fields};
use pintle_plugin_api::{
    Accepted, Account, Call, Manifest, Plugin, PluginError, UserVerifier, VerifyOutcome, VerifyRequest, config,
    export_plugin,
};

/// The plugin: `users` of its config.
pub struct Backend {
    users: Vec<User>,
}

struct User {
    name: String,
    /// An Argon2 PHC string.
    password_hash: String,
    disabled: bool,
}

impl Plugin for Backend {
    const WANTS: &'static [&'static str] = &["crypto"];

    fn manifest() -> Manifest {
        Manifest::new::<Self>(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
    }

    /// Every fault of the config is named with its key; unknown keys are faults too.
    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        let (table, faults) = (config::table(config_json)?, Faults::default());
        let users = {
            let fields = Fields::new(&table, &faults);
            fields.tables("users").iter().filter_map(User::read).collect()
        };
        faults.into_result(Self { users })
    }
}

impl User {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        let name = fields.required_text("name", "the user's login name");
        let password_hash = fields.required_text("password_hash", "an Argon2 PHC string");
        let disabled = fields.boolean("disabled").unwrap_or_default();
        Some(Self { name: name?.to_owned(), password_hash: password_hash?.to_owned(), disabled })
    }
}

impl UserVerifier for Backend {
    /// Who is not in the list is somebody else's: the next backend is asked. A wrong password is nobody else's.
    fn verify(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        let user = self.users.iter().find(|user| Some(&user.name) == request.username.as_ref());
        let Some(user) = user.filter(|_| request.kind == "password") else {
            return Ok(VerifyOutcome::UnknownUser);
        };
        // The server hashes; a password never gets into the log.
        if !call.host.password_verify(&user.password_hash, &request.secret)? {
            return Ok(VerifyOutcome::Rejected("wrong password".to_owned()));
        }
        if user.disabled {
            return Ok(VerifyOutcome::Rejected("disabled".to_owned()));
        }
        // `id` must stay the same for as long as the user is the same one.
        let account = Account { id: user.name.clone(), username: user.name.clone(), ..Account::default() };
        Ok(VerifyOutcome::Accepted(Accepted { account, amr: vec!["pwd".to_owned()], acr: None }))
    }
}

export_plugin!(Backend: user_verifier);

#[cfg(test)]
mod tests;
