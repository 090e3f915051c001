//! Keeping something: the host interface `kv`.
//!
//! A Wasm plugin forgets everything between two calls: each gets a fresh instance, unless the entry says `reuse`, and even then
//! the instance may be thrown away at any time. What has to last goes into `kv`: a table of the plugin's own, kept by the
//! server, durable when the call returns. Keys have at most 512 bytes, values 32 KiB. The operator grants it by
//! `allow = ["kv"]`.
//!
//! # A cache
//!
//! The core asks a directory at every refresh whether the account is still there. The CRM need not hear of all of them, so what
//! it said is good for `cache_s` seconds, and who is dismissed may refresh for as much longer: a trade that the operator makes,
//! by the config. A cache that cannot be read is no reason to fail, so its errors are not handed on.
//!
//! ```
//! use pintle_plugin_api::{Account, Call, PluginError};
//! # use pintle_plugin_api::{CallContext, testing::FakeHost};
//!
//! # pub struct Crm { cache_s: u32 }
//! impl Crm {
//!     /// What was kept under `key`, or what `ask` says; that there is no such account is not kept.
//!     fn cached(
//!         &self,
//!         call: &Call<'_>,
//!         key: &str,
//!         ask: impl FnOnce() -> Result<Option<Account>, PluginError>,
//!     ) -> Result<Option<Account>, PluginError> {
//!         if let Ok(Some((json, _version))) = call.host.kv_get(key)
//!             && let Ok(account) = serde_json::from_slice(&json)
//!         {
//!             return Ok(Some(account));
//!         }
//!         let account = ask()?;
//!         if let Some(Ok(json)) = account.as_ref().map(serde_json::to_vec)
//!             && self.cache_s > 0
//!         {
//!             let _ = call.host.kv_put(key, &json, Some(self.cache_s), None);
//!         }
//!         Ok(account)
//!     }
//! }
//!
//! # fn main() {
//! # let host = FakeHost::default();
//! # let call = Call { context: &CallContext::default(), host: &host };
//! let ann = Account { id: "17".to_owned(), username: "ann".to_owned(), ..Account::default() };
//! let crm = Crm { cache_s: 60 };
//! assert_eq!(crm.cached(&call, "id/17", || Ok(None)), Ok(None));
//! assert_eq!(crm.cached(&call, "id/17", || Ok(Some(ann.clone()))), Ok(Some(ann.clone())));
//! assert_eq!(crm.cached(&call, "id/17", || panic!("the CRM is not asked again")), Ok(Some(ann)));
//! # }
//! ```
//!
//! # Two calls at once
//!
//! Calls run side by side, so a value that is read, changed and written may have been changed by another call in between.
//! `if_version` says what it is expected to be, 0 for "absent"; where it is not that, the answer is `Invalid("conflict")`, and
//! the call starts over:
//!
//! ```
//! use pintle_plugin_api::{Host, PluginError};
//! # use pintle_plugin_api::testing::FakeHost;
//!
//! /// Counts under `key`, and says how many there are now.
//! fn count(host: &dyn Host, key: &str) -> Result<u64, PluginError> {
//!     for _ in 0..8 {
//!         let (number, version) = match host.kv_get(key)? {
//!             Some((bytes, version)) => (bytes.try_into().map_or(0, u64::from_be_bytes), version),
//!             None => (0, 0),
//!         };
//!         match host.kv_put(key, &(number + 1).to_be_bytes(), None, Some(version)) {
//!             Ok(_) => return Ok(number + 1),
//!             Err(PluginError::Invalid(why)) if why == "conflict" => {}
//!             Err(error) => return Err(error),
//!         }
//!     }
//!     Err(PluginError::Unavailable("too many write at once".to_owned()))
//! }
//!
//! let host = FakeHost::default();
//! assert_eq!((count(&host, "logins"), count(&host, "logins")), (Ok(1), Ok(2)));
//! ```
