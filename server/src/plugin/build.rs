//! `pintle plugin build`: from a Rust plugin crate to a Wasm component or a native library, and from a project in C to a
//! component.
//!
//! The crate stays an ordinary library; `cargo rustc --crate-type cdylib` makes the module or the shared library of it.
//! Both go into a target folder of their own, so that a build never disturbs the crate's own. A project in C compiles its
//! module with its own Makefile.

mod bindings;
mod c;
mod cargo;
mod contract;
mod process;
mod toolchain;

pub use super::about::PluginToml;
pub use contract::{Interfaces, check_component, check_native, interfaces};
pub use toolchain::Toolchain;

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// What may be chosen about a build.
#[derive(Clone, Debug, Default)]
pub struct BuildOptions {
    /// Where `<name>.wasm` or `lib<name>.so` goes; where unset, a crate's to `<target>/pintle` and a project's in C to
    /// `dist`.
    pub out_dir: Option<PathBuf>,
    /// Cargo's target folder; the crate's own where unset.
    pub target_dir: Option<PathBuf>,
    /// Cargo's `--offline`.
    pub offline: bool,
    /// Cargo's `--locked`.
    pub locked: bool,
}

/// What was built, and checked against the crate's `plugin.toml`.
#[derive(Clone, Debug)]
pub struct BuiltPlugin {
    /// The file.
    pub path: PathBuf,
    /// Of the file, as lower-case hex: what `sha256` in the config wants.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
    /// The crate's `plugin.toml`.
    pub about: PluginToml,
}

/// Why there is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file could not be read or written, or a program not be started.
    #[error("{what}: {cause}")]
    Io {
        /// Which, and what for.
        what: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The folder holds nothing that could become a plugin.
    #[error("{0}")]
    Crate(String),
    /// No toolchain for Wasm; the text says what to install.
    #[error("{0}")]
    Toolchain(String),
    /// Cargo failed; with the end of what it wrote.
    #[error("cargo failed:\n{0}")]
    Cargo(String),
    /// The Makefile of a project in C failed; with the end of what was written.
    #[error("make failed:\n{0}")]
    Make(String),
    /// The compiled module is no component.
    #[error("the module does not make a component: {0}")]
    Component(String),
    /// The result is not what `plugin.toml` says; each fault.
    #[error("{}", .0.join("; "))]
    Contract(Vec<String>),
}

impl BuildError {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |cause| Self::Io { what, cause }
    }
}

/// Builds what is in `directory`, a crate or a project in C, as a component, `<name>.wasm`. `progress` gets a line at a
/// time.
///
/// # Errors
/// See [`BuildError`].
pub fn build(
    directory: &Path,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<BuiltPlugin, BuildError> {
    let about = PluginToml::read(directory)?;
    let (module, out_dir) = if c::is_project(directory) {
        (c::build_module(directory, progress)?, directory.join("dist"))
    } else {
        let toolchain = Toolchain::find()?;
        progress(&format!("using {toolchain}"));
        let package = cargo::Package::find(directory, &toolchain, options)?;
        (package.build_wasm(&toolchain, options, progress)?, package.target_dir.join("pintle"))
    };
    let module = std::fs::read(&module).map_err(BuildError::io(format!("reading {}", module.display())))?;
    let component = component(&module)?;
    check_component(&component, &about)?;
    finish(options.out_dir.clone().unwrap_or(out_dir), format!("{}.wasm", about.name), &component, about)
}

/// Builds the crate in `crate_dir` as a native library for this machine: `lib<name>.so`, or as the system calls it.
///
/// # Errors
/// See [`BuildError`].
pub fn build_native(
    crate_dir: &Path,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<BuiltPlugin, BuildError> {
    let about = PluginToml::read(crate_dir)?;
    let toolchain = Toolchain::ambient();
    let package = cargo::Package::find(crate_dir, &toolchain, options)?;
    let library = package.build_native(&toolchain, options, progress)?;
    let library = std::fs::read(&library).map_err(BuildError::io(format!("reading {}", library.display())))?;
    check_native(&library)?;
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let out_dir = options.out_dir.clone().unwrap_or_else(|| package.target_dir.join("pintle"));
    finish(out_dir, format!("{prefix}{}{suffix}", about.name), &library, about)
}

/// What libc's calls of an operating system become.
const NO_SYSTEM: &str =
    "\na plugin has no operating system: use the clock, random and log of the contract, and no files";

/// A core module with its `component-type` sections as a component.
fn component(module: &[u8]) -> Result<Vec<u8>, BuildError> {
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| {
            let why = format!("{error:#}");
            let hint = if why.contains("wasi_snapshot_preview1") { NO_SYSTEM } else { "" };
            BuildError::Component(format!("{why}{hint}"))
        })
}

fn finish(out_dir: PathBuf, file: String, bytes: &[u8], about: PluginToml) -> Result<BuiltPlugin, BuildError> {
    let path = out_dir.join(file);
    std::fs::create_dir_all(&out_dir)
        .and_then(|()| replace(&path, bytes))
        .map_err(BuildError::io(format!("writing {}", path.display())))?;
    let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(BuiltPlugin { path, sha256, size: bytes.len() as u64, about })
}

/// Puts a file in the place of `path` at once, so that a server that reads it meanwhile gets the whole of one.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(format!(".{}.new", std::process::id()));
    std::fs::write(&new, bytes)?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugins() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins")
    }

    #[test]
    fn a_package_in_another_language_is_sent_to_its_own_tools() {
        let about = PluginToml::read(&plugins().join("by-department")).unwrap();
        assert_eq!(about.kinds, ["scope-policy"]);
        let toolchain = Toolchain::ambient();
        let options = BuildOptions::default();
        let error = cargo::Package::find(&plugins().join("by-department"), &toolchain, &options).unwrap_err();
        assert!(error.to_string().contains("npm run build"), "{error}");
    }

    #[test]
    fn whoever_has_the_former_file_open_reads_it_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libx.so");
        replace(&path, b"former").unwrap();
        let mut open = std::fs::File::open(&path).unwrap();
        replace(&path, b"new").unwrap();
        let mut read = String::new();
        std::io::Read::read_to_string(&mut open, &mut read).unwrap();
        assert_eq!((read.as_str(), std::fs::read(&path).unwrap().as_slice()), ("former", &b"new"[..]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_without_plugin_toml_is_named() {
        let error = build(&plugins(), &BuildOptions::default(), &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("plugin.toml"), "{error}");
    }
}
