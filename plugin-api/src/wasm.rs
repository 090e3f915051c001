//! The Wasm packaging: the worlds of `wit/pintle.wit` on top of the Rust traits.
//!
//! Each world has a module with an `export!` of its own, so that a component's type names only the kinds that it
//! exports. The imports are generated once, in `lifecycle`, and shared. The host calls a fresh instance each time, so
//! the plugin is made from its config when the first call needs it.

use crate::kinds::{
    AccountSource, Call, ClaimsSource, Directory, EventSink, ExtensionGrant, Plugin, ScopePolicy, TokenFormat,
    UserVerifier,
};
use crate::types::PluginError;
use std::marker::PhantomData;
use std::sync::OnceLock;

mod convert;
mod host;
use host::WasmHost;

macro_rules! world {
    ($module:ident, $world:literal, { $($with:tt)* }) => {
        #[doc = concat!("The bindings of the world `", $world, "`.")]
        #[allow(missing_docs, unsafe_op_in_unsafe_fn, clippy::all)]
        pub mod $module {
            wit_bindgen::generate!({
                world: $world,
                path: "wit",
                pub_export_macro: true,
                with: { $($with)* },
            });
        }
    };
}

macro_rules! kind_world {
    ($module:ident, $world:literal) => {
        world!($module, $world, {
            "pintle:plugin/types@1.0.0": crate::wasm::lifecycle::pintle::plugin::types,
            "pintle:plugin/log@1.0.0": crate::wasm::lifecycle::pintle::plugin::log,
            "pintle:plugin/clock@1.0.0": crate::wasm::lifecycle::pintle::plugin::clock,
            "pintle:plugin/random@1.0.0": crate::wasm::lifecycle::pintle::plugin::random,
            "pintle:plugin/config@1.0.0": crate::wasm::lifecycle::pintle::plugin::config,
            "pintle:plugin/kv@1.0.0": crate::wasm::lifecycle::pintle::plugin::kv,
            "pintle:plugin/crypto@1.0.0": crate::wasm::lifecycle::pintle::plugin::crypto,
            "pintle:plugin/accounts@1.0.0": crate::wasm::lifecycle::pintle::plugin::accounts,
            "pintle:plugin/secrets@1.0.0": crate::wasm::lifecycle::pintle::plugin::secrets,
            "pintle:plugin/http@1.0.0": crate::wasm::lifecycle::pintle::plugin::http,
        });
    };
}

world!(lifecycle, "lifecycle-plugin", {});
kind_world!(user_verifier, "user-verifier-plugin");
kind_world!(scope_policy, "scope-policy-plugin");
kind_world!(token_format, "token-format-plugin");
kind_world!(directory, "directory-plugin");
kind_world!(claims, "claims-plugin");
kind_world!(account_source, "account-source-plugin");
kind_world!(event_sink, "event-sink-plugin");
kind_world!(extension_grant, "extension-grant-plugin");

use account_source::exports::pintle::plugin::account_source as source_exports;
use claims::exports::pintle::plugin::claims as claims_exports;
use directory::exports::pintle::plugin::directory as directory_exports;
use event_sink::exports::pintle::plugin::event_sink as sink_exports;
use extension_grant::exports::pintle::plugin::extension_grant as grant_exports;
use lifecycle::exports::pintle::plugin::lifecycle as lifecycle_exports;
use lifecycle::pintle::plugin::{config, types};
use scope_policy::exports::pintle::plugin::scope_policy as policy_exports;
use token_format::exports::pintle::plugin::token_format as format_exports;
use user_verifier::exports::pintle::plugin::user_verifier as verifier_exports;

/// A plugin with a place for its instance; [`export_plugin!`](crate::export_plugin) writes it.
pub trait Exported: Plugin {
    /// Where the instance of this component is kept.
    fn instance() -> &'static OnceLock<Result<Self, PluginError>>;
}

/// What a component of `P` exports.
pub struct Component<P>(PhantomData<P>);

/// The plugin, made from its config when it is first needed.
fn plugin<P: Exported>() -> Result<&'static P, PluginError> {
    let made = P::instance().get_or_init(|| {
        P::create(&config::json()).map_err(|faults| PluginError::Internal(format!("config: {}", faults.join("; "))))
    });
    made.as_ref().map_err(Clone::clone)
}

