//! The files of the projects: their path in the project, and their text.

/// A path in the project, and the text with its placeholders.
pub(super) type Template = (&'static str, &'static str);

/// `plugin-api/templates/<from>` as `<to>`.
macro_rules! templates {
    ($($from:literal => $to:literal),+ $(,)?) => {
        &[$(($to, include_str!(concat!("../../../../plugin-api/templates/", $from)))),+]
    };
}

/// `plugin-api/<path>` as `sdk/<path>`.
macro_rules! sdk {
    ($($path:literal),+ $(,)?) => {
        &[$((concat!("sdk/", $path), include_str!(concat!("../../../../plugin-api/", $path)))),+]
    };
}

pub(super) const SHARED: &[Template] = templates![
    "shared/README.md" => "README.md",
    "shared/plugin.toml" => "plugin.toml",
    "shared/conformance.toml" => "conformance.toml",
    "shared/pintle.toml" => "pintle.toml",
];

pub(super) const WIT: &[Template] = sdk!["wit/pintle.wit"];

pub(super) const RUST: &[Template] = templates![
    "rust/gitignore" => ".gitignore",
    "rust/Cargo.toml" => "Cargo.toml",
    "rust/src/lib.rs" => "src/lib.rs",
    "rust/src/tests.rs" => "src/tests.rs",
    "rust/sdk/Cargo.toml" => "sdk/Cargo.toml",
];

/// The crate but for its own tests; `project/tests.rs` compares with the folder.
pub(super) const RUST_SDK: &[Template] = sdk![
    "src/abi.rs",
    "src/config.rs",
    "src/conformance/account_source.rs",
    "src/conformance/answers.rs",
    "src/conformance/claims.rs",
    "src/conformance/common.rs",
    "src/conformance/directory.rs",
    "src/conformance/event_sink.rs",
    "src/conformance/extension_grant.rs",
    "src/conformance/linked.rs",
    "src/conformance/mod.rs",
    "src/conformance/scope_policy.rs",
    "src/conformance/token_format.rs",
    "src/conformance/user_verifier.rs",
    "src/conformance/worlds.rs",
    "src/export.rs",
    "src/fields.rs",
    "src/kinds.rs",
    "src/lib.rs",
    "src/linked.rs",
    "src/method.rs",
    "src/native.rs",
    "src/native/host.rs",
    "src/native/panics.rs",
    "src/testing.rs",
    "src/tutorial.rs",
    "src/tutorial/config.rs",
    "src/tutorial/crm.rs",
    "src/tutorial/kinds.rs",
    "src/tutorial/ship.rs",
    "src/tutorial/state.rs",
    "src/tutorial/verify.rs",
    "src/tutorial/whole.rs",
    "src/types.rs",
    "src/wasm.rs",
    "src/wasm/convert.rs",
    "src/wasm/host.rs",
    "src/wire.rs",
];

pub(super) const C: &[Template] = templates![
    "c/gitignore" => ".gitignore",
    "c/Makefile" => "Makefile",
    "c/src/plugin.c" => "src/plugin.c",
    "c/test/test.c" => "test/test.c",
];

pub(super) const C_WASM: &[Template] = templates![
    "c-wasm/gitignore" => ".gitignore",
    "c-wasm/Makefile" => "Makefile",
    "c-wasm/src/manifest.h" => "src/manifest.h",
    "c-wasm/src/no_system.c" => "src/no_system.c",
    "c-wasm/src/plugin.c" => "src/plugin.c",
    "c-wasm/src/users.c" => "src/users.c",
    "c-wasm/src/users.h" => "src/users.h",
    "c-wasm/test/test.c" => "test/test.c",
    "world.wit" => "wit/world.wit",
];

pub(super) const C_SDK: &[Template] = sdk!["include/pintle_plugin.h", "include/pintle_json.h"];

pub(super) const JAVASCRIPT: &[Template] = templates![
    "js/gitignore" => ".gitignore",
    "js/npmrc" => ".npmrc",
    "js/package.json" => "package.json",
    "js/package-lock.json" => "package-lock.json",
    "js/build.js" => "build.js",
    "js/src/plugin.js" => "src/plugin.js",
    "js/src/users.js" => "src/users.js",
    "js/test/users.test.js" => "test/users.test.js",
    "world.wit" => "wit/world.wit",
];

pub(super) const PYTHON: &[Template] = templates![
    "python/gitignore" => ".gitignore",
    "python/requirements.txt" => "requirements.txt",
    "python/build.py" => "build.py",
    "python/plugin.py" => "plugin.py",
    "python/users.py" => "users.py",
    "python/test_users.py" => "test_users.py",
    "world.wit" => "wit/world.wit",
];
