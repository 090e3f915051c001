//! Making bundles: `plugin bundle`, and `plugin build --bundle`.

use super::args::BundleArgs;
use super::file;
use crate::cli::exit::Failure;
use crate::cli::text;
use pintle::plugin::build::{self, BuiltPlugin};
use pintle::plugin::bundle::{Bundle, CPUS, Code, Part, TARGETS, host_target};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type Contents = BTreeMap<Part, Vec<u8>>;

/// What of a folder goes into a bundle as it is.
const DOCUMENTS: [Part; 3] = [Part::PLUGIN_TOML, Part::CONFIG_SCHEMA, Part::README];

pub fn bundle(json: bool, args: &BundleArgs) -> Result<(), Failure> {
    let mut contents = Contents::new();
    for path in &args.from {
        if path.is_dir() { add_folder(&mut contents, path)? } else { add_file(&mut contents, path)? }
    }
    for library in &args.lib {
        let (target, path) = library
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--lib {library}: TARGET=FILE is expected")))?;
        add_library(&mut contents, target, Path::new(path))?;
    }
    let bundle = checked(contents)?;
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(bundle.file_name()));
    file::write(&path, &bundle)?;
    text::answer(json, &facts(&path, &bundle));
    Ok(())
}

/// The built plugin and what lies in its crate's folder, beside it.
pub fn of_built(crate_dir: &Path, built: &BuiltPlugin, native: bool) -> Result<Value, Failure> {
    let mut contents = Contents::new();
    add_documents(&mut contents, crate_dir)?;
    if native {
        let target = host_target().ok_or_else(|| Failure::refused("a bundle has no libraries for this machine"))?;
        add_library(&mut contents, target, &built.path)?;
    } else {
        add(&mut contents, Part::COMPONENT, &built.path)?;
    }
    let bundle = checked(contents)?;
    let path = built.path.with_file_name(bundle.file_name());
    file::write(&path, &bundle)?;
    Ok(facts(&path, &bundle))
}

fn facts(path: &Path, bundle: &Bundle) -> Value {
    let bytes = bundle.to_bytes();
    json!({
        "name": bundle.about().name,
        "version": bundle.about().version,
        "kinds": bundle.about().kinds,
        "file": path,
        "sha256": pintle::plugin::private_dir::sha256_hex(&bytes),
        "bytes": bytes.len(),
    })
}

/// A bundle whose code is what its `plugin.toml` says, as far as that is seen without running it.
fn checked(contents: Contents) -> Result<Bundle, Failure> {
    let bundle = Bundle::new(contents).map_err(Failure::refused)?;
    match bundle.code() {
        Code::Component(component) => build::check_component(component, bundle.about()).map_err(Failure::refused)?,
        Code::Libraries => check_libraries(&bundle)?,
    }
    Ok(bundle)
}

fn check_libraries(bundle: &Bundle) -> Result<(), Failure> {
    for target in TARGETS {
        let Some(library) = Part::library(target).and_then(|part| bundle.part(part)) else { continue };
        let machine = library.get(18..20).map(|two| u16::from(two[0]) | u16::from(two[1]) << 8);
        let wanted = CPUS.iter().find(|(cpu, _)| target.starts_with(cpu)).map(|(_, machine)| *machine);
        if !library.starts_with(b"\x7fELF") || machine != wanted {
            return Err(Failure::refused(format!("lib/{target}.so: it is no library for this target")));
        }
        build::check_native(library).map_err(|error| Failure::refused(format!("lib/{target}.so: {error}")))?;
    }
    Ok(())
}

fn add_folder(contents: &mut Contents, folder: &Path) -> Result<(), Failure> {
    add_documents(contents, folder)?;
    for path in listed(folder)? {
        if path.extension().is_some_and(|extension| extension == "wasm") {
            add(contents, Part::COMPONENT, &path)?;
        }
    }
    for target in TARGETS {
        let path = folder.join("lib").join(format!("{target}.so"));
        if path.is_file() {
            add_library(contents, target, &path)?;
        }
    }
    Ok(())
}

fn add_documents(contents: &mut Contents, folder: &Path) -> Result<(), Failure> {
    let there = DOCUMENTS.into_iter().map(|part| (part, folder.join(part.name()))).filter(|(_, path)| path.is_file());
    there.into_iter().try_for_each(|(part, path)| add(contents, part, &path))
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| Failure::unavailable(format!("{}: {error}", folder.display()));
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

fn add_file(contents: &mut Contents, path: &Path) -> Result<(), Failure> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match DOCUMENTS.into_iter().find(|part| part.name() == name) {
        Some(part) => add(contents, part, path),
        None if name.ends_with(".wasm") => add(contents, Part::COMPONENT, path),
        None => Err(Failure::usage(format!(
            "{}: a bundle has plugin.toml, config.schema.json, README.md, one .wasm, or libraries by --lib",
            path.display()
        ))),
    }
}

fn add_library(contents: &mut Contents, target: &str, path: &Path) -> Result<(), Failure> {
    let unknown = || Failure::usage(format!("{target}: a bundle has libraries for {}", TARGETS.join(", ")));
    add(contents, Part::library(target).ok_or_else(unknown)?, path)
}

fn add(contents: &mut Contents, part: Part, path: &Path) -> Result<(), Failure> {
    if contents.insert(part, file::read_bytes(path)?).is_some() {
        return Err(Failure::refused(format!("{}: a second {part}", path.display())));
    }
    Ok(())
}
