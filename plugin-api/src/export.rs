//! One line that gives all three packagings.

/// `export_plugin!(MyPlugin: user_verifier, scope_policy);` at the root of a plugin crate gives
///
/// - a function `linked()`, for a server that is compiled with the plugin;
/// - with the crate's feature `export`, the C entry `pintle_plugin_entry_v1`;
/// - for Wasm, the exports of the kinds' worlds.
///
/// The kinds are `user_verifier`, `scope_policy`, `token_format`, `directory`, `claims`, `account_source`, `event_sink`
/// and `extension_grant`; the plugin implements the trait of each.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ident: $($kind:ident),+ $(,)?) => {
        $crate::__pintle_linked!($plugin: $($kind),+);

        /// The entry of the native library (`pintle_plugin.h`).
        #[cfg(all(feature = "export", not(target_arch = "wasm32")))]
        #[unsafe(no_mangle)]
        pub extern "C" fn pintle_plugin_entry_v1() -> *const $crate::abi::PluginTable {
            static TABLE: ::std::sync::OnceLock<$crate::abi::PluginTable> = ::std::sync::OnceLock::new();
            $crate::native::entry::<$plugin>(&TABLE)
        }

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            impl $crate::wasm::Exported for $plugin {
                fn instance() -> &'static ::std::sync::OnceLock<Result<Self, $crate::PluginError>> {
                    static INSTANCE: ::std::sync::OnceLock<Result<$plugin, $crate::PluginError>> =
                        ::std::sync::OnceLock::new();
                    &INSTANCE
                }
            }
            type Component = $crate::wasm::Component<$plugin>;
            $crate::wasm::lifecycle::export!(Component with_types_in $crate::wasm::lifecycle);
            $($crate::wasm::$kind::export!(Component with_types_in $crate::wasm::$kind);)+
        };
    };
}

/// The first of the three alone; several plugins of one crate's tests may use it.
#[doc(hidden)]
#[macro_export]
macro_rules! __pintle_linked {
    ($plugin:ident: $($kind:ident),+) => {
        impl $crate::linked::Exports for $plugin {
            $($crate::__pintle_kind!($kind);)+
        }

        impl $crate::linked::Kinds for $plugin {
            const KINDS: &'static [&'static str] = &[$($crate::__pintle_kind!(name $kind)),+];
        }

        /// The plugin, to be linked into a server.
        #[must_use]
        pub const fn linked() -> $crate::linked::LinkedPlugin {
            $crate::linked::LinkedPlugin::new::<$plugin>()
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __pintle_kind {
    (name user_verifier) => {
        "user-verifier"
    };
    (name scope_policy) => {
        "scope-policy"
    };
    (name token_format) => {
        "token-format"
    };
    (name directory) => {
        "directory"
    };
    (name claims) => {
        "claims"
    };
    (name account_source) => {
        "account-source"
    };
    (name event_sink) => {
        "event-sink"
    };
    (name extension_grant) => {
        "extension-grant"
    };
    (user_verifier) => {
        fn user_verifier(&self) -> Option<&dyn $crate::UserVerifier> {
            Some(self)
        }
    };
    (scope_policy) => {
        fn scope_policy(&self) -> Option<&dyn $crate::ScopePolicy> {
            Some(self)
        }
    };
    (token_format) => {
        fn token_format(&self) -> Option<&dyn $crate::TokenFormat> {
            Some(self)
        }
    };
    (directory) => {
        fn directory(&self) -> Option<&dyn $crate::Directory> {
            Some(self)
        }
    };
    (claims) => {
        fn claims(&self) -> Option<&dyn $crate::ClaimsSource> {
            Some(self)
        }
    };
    (account_source) => {
        fn account_source(&self) -> Option<&dyn $crate::AccountSource> {
            Some(self)
        }
    };
    (event_sink) => {
        fn event_sink(&self) -> Option<&dyn $crate::EventSink> {
            Some(self)
        }
    };
    (extension_grant) => {
        fn extension_grant(&self) -> Option<&dyn $crate::ExtensionGrant> {
            Some(self)
        }
    };
    ($($other:tt)*) => {
        compile_error!(
            "a kind is user_verifier, scope_policy, token_format, directory, claims, account_source, event_sink or \
             extension_grant"
        );
    };
}
