//! Asking cargo: which package a folder holds, and to build it.

use super::{
    BuildError, BuildOptions, Toolchain, process,
    toolchain::{self, TARGET},
};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package with a library.
#[derive(Debug)]
pub(super) struct Package {
    directory: PathBuf,
    name: String,
    /// A name alone may be a dependency's as well.
    id: String,
    /// As in file names, with underscores.
    library: String,
    has_export: bool,
    pub(super) target_dir: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    manifest_path: PathBuf,
    targets: Vec<MetadataTarget>,
    features: std::collections::BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct MetadataTarget {
    name: String,
    kind: Vec<String>,
}

impl Package {
    /// The package whose `Cargo.toml` is in `crate_dir`.
    pub(super) fn find(crate_dir: &Path, toolchain: &Toolchain, options: &BuildOptions) -> Result<Self, BuildError> {
        let directory = crate_dir.canonicalize().map_err(BuildError::io(format!("opening {}", crate_dir.display())))?;
        let manifest = directory.join("Cargo.toml");
        if !manifest.is_file() {
            return Err(BuildError::Crate(no_crate(&directory)));
        }
        let mut command = toolchain.cargo(&directory);
        command.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(&manifest);
        if options.offline {
            command.arg("--offline");
        }
        let output = command.output().map_err(BuildError::io("starting cargo"))?;
        if !output.status.success() {
            return Err(BuildError::Crate(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout)
            .map_err(|error| BuildError::Crate(format!("cargo's metadata: {error}")))?;
        Self::choose(directory, &manifest, metadata, options)
    }

    fn choose(
        directory: PathBuf,
        manifest: &Path,
        metadata: Metadata,
        options: &BuildOptions,
    ) -> Result<Self, BuildError> {
        let refuse = |why: &str| BuildError::Crate(format!("{}: {why}", manifest.display()));
        let package = metadata.packages.into_iter().find(|package| package.manifest_path == manifest);
        let package = package.ok_or_else(|| refuse("is a workspace, not a package"))?;
        let is_library = |target: &&MetadataTarget| target.kind.iter().any(|kind| kind.ends_with("lib"));
        let library = package.targets.iter().find(is_library).ok_or_else(|| refuse("has no library"))?;
        // Cargo runs in the crate's folder; the caller means its own.
        let target_dir = match &options.target_dir {
            Some(given) => {
                std::path::absolute(given).map_err(BuildError::io(format!("finding {}", given.display())))?
            }
            None => metadata.target_directory,
        };
        Ok(Self {
            directory,
            library: library.name.replace('-', "_"),
            has_export: package.features.contains_key("export"),
            name: package.name,
            id: package.id,
            target_dir,
        })
    }

    /// Builds the core module and says where it is. It is optimised for size: a smaller one compiles and starts sooner.
    pub(super) fn build_wasm(
        &self,
        toolchain: &Toolchain,
        options: &BuildOptions,
        progress: &mut dyn FnMut(&str),
    ) -> Result<PathBuf, BuildError> {
        let target_dir = self.target_dir.join("pintle-wasm");
        let mut command = self.rustc(toolchain, options, &target_dir);
        toolchain.target_wasm(&self.directory, &mut command);
        command
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
            .env("CARGO_PROFILE_RELEASE_LTO", "fat")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
        process::run(&mut command, progress)?.map_err(BuildError::Cargo)?;
        Ok(target_dir.join(TARGET).join("release").join(format!("{}.wasm", self.library)))
    }

    /// Builds the shared library and says where it is.
    pub(super) fn build_native(
        &self,
        toolchain: &Toolchain,
        options: &BuildOptions,
        progress: &mut dyn FnMut(&str),
    ) -> Result<PathBuf, BuildError> {
        if !self.has_export {
            let advice = "has no feature `export = [\"pintle-plugin-api/export\"]`, which gives the native entry";
            return Err(BuildError::Crate(format!("{}: {advice}", self.name)));
        }
        let target_dir = self.target_dir.join("pintle-native");
        let mut command = self.rustc(toolchain, options, &target_dir);
        toolchain::keep_own_paths(&self.directory, &mut command);
        // The SDK stops panics at the C border; an abort would take the server with it.
        command.args(["--features", "export"]).env("CARGO_PROFILE_RELEASE_PANIC", "unwind");
        process::run(&mut command, progress)?.map_err(BuildError::Cargo)?;
        let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        Ok(target_dir.join("release").join(format!("{prefix}{}{suffix}", self.library)))
    }

    fn rustc(&self, toolchain: &Toolchain, options: &BuildOptions, target_dir: &Path) -> Command {
        let mut command = toolchain.cargo(&self.directory);
        command.args(["rustc", "--release", "--lib", "--crate-type", "cdylib", "--package", &self.id]);
        command.arg("--target-dir").arg(target_dir);
        command.args(options.offline.then_some("--offline")).args(options.locked.then_some("--locked"));
        command.env("CARGO_PROFILE_RELEASE_DEBUG", "false").env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
        command
    }
}

fn no_crate(directory: &Path) -> String {
    let has = |file: &str| directory.join(file).is_file();
    let hint = if has("package.json") {
        "; it is a JavaScript package: `npm ci && npm run build` there"
    } else if has("Makefile") {
        "; it has a Makefile: `make` there"
    } else {
        ""
    };
    format!("{} holds no Rust crate{hint}", directory.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate that compiles only with `--cfg vendor_flag`, in a folder whose path has a blank or none.
    fn built(folder: &str, rustflags: &str) -> Result<PathBuf, BuildError> {
        let temporary = tempfile::tempdir().unwrap();
        let crate_dir = temporary.path().join(folder);
        let write = |path: &str, text: &str| {
            let path = crate_dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[package]\nname = \"crm\"\nedition = \"2021\"\n[features]\nexport = []\n[workspace]\n");
        write("src/lib.rs", "#[cfg(not(vendor_flag))]\ncompile_error!(\"the flag is lost\");\n");
        write(".cargo/config.toml", &format!("[build]\nrustflags = {rustflags}\n"));
        let options = BuildOptions { offline: true, ..BuildOptions::default() };
        let native = Package::find(&crate_dir, &Toolchain::ambient(), &options)?;
        native.build_native(&Toolchain::ambient(), &options, &mut |_| {})?;
        let toolchain = Toolchain::find()?;
        Package::find(&crate_dir, &toolchain, &options)?.build_wasm(&toolchain, &options, &mut |_| {})
    }

    #[test]
    fn a_crate_keeps_the_flags_of_its_own() {
        built("crm", r#"["--cfg", "vendor_flag"]"#).unwrap();
        built("crm", r#""--cfg vendor_flag""#).unwrap();
        built("my crm", r#"["--cfg", "vendor_flag"]"#).unwrap();
        let error = built("crm", r#"["--cfg", "other_flag"]"#).unwrap_err();
        assert!(error.to_string().contains("the flag is lost"), "{error}");
    }
}
