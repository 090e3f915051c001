//! The Wasm packaging: the worlds of `wit/pintle.wit` on top of the Rust traits.
//!
//! Each world has a module with an `export!` of its own, so that a component's type names only the kinds that it
//! exports. The imports are generated once, in `lifecycle`, and shared. The host calls a fresh instance each time, so
//! the plugin is made from its config when the first call needs it.

use crate::kinds::{Call, Plugin, ScopePolicy, TokenFormat, UserVerifier};
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
            "pintle:plugin/types@0.1.0": crate::wasm::lifecycle::pintle::plugin::types,
            "pintle:plugin/log@0.1.0": crate::wasm::lifecycle::pintle::plugin::log,
            "pintle:plugin/clock@0.1.0": crate::wasm::lifecycle::pintle::plugin::clock,
            "pintle:plugin/random@0.1.0": crate::wasm::lifecycle::pintle::plugin::random,
            "pintle:plugin/config@0.1.0": crate::wasm::lifecycle::pintle::plugin::config,
            "pintle:plugin/kv@0.1.0": crate::wasm::lifecycle::pintle::plugin::kv,
            "pintle:plugin/crypto@0.1.0": crate::wasm::lifecycle::pintle::plugin::crypto,
            "pintle:plugin/accounts@0.1.0": crate::wasm::lifecycle::pintle::plugin::accounts,
        });
    };
}

world!(lifecycle, "lifecycle-plugin", {});
kind_world!(user_verifier, "user-verifier-plugin");
kind_world!(scope_policy, "scope-policy-plugin");
kind_world!(token_format, "token-format-plugin");

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

/// Lets the plugin answer one call.
fn answer<P: Exported, A>(
    ctx: types::CallCtx,
    ask: impl FnOnce(&P, &Call<'_>) -> Result<A, PluginError>,
) -> Result<A, types::Error> {
    let made = P::instance().get_or_init(|| {
        P::create(&config::json()).map_err(|faults| PluginError::Internal(format!("config: {}", faults.join("; "))))
    });
    let plugin = made.as_ref().map_err(|error| error.clone().into_wit())?;
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
