//! The Wasm packaging: components in a sandbox, by default a fresh instance for every call.

mod bindings;
mod cache;
mod convert;
mod cpu;
mod engine;
mod guest;
#[cfg(test)]
pub(in crate::plugin) mod guests;
mod loaded;
mod room;
mod shared;
mod state;
#[cfg(test)]
mod tests;

use super::host::{CallHost, Interface};
use super::hosted::{Packaging, lacks};
use super::limits::Kind;
use super::private_dir::PrivateDir;
use crate::plugin::log_line::safe_faults;
use async_trait::async_trait;
use bindings::exports::pintle::plugin::{
    account_source, claims, directory, event_sink, extension_grant, lifecycle, scope_policy, token_format,
    user_verifier,
};
use cache::Folders;
use guest::{Guest, Guests, one_line};
use loaded::Loaded;
use pintle_plugin_api::{
    Account, Attr, CallContext, Event, ExtensionOutcome, IssuedToken, Manifest, PluginError, ScopeDecision, ScopeQuery,
    SourcePage, TokenVerdict, VerifyOutcome, VerifyRequest,
};
use room::Room;
use sha2::{Digest, Sha256};
use state::State;
use std::io;
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

pub use shared::Shared;

/// The package and the compatible version of the contract.
const PACKAGE: &str = "pintle:plugin/";
const VERSION: &str = "1.";
/// What of WASI 0.2 is linked, with nothing behind it.
const WASI: [&str; 6] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// Runs all components of a server.
pub struct WasmHost {
    engine: Engine,
    linker: Linker<State>,
    ticker: Arc<engine::Ticker>,
    room: Arc<Room>,
    folders: Folders,
    memory_bytes: usize,
    loaded: Loaded,
}

impl WasmHost {
    /// - `memory_bytes`: of the plugin that may have the most
    /// - `cache`: where compiled components are kept; none compiles at every start
    ///
    /// # Errors
    /// When the address space or a thread is not to be had.
    pub fn new(memory_bytes: usize, cache: Option<PrivateDir>) -> io::Result<Self> {
        Self::with_folders(memory_bytes, Folders { known: None, cache })
    }

    fn with_folders(memory_bytes: usize, folders: Folders) -> io::Result<Self> {
        let engine = engine::engine(memory_bytes).map_err(io::Error::other)?;
        let linker = linker(&engine).map_err(io::Error::other)?;
        let ticker = Arc::new(engine::Ticker::start(engine.clone())?);
        let room = Arc::new(Room::new(engine::MAX_INSTANCES));
        Ok(Self { engine, linker, ticker, room, folders, memory_bytes, loaded: Loaded::default() })
    }

    /// Compiles a component (or takes it from the cache) and finds out its kinds. Blocks for as long as that takes.
    ///
    /// - `reuse`: calls of one instance, 1 for a fresh one each time
    ///
    /// # Errors
    /// What is wrong with the component: no component, an import that nobody knows, no lifecycle, no kind, an export
    /// whose type differs from the contract's.
    pub fn load(&self, bytes: &[u8], reuse: u32) -> Result<WasmPlugin, String> {
        self.load_hashed(|| Ok(bytes.to_vec()), &Sha256::digest(bytes).into(), reuse)
    }

    /// As [`Self::load`], where the SHA-256 of the bytes is known.
    ///
    /// - `bytes`: are asked for only where the compiled component is neither loaded nor in a folder
    pub(super) fn load_hashed(
        &self,
        bytes: impl FnOnce() -> Result<Vec<u8>, String>,
        sha256: &[u8; 32],
        reuse: u32,
    ) -> Result<WasmPlugin, String> {
        let component = match self.loaded.find(sha256).or_else(|| self.folders.find(&self.engine, sha256)) {
            Some(component) => component,
            None => self
                .folders
                .compile(&self.engine, &bytes()?, sha256)
                .map_err(|error| format!("not a component of this contract: {}", one_line(&error)))?,
        };
        self.loaded.put(sha256, &component);
        check_imports(&self.engine, &component)?;
        let instance = self.linker.instantiate_pre(&component).map_err(|error| one_line(&error))?;
        let exports = Exports::find(&self.engine, &instance)?;
        let (ticker, room) = (Arc::clone(&self.ticker), Arc::clone(&self.room));
        Ok(WasmPlugin { guests: Guests::new(instance, ticker, room, reuse), exports })
    }
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    bindings::AnyPlugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| state)?;
    Ok(linker)
}

/// Refuses by name what nobody offers, rather than failing at the first call.
fn check_imports(engine: &Engine, component: &Component) -> Result<(), String> {
    for (name, _) in component.component_type().imports(engine) {
        if !is_known_import(name) {
            return Err(format!("it imports `{name}`, which this server does not offer"));
        }
    }
    Ok(())
}

