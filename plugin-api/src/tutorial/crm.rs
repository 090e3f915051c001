use pintle_plugin_api::fields::{Faults, Fields};
use pintle_plugin_api::{
    Accepted, Account, Attr, Call, ClaimsSource, Directory, HeaderValue, HttpRequest, HttpResponse, Manifest, Plugin,
    PluginError, ScopeDecision, ScopePolicy, ScopeQuery, UserVerifier, VerifyOutcome, VerifyRequest, config,
    export_plugin,
};
use std::collections::BTreeMap;

/// The users of a CRM.
pub struct Crm {
    timeout_ms: u32,
    /// How long what the CRM said of a user is good enough, in seconds.
    cache_s: u32,
    /// What a department's people may be granted.
    scopes: BTreeMap<String, Vec<String>>,
}

impl Plugin for Crm {
    const WANTS: &'static [&'static str] = &["http", "kv", "secrets"];

    fn manifest() -> Manifest {
        Manifest::new::<Self>("crm", env!("CARGO_PKG_VERSION"))
    }

    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        let (table, faults) = (config::table(config_json)?, Faults::default());
        let crm = Self::parse(&Fields::new(&table, &faults));
        faults.into_result(crm)
    }
}

impl Crm {
    fn parse(fields: &Fields<'_>) -> Self {
        let number = |key, range, otherwise| fields.integer(key, range).map_or(otherwise, |number| number as u32);
        Self {
            timeout_ms: number("timeout_ms", 100..=2_000, 1_000),
            cache_s: number("cache_s", 0..=3_600, 60),
            scopes: fields.tables("departments").iter().filter_map(department).collect(),
        }
    }

    /// `POST` of `body` as JSON.
    fn ask(&self, call: &Call<'_>, path: &str, body: &impl serde::Serialize) -> Result<HttpResponse, PluginError> {
        let body = serde_json::to_vec(body).map_err(|_| PluginError::Internal("a body is no JSON".to_owned()))?;
        call.host.http_send(&HttpRequest {
            method: "POST".to_owned(),
            url: path.to_owned(),
            headers: vec![
                ("authorization".to_owned(), HeaderValue::Secret("Bearer {api_key}".to_owned())),
                ("content-type".to_owned(), HeaderValue::Text("application/json".to_owned())),
            ],
            body: body.into(),
            timeout_ms: self.timeout_ms,
        })
    }

    fn find(&self, call: &Call<'_>, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        let answer = self.ask(call, "/find", &serde_json::json!({ by: value }))?;
        match answer.status {
            200 => account(&answer).map(Some),
            404 => Ok(None),
            status => Err(unexpected(status)),
        }
    }

    /// What was kept under `key`, or what `ask` says; that there is no such account is not kept.
    fn cached(
        &self,
        call: &Call<'_>,
        key: &str,
        ask: impl FnOnce() -> Result<Option<Account>, PluginError>,
    ) -> Result<Option<Account>, PluginError> {
        if let Ok(Some((json, _version))) = call.host.kv_get(key)
            && let Ok(account) = serde_json::from_slice(&json)
        {
            return Ok(Some(account));
        }
        let account = ask()?;
        if let Some(Ok(json)) = account.as_ref().map(serde_json::to_vec)
            && self.cache_s > 0
        {
            let _ = call.host.kv_put(key, &json, Some(self.cache_s), None);
        }
        Ok(account)
    }
}

/// Whose faults are named by their place: `departments[1].scopes[0]`.
fn department(fields: &Fields<'_>) -> Option<(String, Vec<String>)> {
    let name = fields.required_text("name", "the department's name in the CRM");
    let mut scopes = Vec::new();
    for (path, scope) in fields.list("scopes") {
        match scope.as_str() {
            Some(scope) => scopes.push(scope.to_owned()),
            None => fields.faults().add(&path, "expected a string"),
        }
    }
    Some((name?.to_owned(), scopes))
}

