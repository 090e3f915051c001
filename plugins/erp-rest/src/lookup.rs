//! `[lookup.id]` and `[lookup.username]`: requests for one account.

use crate::api::{Api, body};
use crate::mapping::Mapping;
use crate::request::{Request, Slots};
use crate::select::{Condition, Path};
use pintle_plugin_api::fields::Fields;
use pintle_plugin_api::{Account, Call, PluginError};

/// Longer names are nobody's.
const MAX_CHARS: usize = 256;

/// One of the two.
#[derive(Debug)]
pub(crate) struct Lookup {
    request: Request,
    /// Where the account is, or several of which one is meant; without it, the answer is the account.
    account: Option<Path>,
    missing: Vec<Condition>,
    by: &'static str,
    ignore_case: bool,
}

impl Lookup {
    /// `by`: `id` or `username`, which is the slot too.
    pub(crate) fn parse(fields: &Fields<'_>, by: &'static str, ignore_case: bool) -> Self {
        let slots: &'static [&'static str] = if by == "id" { &["id"] } else { &["username"] };
        let request = Request::parse(fields, Slots { url: slots, body: slots });
        if !request.has(by) {
            fields.fault("path", format_args!("{{{by}}} is nowhere in the request"));
        }
        let mut missing: Vec<_> = fields.tables("missing").iter().map(Condition::parse).collect();
        if missing.is_empty() {
            missing.push(Condition::of_status(404));
        }
        Self { request, account: Path::of(fields, "account"), missing, by, ignore_case }
    }

    /// The account whose id or name is `value`: what a search finds beside it is not it.
    pub(crate) fn run(
        &self,
        api: &Api,
        mapping: &Mapping,
        call: &Call<'_>,
        value: &str,
    ) -> Result<Option<Account>, PluginError> {
        if is_nobody(value) {
            return Ok(None);
        }
        let Some(request) = api.fill(&self.request, &[(self.by, value)]) else { return Ok(None) };
        let answer = api.send(call, request)?;
        if self.missing.iter().any(|missing| missing.holds(&answer)) {
            return Ok(None);
        }
        let body = body(&answer)?;
        let objects = self.account.as_ref().map_or_else(|| vec![&body], |path| path.all(&body));
        let accounts = objects.into_iter().filter(|object| !object.is_null()).map(|object| mapping.account(object));
        let accounts = accounts.collect::<Result<Vec<_>, _>>()?;
        Ok(accounts.into_iter().find(|account| self.is_meant(account, value)))
    }

    fn is_meant(&self, account: &Account, value: &str) -> bool {
        match self.by {
            "id" => account.id == value,
            _ => account.username == value || (self.ignore_case && same_letters(&account.username, value)),
        }
    }
}

fn same_letters(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// No account has such a name or id, and some APIs take it for something else: nothing in a path is the list of all.
pub(crate) fn is_nobody(value: &str) -> bool {
    value.is_empty() || value.chars().count() > MAX_CHARS || value.chars().any(char::is_control)
}