fn is_known_import(name: &str) -> bool {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    match interface.strip_prefix(PACKAGE) {
        Some(interface) => {
            version.starts_with(VERSION) && (interface == "types" || Interface::from_name(interface).is_some())
        }
        None => version.starts_with("0.2.") && WASI.iter().any(|package| interface.starts_with(package)),
    }
}

/// Where a component's functions are: those of the lifecycle, and of each kind that it exports.
macro_rules! exports {
    ($($field:ident: $kind:ident),+ $(,)?) => {
        struct Exports {
            lifecycle: lifecycle::GuestIndices,
            $($field: Option<$field::GuestIndices>,)+
        }

        impl Exports {
            /// A kind counts as exported when its interface is there; then all of its functions must be, too.
            fn find(engine: &Engine, instance: &InstancePre<State>) -> Result<Self, String> {
                let exported = |kind: Kind| {
                    let exports = |name: &str| name.split('@').next() == Some(&format!("{PACKAGE}{kind}"));
                    instance.component().component_type().exports(engine).any(|(name, _)| exports(name))
                };
                let explain =
                    |error: wasmtime::Error| format!("not a component of this contract: {}", one_line(&error));
                let found = Self {
                    lifecycle: lifecycle::GuestIndices::new(instance).map_err(explain)?,
                    $($field: exported(Kind::$kind)
                        .then(|| $field::GuestIndices::new(instance))
                        .transpose()
                        .map_err(explain)?,)+
                };
                if found.kinds().is_empty() {
                    return Err("it exports no kind of plugin that this server knows".to_owned());
                }
                Ok(found)
            }

            fn kinds(&self) -> Vec<Kind> {
                let exported = [$((Kind::$kind, self.$field.is_some())),+];
                exported.into_iter().filter(|(_, exported)| *exported).map(|(kind, _)| kind).collect()
            }

            /// Compares the types of all exported functions with the contract's.
            fn check_types(&self, guest: &mut Guest) -> wasmtime::Result<()> {
                let Guest { store, instance } = guest;
                self.lifecycle.load(&mut *store, instance)?;
                $(self.$field.as_ref().map(|kind| kind.load(&mut *store, instance)).transpose()?;)+
                Ok(())
            }
        }
    };
}

exports! {
    user_verifier: UserVerifier,
    scope_policy: ScopePolicy,
    token_format: TokenFormat,
    directory: Directory,
    claims: Claims,
    account_source: AccountSource,
    event_sink: EventSink,
    extension_grant: ExtensionGrant,
}

/// A compiled component.
pub struct WasmPlugin {
    guests: Guests,
    exports: Exports,
}

impl WasmPlugin {
    /// The kinds that it exports.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        self.exports.kinds()
    }

    /// Makes a first instance, compares its types with the contract's, and asks it for its manifest.
    ///
    /// # Errors
    /// Where a type differs, the guest fails or runs too long, or its manifest is none.
    pub async fn describe(&self, host: Arc<CallHost>) -> Result<Manifest, PluginError> {
        let json = self
            .guests
            .call(host, async |guest| {
                self.exports.check_types(guest)?;
                let lifecycle = self.exports.lifecycle.load(&mut guest.store, &guest.instance)?;
                lifecycle.call_describe(&mut guest.store).await
            })
            .await?;
        serde_json::from_str(&json).map_err(|error| PluginError::Internal(format!("its manifest is faulty: {error}")))
    }

    /// `lifecycle.validate-config`. The inner error has every fault of the config.
    ///
    /// # Errors
    /// Where the guest fails.
    pub async fn validate_config(
        &self,
        host: Arc<CallHost>,
        config_json: &str,
    ) -> Result<Result<(), Vec<String>>, PluginError> {
        let checked = self
            .guests
            .call(host, async |guest| {
                let lifecycle = self.exports.lifecycle.load(&mut guest.store, &guest.instance)?;
                lifecycle.call_validate_config(&mut guest.store, config_json).await
            })
            .await?;
        Ok(checked.map_err(safe_faults))
    }
}

#[async_trait]
impl Packaging for WasmPlugin {
    fn waits_in_host_only(&self) -> bool {
        true
    }

    async fn health(&self, host: Arc<CallHost>, call: CallContext) -> Result<(), PluginError> {
        let call = call.into();
        let answer = self
            .guests
            .call(host, async |guest| {
                let lifecycle = self.exports.lifecycle.load(&mut guest.store, &guest.instance)?;
                lifecycle.call_health(&mut guest.store, &call).await
            })
            .await?;
        Ok(answer?)
    }

    async fn verify_user(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        request: VerifyRequest,
    ) -> Result<VerifyOutcome, PluginError> {
        let exports = self.exports.user_verifier.as_ref().ok_or_else(|| lacks(Kind::UserVerifier))?;
        let (call, request) = (call.into(), convert::Wiped::from(request));
        let answer = self
            .guests
            .call(host, async |guest| {
                let kind = exports.load(&mut guest.store, &guest.instance)?;
                kind.call_verify(&mut guest.store, &call, &request).await
            })
            .await?;
        Ok(answer?.into())
    }

