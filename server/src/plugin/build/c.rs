//! A project in C: its bindings are written here, its Makefile compiles.

use super::{BuildError, bindings, process};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the bindings and the module are in a project.
const BINDINGS: &str = "build/bindings";
const MODULE: &str = "build/plugin.wasm";

const ADVICE: &str = "A plugin in C needs make, and clang with wasm-ld and a libc for Wasm:
  on Debian:       apt-get install make clang lld wasi-libc libclang-rt-dev-wasm32
  with a wasi-sdk: WASM_CC=<wasi-sdk>/bin/clang pintle plugin build <folder>";

/// Whether the folder holds a project whose Makefile compiles a world of its own.
pub(super) fn is_project(directory: &Path) -> bool {
    let has = |name: &str| directory.join(name).exists();
    has("Makefile") && has("wit") && !has("Cargo.toml")
}

/// Writes the bindings, has the Makefile compile the core module, and says where that is.
pub(super) fn build_module(directory: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf, BuildError> {
    bindings::write(directory, &directory.join(BINDINGS))?;
    let mut command = Command::new("make");
    command.current_dir(directory).arg(MODULE);
    match process::run(&mut command, progress) {
        Ok(made) => made.map_err(failed)?,
        Err(BuildError::Io { cause, .. }) if cause.kind() == ErrorKind::NotFound => {
            return Err(BuildError::Toolchain(ADVICE.to_owned()));
        }
        Err(error) => return Err(error),
    }
    Ok(directory.join(MODULE))
}

/// What to install, where it is a program, a header or a library that is missing.
fn failed(output: String) -> BuildError {
    let missing = ["not found", "No such file", "cannot open", "unable to find", "unable to create target"];
    if missing.iter().any(|phrase| output.contains(phrase)) {
        return BuildError::Toolchain(format!("{output}\n\n{ADVICE}"));
    }
    BuildError::Make(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::project::{Language, Project};

    fn project(into: &Path, native: bool) -> PathBuf {
        Project { name: "crm".to_owned(), language: Language::C, native }.make(into).unwrap()
    }

    #[test]
    fn a_project_in_c_is_known_by_its_world() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_project(&project(&folder.path().join("wasm"), false)));
        assert!(!is_project(&project(&folder.path().join("native"), true)));
        assert!(!is_project(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/by-department")));
    }

    #[test]
    fn what_is_missing_is_told_from_what_does_not_compile() {
        let missing = "make: clang: No such file or directory\nmake: *** [Makefile:20: build/plugin.wasm] Error 127";
        let BuildError::Toolchain(advice) = failed(missing.to_owned()) else { panic!("it is not seen as missing") };
        assert!(advice.starts_with(missing) && advice.contains("apt-get install make clang lld wasi-libc"), "{advice}");
        assert!(matches!(failed("src/plugin.c:4:1: error: expected ';'".to_owned()), BuildError::Make(_)));
    }
}