/// Lets the plugin answer one call.
fn answer<P: Exported, A>(
    ctx: types::CallCtx,
    ask: impl FnOnce(&P, &Call<'_>) -> Result<A, PluginError>,
) -> Result<A, types::Error> {
    let plugin = plugin::<P>().map_err(PluginError::into_wit)?;
    let host = WasmHost::<P>::default();
    ask(plugin, &Call { context: &ctx.into(), host: &host }).map_err(PluginError::into_wit)
}

impl<P: Exported> lifecycle_exports::Guest for Component<P> {
    fn describe() -> String {
        serde_json::to_string(&P::manifest()).unwrap_or_default()
    }

    fn validate_config(json: String) -> Result<(), Vec<String>> {
        P::create(&json).map(drop)
    }

    fn health(ctx: types::CallCtx) -> Result<(), types::Error> {
        answer(ctx, |plugin: &P, call| plugin.health(call))
    }
}

impl<P: Exported + UserVerifier> verifier_exports::Guest for Component<P> {
    fn verify(
        ctx: types::CallCtx,
        request: verifier_exports::Request,
    ) -> Result<verifier_exports::Outcome, types::Error> {
        answer(ctx, |plugin: &P, call| plugin.verify(call, &request.into()).map(Into::into))
    }
}

impl<P: Exported + ScopePolicy> policy_exports::Guest for Component<P> {
    fn evaluate(
        ctx: types::CallCtx,
        request: policy_exports::Request,
    ) -> Result<policy_exports::Decision, types::Error> {
        answer(ctx, |plugin: &P, call| plugin.evaluate(call, &request.into()).map(Into::into))
    }
}

impl<P: Exported + TokenFormat> format_exports::Guest for Component<P> {
    fn issue(ctx: types::CallCtx, claims: String, key_id: String) -> Result<format_exports::Issued, types::Error> {
        answer(ctx, |plugin: &P, call| plugin.issue(call, &claims, &key_id).map(Into::into))
    }

    fn validate(ctx: types::CallCtx, token: String) -> Result<format_exports::Verdict, types::Error> {
        answer(ctx, |plugin: &P, call| plugin.validate(call, &token).map(Into::into))
    }
}

impl<P: Exported + Directory> directory_exports::Guest for Component<P> {
    fn lookup(ctx: types::CallCtx, by: String, value: String) -> Result<Option<types::Account>, types::Error> {
        answer(ctx, |plugin: &P, call| Ok(plugin.lookup(call, &by, &value)?.map(Into::into)))
    }
}

impl<P: Exported + ClaimsSource> claims_exports::Guest for Component<P> {
    fn enrich(
        ctx: types::CallCtx,
        account: types::Account,
        scopes: Vec<String>,
        target: String,
    ) -> Result<Vec<types::Attr>, types::Error> {
        answer(ctx, |plugin: &P, call| plugin.enrich(call, &account.into(), &scopes, &target))
    }
}

impl<P: Exported + AccountSource> source_exports::Guest for Component<P> {
    fn pull(ctx: types::CallCtx, cursor: Option<String>, limit: u32) -> Result<source_exports::Page, types::Error> {
        answer(ctx, |plugin: &P, call| plugin.pull(call, cursor.as_deref(), limit).map(Into::into))
    }
}

impl<P: Exported + EventSink> sink_exports::Guest for Component<P> {
    fn deliver(ctx: types::CallCtx, batch: Vec<sink_exports::Event>) -> Result<Vec<String>, types::Error> {
        let batch: Vec<_> = batch.into_iter().map(Into::into).collect();
        answer(ctx, |plugin: &P, call| plugin.deliver(call, &batch))
    }
}

impl<P: Exported + ExtensionGrant> grant_exports::Guest for Component<P> {
    /// None where the config is faulty, which the host was told before.
    fn grant_types() -> Vec<String> {
        plugin::<P>().map(ExtensionGrant::grant_types).unwrap_or_default()
    }

    fn exchange(
        ctx: types::CallCtx,
        grant_type: String,
        params: Vec<types::Attr>,
    ) -> Result<grant_exports::Outcome, types::Error> {
        answer(ctx, |plugin: &P, call| plugin.exchange(call, &grant_type, &params).map(Into::into))
    }
}
