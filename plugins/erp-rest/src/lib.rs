//! Users of a REST API, by mapping: which request checks a password, finds or lists accounts, and where in its answer what
//! is.

mod api;
mod auth;
mod list;
mod lookup;
mod mapping;
mod paging;
mod request;
mod select;
mod template;
mod verify;

use api::Api;
use list::List;
use lookup::{Lookup, is_nobody};
use mapping::Mapping;
use pintle_plugin_api::fields::{Faults, Fields};
use pintle_plugin_api::{
    Accepted, Account, AccountSource, Call, Directory, Manifest, Plugin, PluginError, SourcePage, UserVerifier,
    VerifyOutcome, VerifyRequest, config, export_plugin,
};
use verify::{Verdict, Verify};

/// The plugin.
pub struct Rest {
    api: Api,
    mapping: Mapping,
    verify: Option<Verify>,
    by_id: Option<Lookup>,
    by_username: Option<Lookup>,
    list: Option<List>,
}

impl Plugin for Rest {
    const WANTS: &'static [&'static str] = &["http", "secrets"];

    fn manifest() -> Manifest {
        Manifest::new::<Self>("erp-rest", env!("CARGO_PKG_VERSION"))
    }

    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        let (table, faults) = (config::table(config_json)?, Faults::default());
        let plugin = Self::parse(&Fields::new(&table, &faults));
        // A table `account` that is missing is a fault, so that the plugin is there when there is none.
        faults.into_result(plugin)?.ok_or_else(|| vec!["account: missing".to_owned()])
    }
}

impl Rest {
    fn parse(fields: &Fields<'_>) -> Option<Self> {
        let ignore_case = fields.boolean("ignore_case").unwrap_or(false);
        let api = Api::parse(fields);
        fields.require("account", "a table of where an account's fields are");
        let mapping = fields.table("account").map(|fields| Mapping::parse(&fields));
        let verify = fields.table("verify").map(|fields| Verify::parse(&fields));
        let (mut by_id, mut by_username) = (None, None);
        if let Some(lookup) = fields.table("lookup") {
            by_id = lookup.table("id").map(|fields| Lookup::parse(&fields, "id", false));
            by_username = lookup.table("username").map(|fields| Lookup::parse(&fields, "username", ignore_case));
        }
        let list = fields.table("list").map(|fields| List::parse(&fields));
        if let Some(verify) = verify.as_ref().filter(|_| by_username.is_none()) {
            if verify.lookup_first {
                fields.fault("lookup.username", "missing; verify.lookup_first needs it");
            } else if !verify.has_account() {
                fields.fault("verify.account", "missing; without it, lookup.username says who has logged in");
            }
        }
        Some(Self { api, mapping: mapping?, verify, by_id, by_username, list })
    }

    fn by_username(&self, call: &Call<'_>, username: &str) -> Result<Option<Account>, PluginError> {
        let lookup = self.by_username.as_ref().ok_or_else(|| lacks("lookup.username"))?;
        lookup.run(&self.api, &self.mapping, call, username)
    }
}

/// The operator uses the plugin as a kind that its config does not describe.
fn lacks(table: &str) -> PluginError {
    PluginError::Denied(format!("the plugin's config has no {table}"))
}

impl UserVerifier for Rest {
    fn verify(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        let verify = self.verify.as_ref().ok_or_else(|| lacks("verify"))?;
        let name = request.username.as_deref().filter(|name| request.kind == "password" && !is_nobody(name));
        let Some(name) = name else { return Ok(VerifyOutcome::UnknownUser) };
        let rejected = |why: &str| Ok(VerifyOutcome::Rejected(why.to_owned()));
        let mut known = None;
        if verify.lookup_first {
            known = self.by_username(call, name)?;
            match &known {
                None => return Ok(VerifyOutcome::UnknownUser),
                Some(account) if account.disabled => return rejected("the account is disabled"),
                Some(_) => {}
            }
        }
        let Ok(password) = std::str::from_utf8(&request.secret) else { return rejected("the password is not UTF-8") };
        if password.is_empty() {
            return rejected("the password is empty");
        }
        let account = match verify.run(&self.api, &self.mapping, call, name, password)? {
            Verdict::Accepted(account) => account.or(known),
            Verdict::Rejected(why) => return rejected(why),
            Verdict::Unknown => return Ok(VerifyOutcome::UnknownUser),
        };
        let account = match account {
            Some(account) => account,
            None => self.by_username(call, name)?.ok_or_else(|| {
                PluginError::Internal("the API accepts a password and does not know whose it is".to_owned())
            })?,
        };
        if account.disabled {
            return rejected("the account is disabled");
        }
        Ok(VerifyOutcome::Accepted(Accepted { account, amr: vec!["pwd".to_owned()], acr: None }))
    }
}

impl Directory for Rest {
    fn lookup(&self, call: &Call<'_>, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        match by {
            "id" => {
                let lookup = self.by_id.as_ref().ok_or_else(|| lacks("lookup.id"))?;
                lookup.run(&self.api, &self.mapping, call, value)
            }
            "username" => self.by_username(call, value),
            _ => Err(PluginError::Invalid("by is id or username".to_owned())),
        }
    }
}

impl AccountSource for Rest {
    fn pull(&self, call: &Call<'_>, cursor: Option<&str>, limit: u32) -> Result<SourcePage, PluginError> {
        let list = self.list.as_ref().ok_or_else(|| lacks("list"))?;
        list.pull(&self.api, &self.mapping, call, cursor, limit)
    }
}

export_plugin!(Rest: user_verifier, directory, account_source);

#[cfg(test)]
mod tests;
