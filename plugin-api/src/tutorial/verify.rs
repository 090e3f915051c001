//! Asking the CRM: the verifier, HTTP, secrets, and errors whose fault is told apart.
//!
//! # A request
//!
//! [`Host::http_send`](crate::Host::http_send) goes to the origins that the operator granted and nowhere else. The key stands in
//! a header as [`HeaderValue::Secret`](crate::HeaderValue::Secret): the host puts the secret in for `{api_key}`, and the plugin
//! never sees it. ([`Host::secret`](crate::Host::secret) gives a secret itself, for what has to compute with it, such as a
//! signature.) A body is wiped when it is dropped; that of a login holds a password.
//!
//! Every status is an answer. What the API documents is decided where it is asked; the rest goes to one place:
//!
//! ```
//! use pintle_plugin_api::{Call, HeaderValue, HttpRequest, HttpResponse, PluginError};
//!
//! # pub struct Crm { timeout_ms: u32 }
//! impl Crm {
//!     /// `POST` of `body` as JSON.
//!     fn ask(&self, call: &Call<'_>, path: &str, body: &impl serde::Serialize) -> Result<HttpResponse, PluginError> {
//!         let body = serde_json::to_vec(body).map_err(|_| PluginError::Internal("a body is no JSON".to_owned()))?;
//!         call.host.http_send(&HttpRequest {
//!             method: "POST".to_owned(),
//!             url: path.to_owned(),
//!             headers: vec![
//!                 ("authorization".to_owned(), HeaderValue::Secret("Bearer {api_key}".to_owned())),
//!                 ("content-type".to_owned(), HeaderValue::Text("application/json".to_owned())),
//!             ],
//!             body: body.into(),
//!             timeout_ms: self.timeout_ms,
//!         })
//!     }
//! }
//!
//! /// What a status means that the API does not give for a question.
//! fn unexpected(status: u16) -> PluginError {
//!     match status {
//!         // The operator's doing: trying again does not help.
//!         401 | 403 => PluginError::Denied("the CRM refuses the key".to_owned()),
//!         // The CRM's: it may help.
//!         429 | 500..=599 => PluginError::Unavailable(format!("the CRM answers {status}")),
//!         // Ours: it is another API than this was written for.
//!         _ => PluginError::Internal(format!("the CRM answers {status}")),
//!     }
//! }
//!
//! # use pintle_plugin_api::{CallContext, testing::FakeHost};
//! // Without a network, as in an entry without `network`, the answer is `denied`.
//! let call = Call { context: &CallContext::default(), host: &FakeHost::default() };
//! let answer = Crm { timeout_ms: 1_000 }.ask(&call, "/find", &serde_json::json!({ "id": "17" }));
//! assert!(matches!(answer, Err(PluginError::Denied(_))));
//! assert!(matches!(unexpected(503), PluginError::Unavailable(_)));
//! ```
//!
//! # The verifier
//!
//! Three answers mean three things. *Unknown* lets the next backend be asked, so a plugin says it of whoever is not its own,
//! and of proofs that it does not know. *Rejected* ends the login: it is our user, and the proof is wrong. *Accepted* names
//! the account. An account is who was typed and nobody similar: where the CRM trims names or ignores case, the comparison
//! below keeps one user under one name, in the audit log and in the lockout.
//!
//! ```
//! use pintle_plugin_api::{
//!     Accepted, Account, Call, HttpResponse, PluginError, UserVerifier, VerifyOutcome, VerifyRequest,
//! };
//! # use pintle_plugin_api::{CallContext, HttpRequest, testing::FakeHost};
//!
//! #[derive(serde::Serialize)]
//! struct Login<'a> {
//!     login: &'a str,
//!     password: &'a str,
//! }
//!
//! /// As the CRM describes one.
//! #[derive(serde::Deserialize)]
//! struct User {
//!     id: String,
//!     login: String,
//!     mail: Option<String>,
//!     department: Option<String>,
//!     active: bool,
//! }
//!
//! impl From<User> for Account {
//!     fn from(user: User) -> Self {
//!         Self {
//!             // It stays the same for as long as the user is the same one, whatever their name becomes.
//!             id: user.id,
//!             username: user.login,
//!             email: user.mail,
//!             disabled: !user.active,
//!             groups: user.department.into_iter().collect(),
//!             ..Self::default()
//!         }
//!     }
//! }
//!
//! /// The account of an answer, without what it said in the error: that goes to a log.
//! fn account(answer: &HttpResponse) -> Result<Account, PluginError> {
//!     let user: Result<User, _> = serde_json::from_slice(&answer.body);
//!     user.map(Account::from).map_err(|_| PluginError::Internal("the CRM describes a user in another way".to_owned()))
//! }
//!
//! # pub struct Crm;
//! # impl Crm {
//! #     fn ask(&self, call: &Call<'_>, path: &str, body: &impl serde::Serialize) -> Result<HttpResponse, PluginError> {
//! #         let body = serde_json::to_vec(body).unwrap().into();
//! #         call.host.http_send(&HttpRequest { url: path.to_owned(), body, ..HttpRequest::default() })
//! #     }
//! # }
//! # fn unexpected(status: u16) -> PluginError { PluginError::Unavailable(status.to_string()) }
//! impl UserVerifier for Crm {
//!     fn verify(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
//!         let (Some(login), "password") = (request.username.as_deref(), request.kind.as_str()) else {
//!             return Ok(VerifyOutcome::UnknownUser);
//!         };
//!         let Ok(password) = std::str::from_utf8(&request.secret) else {
//!             return Ok(VerifyOutcome::Rejected("the password is not UTF-8".to_owned()));
//!         };
//!         let answer = self.ask(call, "/login", &Login { login, password })?;
//!         match answer.status {
//!             200 => accepted(account(&answer)?, login),
//!             404 => Ok(VerifyOutcome::UnknownUser),
//!             422 => Ok(VerifyOutcome::Rejected("the password is wrong".to_owned())),
//!             status => Err(unexpected(status)),
//!         }
//!     }
//! }
//!
//! fn accepted(account: Account, login: &str) -> Result<VerifyOutcome, PluginError> {
//!     if account.username != login {
//!         return Ok(VerifyOutcome::UnknownUser);
//!     }
//!     if account.disabled {
//!         return Ok(VerifyOutcome::Rejected("the account is disabled".to_owned()));
//!     }
//!     Ok(VerifyOutcome::Accepted(Accepted { account, amr: vec!["pwd".to_owned()], acr: None }))
//! }
//!
//! # fn main() {
//! let ann = br#"{"id": "17", "login": "ann", "department": "sales", "active": true}"#;
//! let host = FakeHost::default().with_network(|request| {
//!     assert_eq!(request.url, "/login");
//!     Ok(HttpResponse { status: 200, body: ann.to_vec(), ..HttpResponse::default() })
//! });
//! let call = Call { context: &CallContext::default(), host: &host };
//! let request = |name: &str| VerifyRequest {
//!     username: Some(name.to_owned()),
//!     kind: "password".to_owned(),
//!     secret: b"correct horse".to_vec().into(),
//!     ..VerifyRequest::default()
//! };
//! let Ok(VerifyOutcome::Accepted(accepted)) = Crm.verify(&call, &request("ann")) else { panic!("ann is accepted") };
//! assert_eq!((accepted.account.id.as_str(), accepted.account.groups), ("17", vec!["sales".to_owned()]));
//! // A CRM that ignores case answers for `ANN`, too.
//! assert_eq!(Crm.verify(&call, &request("ANN")), Ok(VerifyOutcome::UnknownUser));
//! # }
//! ```
//!
//! # Whose fault it is
//!
//! [`PluginError`](crate::PluginError) is what a plugin says. None of them ever means "accept", and a login that meets one is a
//! 503, or goes on to the next backend where the operator's chain says `on_error = "next"`.
//!
//! | Error | Say it when | What else comes of it |
//! |---|---|---|
//! | `Unavailable` | trying again later may help | a directory's last answer may stand in (`stale`); an event comes again |
//! | `Invalid` | what was asked makes no sense to the plugin | an event sink's event is given up; a sync begins anew without its cursor |
//! | `Denied` | the operator has not granted what it takes | |
//! | `Internal` | it is the plugin's fault, or the API's | |
//!
//! A user that does not exist and a password that is wrong are no errors, they are answers.
//!
//! The host adds what the plugin cannot say of itself. Within the server a call that ended without an answer is a `CallError`:
//! the error, and whose doing it was. The audit log and the metrics have the second:
//!
//! | Fault | Whose doing |
//! |---|---|
//! | `error` | the plugin said so, by one of the four, or gave something that is no answer |
//! | `timed-out` | it had not answered within its wall or CPU time: [`CallContext::deadline_ms`](crate::CallContext) says what is left |
//! | `trapped` | it panicked, ran out of memory, or broke its instance otherwise |
//! | `overloaded` | it was not called: too many calls at once, by `limits.concurrency` and `limits.queue` |
//!
//! So a plugin need not catch its own panics, and must not answer an outage by a rejection: that would keep a user from the
//! next backend. Hand the host's errors on with `?`:
//!
//! ```
//! use pintle_plugin_api::testing::FakeHost;
//! use pintle_plugin_api::{Host, PluginError};
//!
//! fn key_length(host: &dyn Host) -> Result<usize, PluginError> {
//!     Ok(host.secret("api_key")?.len())
//! }
//!
//! let host = FakeHost::default().with_secret("api_key", "s3cret");
//! assert_eq!(key_length(&host), Ok(6));
//! // A name that the entry's `secrets` does not have.
//! assert!(matches!(key_length(&FakeHost::default()), Err(PluginError::Denied(_))));
//! let busy = PluginError::Unavailable("busy".to_owned());
//! assert_eq!(key_length(&host.failing(busy.clone())), Err(busy));
//! ```
