//! What can compile Rust to Wasm on this machine.

use super::BuildError;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target of every component: no operating system, so no imports but ours.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// A cargo with its rustc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// It has the target's standard library, as after `rustup target add`.
    WithTarget {
        /// Cargo.
        cargo: PathBuf,
    },
    /// It has the standard library's sources, which are compiled along, as Debian's `rustc-web` with `rust-web-src`.
    FromSource {
        /// Cargo.
        cargo: PathBuf,
        /// Its rustc.
        rustc: PathBuf,
        /// LLVM's linker for Wasm.
        linker: PathBuf,
    },
}

const ADVICE: &str = "no Rust toolchain for Wasm was found. Install one of these:
  with rustup:   rustup target add wasm32-unknown-unknown
  on Debian:     apt-get install rustc-web cargo-web rust-web-src lld
                 (or a numbered linker such as lld-22; what is needed is wasm-ld)";

impl Toolchain {
    /// The cargo that the environment names, for what needs no Wasm.
    #[must_use]
    pub fn ambient() -> Self {
        Self::WithTarget { cargo: named_by_environment("CARGO", "cargo") }
    }

    /// The first that can compile to Wasm: the environment's own where it has the target, else one with the sources.
    ///
    /// # Errors
    /// What to install.
    pub fn find() -> Result<Self, BuildError> {
        if has_target(&named_by_environment("RUSTC", "rustc")) {
            return Ok(Self::ambient());
        }
        let directories = program_directories();
        let mut missing_linker = None;
        for rustc in directories.iter().map(|directory| directory.join("rustc")).filter(|rustc| rustc.is_file()) {
            let cargo = rustc.with_file_name("cargo");
            if !cargo.is_file() {
                continue;
            }
            if has_target(&rustc) {
                return Ok(Self::WithTarget { cargo });
            }
            if has_sources(&rustc) {
                match find_linker(&directories) {
                    Some(linker) => return Ok(Self::FromSource { cargo, rustc, linker }),
                    None => missing_linker = Some(rustc),
                }
            }
        }
        let almost = missing_linker.map(|rustc| format!("\n{} would do, but wasm-ld is missing", rustc.display()));
        Err(BuildError::Toolchain(format!("{ADVICE}{}", almost.unwrap_or_default())))
    }

    /// A cargo command in `directory`, free of what an outer cargo or rustup has set.
    pub(super) fn cargo(&self, directory: &Path) -> Command {
        let (Self::WithTarget { cargo } | Self::FromSource { cargo, .. }) = self;
        let mut command = Command::new(cargo);
        command.current_dir(directory);
        for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_BUILD_RUSTFLAGS"] {
            command.env_remove(name);
        }
        if let Self::FromSource { rustc, .. } = self {
            command.env_remove("RUSTUP_TOOLCHAIN").env("RUSTC", rustc);
        }
        command
    }

    /// What makes a cargo command compile the crate in `directory` to Wasm.
    pub(super) fn target_wasm(&self, directory: &Path, command: &mut Command) {
        command.args(["--target", TARGET]);
        let Self::FromSource { linker, .. } = self else { return keep_own_paths(directory, command) };
        let mut flags = without_own_paths(directory, cargo_home());
        flags.push("-Clinker-flavor=wasm-ld".to_owned());
        // A target's flags come before `build.rustflags`: here a crate's own have to be the target's, too.
        add_flags(command, "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", &format!("target.{TARGET}"), &flags);
        command
            .arg("-Zbuild-std=std,panic_abort")
            // -Z works with a stable compiler only so.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
}

/// Keeps this machine's paths out of what a cargo command compiles. The flags join those of the crate's own
/// `build.rustflags`.
pub(super) fn keep_own_paths(directory: &Path, command: &mut Command) {
    add_flags(command, "CARGO_BUILD_RUSTFLAGS", "build", &without_own_paths(directory, cargo_home()));
}

/// Cargo joins the variable with a list and with a text in the crate's `.cargo/config.toml`, but takes it apart at white
/// space; `--config` takes any path, but joins lists only.
fn add_flags(command: &mut Command, variable: &str, table: &str, flags: &[String]) {
    if flags.iter().any(|flag| flag.contains(char::is_whitespace)) {
        let flags = toml::Value::from(flags.to_vec());
        command.env_remove(variable).arg("--config").arg(format!("{table}.rustflags={flags}"));
    } else {
        command.env(variable, flags.join(" "));
    }
}