    async fn evaluate_scope(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        query: ScopeQuery,
    ) -> Result<ScopeDecision, PluginError> {
        let exports = self.exports.scope_policy.as_ref().ok_or_else(|| lacks(Kind::ScopePolicy))?;
        let (call, query) = (call.into(), query.into());
        let answer = self
            .guests
            .call(host, async |guest| {
                let kind = exports.load(&mut guest.store, &guest.instance)?;
                kind.call_evaluate(&mut guest.store, &call, &query).await
            })
            .await?;
        Ok(answer?.into())
    }

    async fn issue_token(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        claims_json: String,
        key_id: String,
    ) -> Result<IssuedToken, PluginError> {
        let exports = self.exports.token_format.as_ref().ok_or_else(|| lacks(Kind::TokenFormat))?;
        let call = call.into();
        let answer = self
            .guests
            .call(host, async |guest| {
                let kind = exports.load(&mut guest.store, &guest.instance)?;
                kind.call_issue(&mut guest.store, &call, &claims_json, &key_id).await
            })
            .await?;
        Ok(answer?.into())
    }

    async fn validate_token(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        token: String,
    ) -> Result<TokenVerdict, PluginError> {
        let exports = self.exports.token_format.as_ref().ok_or_else(|| lacks(Kind::TokenFormat))?;
        let call = call.into();
        let answer = self
            .guests
            .call(host, async |guest| {
                let kind = exports.load(&mut guest.store, &guest.instance)?;
                kind.call_validate(&mut guest.store, &call, &token).await
            })
            .await?;
        Ok(answer?.into())
    }

    async fn lookup_account(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        by: String,
        value: String,
    ) -> Result<Option<Account>, PluginError> {
        let exports = self.exports.directory.as_ref().ok_or_else(|| lacks(Kind::Directory))?;
        let call = call.into();
        let answer = self
            .guests
            .call(host, async |guest| {
                let kind = exports.load(&mut guest.store, &guest.instance)?;
                kind.call_lookup(&mut guest.store, &call, &by, &value).await
            })
            .await?;
        Ok(answer?.map(Into::into))
    }

    async fn enrich_claims(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        account: Account,
        scopes: Vec<String>,
        target: String,
    ) -> Result<Vec<Attr>, PluginError> {
        let exports = self.exports.claims.as_ref().ok_or_else(|| lacks(Kind::Claims))?;
        let (call, account) = (call.into(), account.into());
        let answer = self
            .guests
            .call(host, async |guest| {
                let kind = exports.load(&mut guest.store, &guest.instance)?;
                kind.call_enrich(&mut guest.store, &call, &account, &scopes, &target).await
            })
            .await?;
        Ok(answer?)
    }

    async fn pull_accounts(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<SourcePage, PluginError> {
        let exports = self.exports.account_source.as_ref().ok_or_else(|| lacks(Kind::AccountSource))?;
        let call = call.into();
        let answer = self
            .guests
            .call(host, async |guest| {
                let kind = exports.load(&mut guest.store, &guest.instance)?;
                kind.call_pull(&mut guest.store, &call, cursor.as_deref(), limit).await
            })
            .await?;
        Ok(answer?.into())
    }

    async fn deliver_events(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        batch: Vec<Event>,
    ) -> Result<Vec<String>, PluginError> {
        let exports = self.exports.event_sink.as_ref().ok_or_else(|| lacks(Kind::EventSink))?;
        let call = call.into();
        let batch: Vec<event_sink::Event> = batch.into_iter().map(Into::into).collect();
        let answer = self
            .guests
            .call(host, async |guest| {
                let kind = exports.load(&mut guest.store, &guest.instance)?;
                kind.call_deliver(&mut guest.store, &call, &batch).await
            })
            .await?;
        Ok(answer?)
    }

    async fn grant_types(&self, host: Arc<CallHost>) -> Result<Vec<String>, PluginError> {
        let exports = self.exports.extension_grant.as_ref().ok_or_else(|| lacks(Kind::ExtensionGrant))?;
        self.guests
            .call(host, async |guest| {
                let kind = exports.load(&mut guest.store, &guest.instance)?;
                kind.call_grant_types(&mut guest.store).await
            })
            .await
    }

    async fn exchange(
        &self,
        host: Arc<CallHost>,
        call: CallContext,
        grant_type: String,
        params: Vec<Attr>,
    ) -> Result<ExtensionOutcome, PluginError> {
        let exports = self.exports.extension_grant.as_ref().ok_or_else(|| lacks(Kind::ExtensionGrant))?;
        let call = call.into();
        let answer = self
            .guests
            .call(host, async |guest| {
                let kind = exports.load(&mut guest.store, &guest.instance)?;
                kind.call_exchange(&mut guest.store, &call, &grant_type, &params).await
            })
            .await?;
        Ok(answer?.into())
    }
}
