//! The plugins of the tests, built once.

use pintle::plugin::build::{BuildOptions, BuiltPlugin, build, build_native};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Cargo runs one at a time anyway; this keeps its waiting out of the tests' output.
static TURN: Mutex<()> = Mutex::new(());

fn options() -> BuildOptions {
    BuildOptions { target_dir: Some(root().join("target/plugins")), locked: true, ..BuildOptions::default() }
}

/// The component of a plugin crate, `folder` as `plugins/jwt`.
pub fn component(folder: &str) -> BuiltPlugin {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    build(&root().join(folder), &options(), &mut |_| {}).unwrap_or_else(|error| panic!("{folder}: {error}"))
}

/// The native library of a plugin crate.
pub fn library(folder: &str) -> BuiltPlugin {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    build_native(&root().join(folder), &options(), &mut |_| {}).unwrap_or_else(|error| panic!("{folder}: {error}"))
}

/// The component of the policy in JavaScript.
pub fn by_department() -> PathBuf {
    let folder = root().join("plugins/by-department");
    let component = folder.join("dist/by-department.wasm");
    if !component.is_file() {
        let built = Command::new("npm").args(["run", "build"]).current_dir(&folder).status();
        let built = built.is_ok_and(|status| status.success());
        assert!(built, "plugins/by-department is not built: the command tests/run installs what it needs");
    }
    component
}
