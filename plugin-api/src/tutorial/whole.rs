//! The whole of it, with its tests.
//!
//! # `src/lib.rs`
//!
//! ```
#![doc = include_str!("crm.rs")]
//! # fn main() {}
//! ```
//!
//! # `src/tests.rs`
//!
//! Put `#[cfg(test)] mod tests;` at the end of `src/lib.rs`. A unit test calls the plugin as it is, on this machine, with
//! [`FakeHost`](crate::testing::FakeHost) for a server. The network is a function of the test's, so that every answer of the
//! CRM can be had: the ordinary ones, and those of its bad days. What follows are the bodies of four tests.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/tutorial/crm.rs"));
//! use pintle_plugin_api::CallContext;
//! use pintle_plugin_api::conformance::{self, Fixtures, LinkedSubject};
//! use pintle_plugin_api::testing::{FakeHost, missing_from_plugin_toml};
//!
//! /// A CRM with `ann`, who may log in, and `bob`, who is disabled.
//! fn crm(request: &HttpRequest) -> Result<HttpResponse, PluginError> {
//!     let status = |status| Ok(HttpResponse { status, ..HttpResponse::default() });
//!     let question: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
//!     let users = [("17", "ann", true), ("18", "bob", false)];
//!     let user = users.into_iter().find(|(id, login, _)| question["id"] == *id || question["login"] == *login);
//!     let Some((id, login, active)) = user else { return status(404) };
//!     if request.url == "/login" && question["password"] != "correct horse" {
//!         return status(422);
//!     }
//!     let user = serde_json::json!({ "id": id, "login": login, "department": "sales", "active": active });
//!     Ok(HttpResponse { status: 200, body: user.to_string().into_bytes(), ..HttpResponse::default() })
//! }
//!
//! const CONFIG: &str = r#"{"departments": [{"name": "sales", "scopes": ["read", "admin"]}]}"#;
//!
//! # fn main() {
//! // It keeps the contract: some forty checks, of each kind. `Fixtures::default()` has `ann`, `bob` and their password.
//! let host = FakeHost::default().with_network(crm);
//! let subject = LinkedSubject::new(linked(), CONFIG, &host).unwrap();
//! let report = conformance::run(&subject, &Fixtures { config_json: CONFIG.to_owned(), ..Fixtures::default() });
//! assert!(report.passed(), "{report}");
//! # assert!(report.outcomes.len() >= 35, "{report}");
//!
//! // Each bad day of the CRM is the error that says whose fault it is, and nobody is rejected by it.
//! let ann = VerifyRequest {
//!     username: Some("ann".to_owned()),
//!     kind: "password".to_owned(),
//!     secret: b"correct horse".to_vec().into(),
//!     ..VerifyRequest::default()
//! };
//! let plugin = Crm::create(CONFIG).unwrap();
//! let on_a_day_of = |status: u16| {
//!     let answer = move |_: &HttpRequest| Ok(HttpResponse { status, ..HttpResponse::default() });
//!     let host = FakeHost::default().with_network(answer);
//!     plugin.verify(&Call { context: &CallContext::default(), host: &host }, &ann).unwrap_err()
//! };
//! assert!(matches!(on_a_day_of(503), PluginError::Unavailable(_)));
//! assert!(matches!(on_a_day_of(401), PluginError::Denied(_)));
//! assert!(matches!(on_a_day_of(302), PluginError::Internal(_)));
//! // 200 with something else than a user.
//! assert!(matches!(on_a_day_of(200), PluginError::Internal(_)));
//!
//! // For `cache_s` seconds a look-up is answered without the CRM.
//! let lookup = |host: &FakeHost| plugin.lookup(&Call { context: &CallContext::default(), host }, "id", "17");
//! let host = FakeHost::default().with_network(crm);
//! let ann = lookup(&host).unwrap();
//! let host = host.with_network(|_| Err(PluginError::Unavailable("the CRM is down".to_owned())));
//! assert_eq!(ann.as_ref().map(|ann| ann.id.as_str()), Some("17"));
//! assert_eq!(lookup(&host), Ok(ann));
//!
//! // plugin.toml says what the plugin is; a project has it from `include_str!("../plugin.toml")`.
//! let plugin_toml = concat!(
//!     "name = \"crm\"\n",
//!     "version = \"", env!("CARGO_PKG_VERSION"), "\"\n",
//!     "kinds = [\"user-verifier\", \"directory\", \"scope-policy\", \"claims\"]\n",
//!     "wants = [\"http\", \"kv\", \"secrets\"]\n",
//!     "self_contained = false\n",
//! );
//! assert_eq!(missing_from_plugin_toml(plugin_toml, &Crm::manifest()), [""; 0]);
//! # }
//! ```