/// What a status means that the API does not give for a question.
fn unexpected(status: u16) -> PluginError {
    match status {
        // The operator's doing: trying again does not help.
        401 | 403 => PluginError::Denied("the CRM refuses the key".to_owned()),
        // The CRM's: it may help.
        429 | 500..=599 => PluginError::Unavailable(format!("the CRM answers {status}")),
        // Ours: it is another API than this was written for.
        _ => PluginError::Internal(format!("the CRM answers {status}")),
    }
}

#[derive(serde::Serialize)]
struct Login<'a> {
    login: &'a str,
    password: &'a str,
}

/// As the CRM describes one.
#[derive(serde::Deserialize)]
struct User {
    id: String,
    login: String,
    mail: Option<String>,
    department: Option<String>,
    active: bool,
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self {
            // It stays the same for as long as the user is the same one, whatever their name becomes.
            id: user.id,
            username: user.login,
            email: user.mail,
            disabled: !user.active,
            groups: user.department.into_iter().collect(),
            ..Self::default()
        }
    }
}

/// The account of an answer, without what it said in the error: that goes to a log.
fn account(answer: &HttpResponse) -> Result<Account, PluginError> {
    let user: Result<User, _> = serde_json::from_slice(&answer.body);
    user.map(Account::from).map_err(|_| PluginError::Internal("the CRM describes a user in another way".to_owned()))
}

impl UserVerifier for Crm {
    fn verify(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        let (Some(login), "password") = (request.username.as_deref(), request.kind.as_str()) else {
            return Ok(VerifyOutcome::UnknownUser);
        };
        let Ok(password) = std::str::from_utf8(&request.secret) else {
            return Ok(VerifyOutcome::Rejected("the password is not UTF-8".to_owned()));
        };
        let answer = self.ask(call, "/login", &Login { login, password })?;
        match answer.status {
            200 => accepted(account(&answer)?, login),
            404 => Ok(VerifyOutcome::UnknownUser),
            422 => Ok(VerifyOutcome::Rejected("the password is wrong".to_owned())),
            status => Err(unexpected(status)),
        }
    }
}

fn accepted(account: Account, login: &str) -> Result<VerifyOutcome, PluginError> {
    if account.username != login {
        return Ok(VerifyOutcome::UnknownUser);
    }
    if account.disabled {
        return Ok(VerifyOutcome::Rejected("the account is disabled".to_owned()));
    }
    Ok(VerifyOutcome::Accepted(Accepted { account, amr: vec!["pwd".to_owned()], acr: None }))
}

impl Directory for Crm {
    fn lookup(&self, call: &Call<'_>, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        let field = match by {
            "id" => "id",
            "username" => "login",
            _ => return Err(PluginError::Invalid("by is id or username".to_owned())),
        };
        let account = self.cached(call, &format!("{by}/{value}"), || self.find(call, field, value))?;
        // Who was asked for and nobody similar.
        Ok(account.filter(|account| value == if by == "id" { &account.id } else { &account.username }))
    }
}

impl ScopePolicy for Crm {
    fn evaluate(&self, _call: &Call<'_>, query: &ScopeQuery) -> Result<ScopeDecision, PluginError> {
        let departments = query.account.iter().flat_map(|account| &account.groups);
        let allowed: Vec<&String> = departments.filter_map(|name| self.scopes.get(name)).flatten().collect();
        let granted: Vec<String> = query.requested.iter().filter(|scope| allowed.contains(scope)).cloned().collect();
        // Whoever administers has proven more than a password, and does so for ten minutes.
        let admin = granted.iter().any(|scope| scope == "admin");
        let require = if admin { vec!["otp".to_owned()] } else { Vec::new() };
        Ok(ScopeDecision { granted, require, max_ttl_s: admin.then_some(600) })
    }
}

impl ClaimsSource for Crm {
    fn enrich(
        &self,
        _call: &Call<'_>,
        account: &Account,
        _scopes: &[String],
        _target: &str,
    ) -> Result<Vec<Attr>, PluginError> {
        let department = account.groups.first();
        let claim = |name: &String| ("department".to_owned(), serde_json::Value::from(name.as_str()).to_string());
        Ok(department.map(claim).into_iter().collect())
    }
}

export_plugin!(Crm: user_verifier, directory, scope_policy, claims);
