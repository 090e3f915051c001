//! More kinds: the directory, a scope policy, claims.
//!
//! One plugin may be several kinds. Each is a trait, a name in `export_plugin!` and one in `plugin.toml`; the operator's
//! configuration says which of them are used.
//!
//! # The directory
//!
//! A verifier that is a directory as well lets the core find out at every refresh whether the account is still there and
//! enabled. By `id` and by `username` it has to find the same account; another `by` is `Invalid`. `None` ends what the user was
//! given, so it is never the answer to an outage.
//!
//! ```
//! use pintle_plugin_api::{Account, Call, Directory, HttpResponse, PluginError};
//! # use pintle_plugin_api::{CallContext, HttpRequest, testing::FakeHost};
//! # pub struct Crm;
//! # impl Crm {
//! #     fn ask(&self, call: &Call<'_>, path: &str, body: &impl serde::Serialize) -> Result<HttpResponse, PluginError> {
//! #         let body = serde_json::to_vec(body).unwrap().into();
//! #         call.host.http_send(&HttpRequest { url: path.to_owned(), body, ..HttpRequest::default() })
//! #     }
//! # }
//! # fn unexpected(status: u16) -> PluginError { PluginError::Unavailable(status.to_string()) }
//! # fn account(answer: &HttpResponse) -> Result<Account, PluginError> {
//! #     let id = String::from_utf8_lossy(&answer.body).into_owned();
//! #     Ok(Account { username: id.clone(), id, ..Account::default() })
//! # }
//! impl Directory for Crm {
//!     fn lookup(&self, call: &Call<'_>, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
//!         let question = match by {
//!             "id" => serde_json::json!({ "id": value }),
//!             "username" => serde_json::json!({ "login": value }),
//!             _ => return Err(PluginError::Invalid("by is id or username".to_owned())),
//!         };
//!         let answer = self.ask(call, "/find", &question)?;
//!         match answer.status {
//!             200 => {
//!                 let account = account(&answer)?;
//!                 // Who was asked for and nobody similar.
//!                 let found = if by == "id" { &account.id } else { &account.username };
//!                 Ok((found == value).then_some(account))
//!             }
//!             404 => Ok(None),
//!             status => Err(unexpected(status)),
//!         }
//!     }
//! }
//!
//! # fn main() {
//! # let host = FakeHost::default().with_network(|_| {
//! #     Ok(HttpResponse { status: 200, body: b"17".to_vec(), ..HttpResponse::default() })
//! # });
//! # let call = Call { context: &CallContext::default(), host: &host };
//! assert!(Crm.lookup(&call, "id", "17").unwrap().is_some());
//! assert!(Crm.lookup(&call, "id", "17 ").unwrap().is_none());
//! assert!(matches!(Crm.lookup(&call, "mail", "ann@example.com"), Err(PluginError::Invalid(_))));
//! # }
//! ```
//!
//! # A scope policy
//!
//! What was requested is what the client may have already; a policy narrows it further, for this user. The core intersects
//! once more, so that no mistake here can widen anything. `account` is none for a client of its own
//! (`client_credentials`). `require` names ways of logging in (RFC 8176) without which the core refuses, and `max_ttl_s`
//! bounds the access token's life.
//!
//! ```
//! use pintle_plugin_api::{Call, PluginError, ScopeDecision, ScopePolicy, ScopeQuery};
//! # use pintle_plugin_api::{Account, CallContext, testing::FakeHost};
//! # use std::collections::BTreeMap;
//! # pub struct Crm { scopes: BTreeMap<String, Vec<String>> }
//!
//! impl ScopePolicy for Crm {
//!     fn evaluate(&self, _call: &Call<'_>, query: &ScopeQuery) -> Result<ScopeDecision, PluginError> {
//!         let departments = query.account.iter().flat_map(|account| &account.groups);
//!         let allowed: Vec<&String> = departments.filter_map(|name| self.scopes.get(name)).flatten().collect();
//!         let granted: Vec<String> =
//!             query.requested.iter().filter(|scope| allowed.contains(scope)).cloned().collect();
//!         // Whoever administers has proven more than a password, and does so for ten minutes.
//!         let admin = granted.iter().any(|scope| scope == "admin");
//!         let require = if admin { vec!["otp".to_owned()] } else { Vec::new() };
//!         Ok(ScopeDecision { granted, require, max_ttl_s: admin.then_some(600) })
//!     }
//! }
//!
//! # fn main() {
//! # let host = FakeHost::default();
//! # let call = Call { context: &CallContext::default(), host: &host };
//! let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
//! let crm = Crm { scopes: BTreeMap::from([("sales".to_owned(), names(&["orders", "admin"]))]) };
//! let ann = Account { id: "17".to_owned(), groups: names(&["sales"]), ..Account::default() };
//! let query = ScopeQuery { account: Some(ann), requested: names(&["orders", "stock"]), ..ScopeQuery::default() };
//! assert_eq!(crm.evaluate(&call, &query).unwrap().granted, ["orders"]);
//!
//! let query = ScopeQuery { requested: names(&["admin"]), ..query };
//! assert_eq!(crm.evaluate(&call, &query).unwrap().require, ["otp"]);
//! # }
//! ```
//!
//! # Claims
//!
//! What else there is to say about the user, in JWTs (`access-token`) and in introspection. A value is JSON. The names that are
//! the core's to set, such as `sub`, `exp` or `scope`, are dropped.
//!
//! ```
//! use pintle_plugin_api::{Account, Attr, Call, ClaimsSource, PluginError};
//! # use pintle_plugin_api::{CallContext, testing::FakeHost};
//! # pub struct Crm;
//!
//! impl ClaimsSource for Crm {
//!     fn enrich(
//!         &self,
//!         _call: &Call<'_>,
//!         account: &Account,
//!         _scopes: &[String],
//!         _target: &str,
//!     ) -> Result<Vec<Attr>, PluginError> {
//!         let department = account.groups.first();
//!         let claim = |name: &String| ("department".to_owned(), serde_json::Value::from(name.as_str()).to_string());
//!         Ok(department.map(claim).into_iter().collect())
//!     }
//! }
//!
//! # fn main() {
//! # let host = FakeHost::default();
//! # let call = Call { context: &CallContext::default(), host: &host };
//! let ann = Account { groups: vec!["R&D \"labs\"".to_owned()], ..Account::default() };
//! let claims = Crm.enrich(&call, &ann, &[], "access-token").unwrap();
//! assert_eq!(claims, [("department".to_owned(), r#""R&D \"labs\"""#.to_owned())]);
//! # }
//! ```
