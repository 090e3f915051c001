//! A backend that is everything a backend can be, over a list of accounts in its config: what a test needs to say is
//! said by the names of users, claims and grants.

use pintle_plugin_api::{
    Accepted, Account, AccountChange, AccountSource, Attr, Call, Challenge, ClaimsSource, Directory, Event, EventSink,
    ExtensionGrant, ExtensionGranted, ExtensionOutcome, HeaderValue, HttpRequest, Manifest, Plugin, PluginError,
    SourcePage, UserVerifier, VerifyOutcome, VerifyRequest, config, export_plugin,
};

/// The grant type that it answers.
pub const GRANT_TYPE: &str = "urn:example:badge";

/// See the crate.
pub struct Kinds {
    /// Names of its users; the id of each is `id-<name>`.
    users: Vec<String>,
    /// Where it posts what it is told, and asks for passwords.
    url: Option<String>,
}

impl Plugin for Kinds {
    const WANTS: &'static [&'static str] = &["secrets", "http", "kv"];

    fn manifest() -> Manifest {
        Manifest::new::<Self>("kinds", env!("CARGO_PKG_VERSION"))
    }

    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        let table = config::table(config_json)?;
        let known = ["users", "url"];
        let unknown = table.keys().filter(|key| !known.contains(&key.as_str()));
        let faults: Vec<_> = unknown.map(|key| config::unknown_key(key, &known)).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let users = table.get("users").and_then(|users| users.as_array()).into_iter().flatten().filter_map(text);
        Ok(Self { users: users.collect(), url: table.get("url").and_then(text) })
    }
}

impl Kinds {
    fn account(&self, by: &str, value: &str) -> Option<Account> {
        let matches = |name: &&String| if by == "id" { format!("id-{name}") == value } else { *name == value };
        self.users.iter().find(matches).map(|name| account(name))
    }

    fn post(&self, call: &Call<'_>, body: &str) -> Result<u16, PluginError> {
        let url = self.url.clone().ok_or_else(|| PluginError::Unavailable("no url".to_owned()))?;
        let request = HttpRequest {
            method: "POST".to_owned(),
            url,
            headers: vec![("authorization".to_owned(), HeaderValue::Secret("Bearer {key}".to_owned()))],
            body: body.as_bytes().to_vec().into(),
            timeout_ms: 0,
        };
        Ok(call.host.http_send(&request)?.status)
    }
}

fn account(name: &str) -> Account {
    Account {
        id: format!("id-{name}"),
        username: name.to_owned(),
        groups: vec!["kinds".to_owned()],
        disabled: name.starts_with("disabled"),
        ..Account::default()
    }
}

impl UserVerifier for Kinds {
    /// The password is the secret `key`; of users whose name begins with `otp-` it is followed by the code `123456`.
    fn verify(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        if let ("otp", Some(state)) = (request.kind.as_str(), &request.state) {
            let account = std::str::from_utf8(state).ok().and_then(|name| self.account("username", name));
            return Ok(match account {
                Some(account) if *request.secret == b"123456" => accepted(account, &["pwd", "otp"]),
                _ => VerifyOutcome::Rejected("not the code".to_owned()),
            });
        }
        if request.kind != "password" {
            return Ok(VerifyOutcome::UnknownUser);
        }
        let Some(account) = request.username.as_deref().and_then(|name| self.account("username", name)) else {
            return Ok(VerifyOutcome::UnknownUser);
        };
        if *request.secret != *call.host.secret("key")? {
            return Ok(VerifyOutcome::Rejected("not the key".to_owned()));
        }
        if account.username.starts_with("otp-") {
            let (kind, state) = ("otp".to_owned(), account.username.into_bytes());
            return Ok(VerifyOutcome::Challenge(Challenge { kind, state, params_json: r#"{"digits":6}"#.to_owned() }));
        }
        Ok(accepted(account, &["pwd"]))
    }
}

fn accepted(account: Account, amr: &[&str]) -> VerifyOutcome {
    let amr = amr.iter().map(|method| (*method).to_owned()).collect();
    VerifyOutcome::Accepted(Accepted { account, amr, acr: None })
}

impl Directory for Kinds {
    fn lookup(&self, _call: &Call<'_>, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        if !matches!(by, "id" | "username") {
            return Err(PluginError::Invalid("by id or username".to_owned()));
        }
        Ok(self.account(by, value))
    }
}

impl ClaimsSource for Kinds {
    fn enrich(
        &self,
        _call: &Call<'_>,
        account: &Account,
        scopes: &[String],
        target: &str,
    ) -> Result<Vec<Attr>, PluginError> {
        let json = |value: serde_json::Value| value.to_string();
        Ok(vec![
            ("badge".to_owned(), json(account.id.as_str().into())),
            ("asked".to_owned(), json(scopes.join("+").into())),
            ("target".to_owned(), json(target.into())),
            ("sub".to_owned(), json("root".into())),
            ("pintle_family".to_owned(), json("none".into())),
        ])
    }
}

impl AccountSource for Kinds {
    /// The cursor is the number of accounts that were given.
    fn pull(&self, _call: &Call<'_>, cursor: Option<&str>, limit: u32) -> Result<SourcePage, PluginError> {
        let start = cursor.map_or(Ok(0), str::parse::<usize>);
        let start = start.map_err(|_| PluginError::Invalid("not a cursor of this source".to_owned()))?;
        let page: Vec<_> = self.users.iter().skip(start).take(limit as usize).collect();
        let end = start + page.len();
        let complete = end >= self.users.len();
        let changes = page.into_iter().map(|name| AccountChange::Upsert(account(name))).collect();
        Ok(SourcePage { changes, next: (!complete).then(|| end.to_string()), complete })
    }
}

impl EventSink for Kinds {
    fn deliver(&self, call: &Call<'_>, batch: &[Event]) -> Result<Vec<String>, PluginError> {
        let mut delivered = Vec::new();
        for event in batch {
            if self.post(call, &event.json)? == 200 {
                delivered.push(event.id.clone());
            }
        }
        Ok(delivered)
    }
}

impl ExtensionGrant for Kinds {
    fn grant_types(&self) -> Vec<String> {
        vec![GRANT_TYPE.to_owned()]
    }

    /// `badge=<user>` is all that it takes.
    fn exchange(&self, _call: &Call<'_>, grant_type: &str, params: &[Attr]) -> Result<ExtensionOutcome, PluginError> {
        if grant_type != GRANT_TYPE {
            return Err(PluginError::Invalid("another grant type".to_owned()));
        }
        let badge = params.iter().find(|(name, _)| name == "badge").map(|(_, value)| value.as_str());
        let refused = |code: &str, why: &str| ExtensionOutcome::OauthError((code.to_owned(), why.to_owned()));
        Ok(match badge {
            None => refused("invalid_request", "badge is missing"),
            Some(name) => match self.account("username", name) {
                None => refused("invalid_grant", "nobody has this badge"),
                Some(account) => ExtensionOutcome::Granted(ExtensionGranted {
                    account,
                    scopes: ["read", "write", "root"].map(str::to_owned).to_vec(),
                    claims_json: r#"{"badge_scheme":"test"}"#.to_owned(),
                }),
            },
        })
    }
}

export_plugin!(Kinds: user_verifier, directory, claims, account_source, event_sink, extension_grant);