impl std::fmt::Display for Toolchain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::WithTarget { cargo } => write!(f, "{} with the target {TARGET}", cargo.display()),
            Self::FromSource { cargo, linker, .. } => {
                write!(f, "{} with the standard library's sources and {}", cargo.display(), linker.display())
            }
        }
    }
}

fn named_by_environment(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map_or_else(|| default.into(), PathBuf::from)
}

/// Where cargo keeps the sources of dependencies.
fn cargo_home() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("CARGO_HOME").or_else(|| Some(set("HOME")?.join(".cargo")))
}

/// Flags that keep this machine's paths out of what is built, where panics name their place: they are nobody's business, and
/// the same sources give the same bytes elsewhere. Of two that fit, rustc takes the last. They do not depend on what cargo has
/// unpacked yet: other flags are another build.
fn without_own_paths(directory: &Path, cargo_home: Option<PathBuf>) -> Vec<String> {
    let prefixes = [cargo_home.map(|home| (home, "/cargo")), Some((directory.to_owned(), "/plugin"))];
    let flag = |(from, to): (PathBuf, &str)| Some(format!("--remap-path-prefix={}={to}", from.to_str()?));
    prefixes.into_iter().flatten().filter_map(flag).collect()
}

/// The folders of `PATH`, and Debian's, which rustup's proxies may hide.
fn program_directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    directories.extend(["/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    let mut seen = std::collections::HashSet::new();
    directories.retain(|directory| seen.insert(directory.clone()));
    directories
}

fn print(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// Whether the target's standard library is there, compiled.
fn has_target(rustc: &Path) -> bool {
    let Some(libraries) = print(rustc, &["--print", "target-libdir", "--target", TARGET]) else { return false };
    std::fs::read_dir(libraries).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libstd-") && name.ends_with(".rlib")
        })
    })
}

/// Whether the standard library's sources are where `-Zbuild-std` looks for them.
fn has_sources(rustc: &Path) -> bool {
    print(rustc, &["--print", "sysroot"])
        .is_some_and(|sysroot| Path::new(&sysroot).join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file())
}

/// The newest `wasm-ld`, with a number or without: one that is older than the compiler may not read what it writes.
fn find_linker(directories: &[PathBuf]) -> Option<PathBuf> {
    let versions =
        linkers(directories).into_iter().filter_map(|linker| Some((major(&print(&linker, &["--version"])?)?, linker)));
    versions.max_by_key(|(version, _)| *version).map(|(_, linker)| linker)
}

fn linkers(directories: &[PathBuf]) -> Vec<PathBuf> {
    let is_linker = |name: &str| match name.strip_prefix("wasm-ld") {
        Some(rest) => rest.is_empty() || rest.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok()),
        None => false,
    };
    let entries = directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten();
    entries.filter(|entry| entry.file_name().to_str().is_some_and(is_linker)).map(|entry| entry.path()).collect()
}

/// Of `Debian LLD 14.0.6` the 14.
fn major(version: &str) -> Option<u32> {
    version.split_once("LLD ")?.1.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linkers_are_found_with_a_number_and_without() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["wasm-ld-9", "wasm-ld-22", "wasm-ld-22.txt", "wasm-ld-x", "wasm-ld", "lld"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let mut found = linkers(&[folder.path().join("absent"), folder.path().to_owned()]);
        found.sort();
        assert_eq!(found, ["wasm-ld", "wasm-ld-22", "wasm-ld-9"].map(|name| folder.path().join(name)));
    }

    #[test]
    fn a_linker_says_how_new_it_is() {
        assert_eq!(major("Debian LLD 14.0.6"), Some(14));
        assert_eq!(major("LLD 22.1.8 (compatible with GNU linkers)"), Some(22));
        assert_eq!(major("GNU ld 2.40"), None);
    }

    #[test]
    fn a_compiler_that_cannot_be_run_has_neither_target_nor_sources() {
        let absent = Path::new("/nonexistent/rustc");
        assert!(!has_target(absent) && !has_sources(absent));
    }

    #[test]
    fn a_first_build_has_the_flags_of_a_later_one() {
        let home = tempfile::tempdir().unwrap();
        let flags = || without_own_paths(Path::new("/crm"), Some(home.path().to_owned()));
        let first = flags();
        std::fs::create_dir_all(home.path().join("registry/src/one")).unwrap();
        assert_eq!(flags(), first);
        assert_eq!(first[1], "--remap-path-prefix=/crm=/plugin");
    }

    #[test]
    fn the_advice_names_both_worlds() {
        assert!(ADVICE.contains("rustup target add") && ADVICE.contains("apt-get install rustc-web"));
    }
}
