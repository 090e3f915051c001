//! `[verify]`: the request that says whether a password is right.

use crate::api::Api;
use crate::auth::basic;
use crate::mapping::Mapping;
use crate::request::{Request, Slots};
use crate::select::{Condition, Path};
use pintle_plugin_api::fields::Fields;
use pintle_plugin_api::{Account, Call, HttpResponse, PluginError};
use serde_json::Value;

const OUTCOMES: [&str; 4] = ["accepted", "rejected", "unknown", "disabled"];

/// See the module.
#[derive(Debug)]
pub(crate) struct Verify {
    request: Request,
    /// Who is named in the request's header.
    by: By,
    /// Ask who it is first, where the API tells an unknown name from a wrong password no other way.
    pub(crate) lookup_first: bool,
    outcomes: Vec<(Outcome, Condition)>,
    /// Where the account is in the answer that accepts.
    account: Option<Path>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Plugin,
    User,
    Nobody,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Accepted,
    Rejected,
    Unknown,
    Disabled,
}

/// What the API says of a name and a password.
pub(crate) enum Verdict {
    /// With the account, where the answer has it.
    Accepted(Option<Account>),
    Rejected(&'static str),
    Unknown,
}

impl Verify {
    pub(crate) fn parse(fields: &Fields<'_>) -> Self {
        let request = Request::parse(fields, Slots { url: &["username"], body: &["username", "password"] });
        let by = match fields.one_of("auth", &["plugin", "user", "none"]) {
            Some("user") => By::User,
            Some("none") => By::Nobody,
            _ => By::Plugin,
        };
        if by != By::User && !(request.has("username") && request.has("password")) {
            let why = "{username} and {password} are not both in the request; a password stands in form or json";
            fields.fault("path", format_args!("{why}, or is sent by HTTP Basic with auth = \"user\""));
        }
        fields.require("outcomes", "a list of what answers mean; the first that fits counts");
        let outcomes: Vec<_> = fields.tables("outcomes").iter().filter_map(outcome).collect();
        if !outcomes.iter().any(|(outcome, _)| *outcome == Outcome::Accepted) {
            fields.fault("outcomes", "none of them is \"accepted\"");
        }
        let lookup_first = fields.boolean("lookup_first").unwrap_or(false);
        Self { request, by, lookup_first, outcomes, account: Path::of(fields, "account") }
    }

    pub(crate) const fn has_account(&self) -> bool {
        self.account.is_some()
    }

    /// `username` and `password` are not empty.
    pub(crate) fn run(
        &self,
        api: &Api,
        mapping: &Mapping,
        call: &Call<'_>,
        username: &str,
        password: &str,
    ) -> Result<Verdict, PluginError> {
        let authorization = match self.by {
            By::Plugin => api.new_authorization(call)?,
            By::Nobody => None,
            // RFC 7617 §2: the name ends at the first colon, so that this would be somebody else with another password.
            By::User if username.contains(':') => return Ok(Verdict::Unknown),
            By::User => Some(basic(username.as_bytes(), password.as_bytes())),
        };
        let values = [("username", username), ("password", password)];
        let Some(request) = api.fill(&self.request, &values) else { return Ok(Verdict::Unknown) };
        let answer = api.send_with(call, request, authorization)?;
        let fits = self.outcomes.iter().find(|(_, condition)| condition.holds(&answer));
        Ok(match fits.map(|(outcome, _)| outcome) {
            Some(Outcome::Accepted) => Verdict::Accepted(self.account(mapping, &answer)?),
            Some(Outcome::Rejected) => Verdict::Rejected("the password is wrong"),
            Some(Outcome::Disabled) => Verdict::Rejected("the account is disabled"),
            Some(Outcome::Unknown) => Verdict::Unknown,
            None => {
                let why = format!("an answer with the status {} fits none of verify.outcomes", answer.status);
                return Err(PluginError::Unavailable(why));
            }
        })
    }

    fn account(&self, mapping: &Mapping, answer: &HttpResponse) -> Result<Option<Account>, PluginError> {
        let Some(path) = &self.account else { return Ok(None) };
        let body: Value = serde_json::from_slice(&answer.body)
            .map_err(|_| PluginError::Internal("the answer that accepts is not JSON".to_owned()))?;
        match path.all(&body).as_slice() {
            [one] => mapping.account(one).map(Some),
            found => Err(PluginError::Internal(format!("verify.account leads to {} accounts", found.len()))),
        }
    }
}

fn outcome(fields: &Fields<'_>) -> Option<(Outcome, Condition)> {
    fields.require("outcome", "what such an answer means");
    let outcome = match fields.one_of("outcome", &OUTCOMES) {
        Some("accepted") => Some(Outcome::Accepted),
        Some("rejected") => Some(Outcome::Rejected),
        Some("unknown") => Some(Outcome::Unknown),
        Some("disabled") => Some(Outcome::Disabled),
        _ => None,
    };
    let condition = Condition::parse(fields);
    let success = |status: &u16| (200..400).contains(status);
    let sound = !condition.statuses.is_empty() && condition.statuses.iter().all(success);
    if outcome == Some(Outcome::Accepted) && !sound {
        fields.fault("status", "accepted needs a status, each of it from 200 to 399");
    }
    Some((outcome?, condition))
}
