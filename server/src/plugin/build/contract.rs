//! Whether what was built is what `plugin.toml` says.

use super::BuildError;
use crate::plugin::about::PluginToml;
use pintle_plugin_api::abi::ENTRY_SYMBOL;
use std::collections::BTreeSet;
use std::path::Path;

impl PluginToml {
    /// Reads it from `crate_dir`.
    ///
    /// # Errors
    /// Where it is missing or wrong.
    pub fn read(crate_dir: &Path) -> Result<Self, BuildError> {
        let path = crate_dir.join("plugin.toml");
        let text = std::fs::read_to_string(&path).map_err(BuildError::io(format!("reading {}", path.display())))?;
        Self::parse(&text).map_err(|why| BuildError::Crate(format!("{}: {why}", path.display())))
    }
}

/// What a component imports and exports, each as `package:name/interface@version`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// What the host must have.
    pub imports: BTreeSet<String>,
    /// What the host may call.
    pub exports: BTreeSet<String>,
}

/// Reads a component's type.
///
/// # Errors
/// Where the bytes are no component.
pub fn interfaces(component: &[u8]) -> Result<Interfaces, BuildError> {
    let decoded = wit_component::decode(component).map_err(|error| BuildError::Component(format!("{error:#}")))?;
    let wit_component::DecodedWasm::Component(resolve, world) = decoded else {
        return Err(BuildError::Component("it is a WIT package".to_owned()));
    };
    let world = &resolve.worlds[world];
    let names = |keys: Vec<_>| keys.into_iter().map(|key| resolve.name_world_key(key)).collect();
    Ok(Interfaces { imports: names(world.imports.keys().collect()), exports: names(world.exports.keys().collect()) })
}

/// The interface's name, if it is of our package.
fn ours(interface: &str) -> Option<&str> {
    interface.strip_prefix("pintle:plugin/")?.split('@').next()
}

/// Whether a component is what `plugin.toml` says.
///
/// # Errors
/// Where the bytes are no component, and every difference.
pub fn check_component(component: &[u8], about: &PluginToml) -> Result<(), BuildError> {
    check(&interfaces(component)?, about)
}

pub(super) fn check(found: &Interfaces, about: &PluginToml) -> Result<(), BuildError> {
    let exported: BTreeSet<&str> = found.exports.iter().filter_map(|name| ours(name)).collect();
    let expected: BTreeSet<&str> = about.kinds.iter().map(String::as_str).chain(["lifecycle"]).collect();
    let allowed: BTreeSet<&str> =
        about.wants.iter().map(String::as_str).chain(["types", "log", "clock", "random", "config"]).collect();
    let mut faults = Vec::new();
    faults
        .extend(expected.difference(&exported).map(|kind| format!("plugin.toml names {kind}, which is not exported")));
    faults
        .extend(exported.difference(&expected).map(|kind| format!("exports {kind}, which plugin.toml does not name")));
    for import in &found.imports {
        match ours(import) {
            Some(interface) if allowed.contains(interface) => {}
            Some(interface) => faults.push(format!("imports {interface}, which `wants` in plugin.toml does not name")),
            None => faults.push(format!("imports {import}, which no server has")),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(BuildError::Contract(faults)) }
}

/// Whether a native library has the entry; loading it is the native host's.
///
/// # Errors
/// Where it has none.
pub fn check_native(library: &[u8]) -> Result<(), BuildError> {
    if library.windows(ENTRY_SYMBOL.len()).any(|window| window == ENTRY_SYMBOL.as_bytes()) {
        return Ok(());
    }
    Err(BuildError::Contract(vec![format!("the library has no {ENTRY_SYMBOL}: export_plugin! is missing")]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(imports: &[&str], exports: &[&str]) -> Interfaces {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Interfaces { imports: names(imports), exports: names(exports) }
    }

    fn about() -> PluginToml {
        PluginToml { kinds: vec!["token-format".to_owned()], wants: vec!["crypto".to_owned()], ..PluginToml::default() }
    }

    #[test]
    fn a_component_that_is_what_it_says_passes() {
        let imports = ["pintle:plugin/types@1.0.0", "pintle:plugin/crypto@1.0.0", "pintle:plugin/log@1.0.0"];
        let exports = ["pintle:plugin/lifecycle@1.0.0", "pintle:plugin/token-format@1.0.0"];
        assert!(check(&found(&imports, &exports), &about()).is_ok());
    }

    #[test]
    fn every_difference_from_plugin_toml_is_named() {
        let imports = ["wasi:cli/environment@0.2.0", "pintle:plugin/kv@1.0.0"];
        let error = check(&found(&imports, &["pintle:plugin/scope-policy@1.0.0"]), &about()).unwrap_err();
        let BuildError::Contract(faults) = error else { panic!("{error}") };
        assert_eq!(
            faults,
            [
                "plugin.toml names lifecycle, which is not exported",
                "plugin.toml names token-format, which is not exported",
                "exports scope-policy, which plugin.toml does not name",
                "imports kv, which `wants` in plugin.toml does not name",
                "imports wasi:cli/environment@0.2.0, which no server has",
            ]
        );
    }

    #[test]
    fn bytes_that_are_no_component_are_refused() {
        assert!(matches!(interfaces(b"\0asm garbage"), Err(BuildError::Component(_))));
    }

    #[test]
    fn a_library_without_the_entry_is_refused() {
        assert!(check_native(b"...pintle_plugin_entry_v1...").is_ok());
        assert!(check_native(b"ELF").is_err());
    }

    #[test]
    fn a_name_that_would_leave_the_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = "name = \"../x\"\nversion = \"1.0.0\"\nkinds = []\n";
        std::fs::write(folder.path().join("plugin.toml"), text).unwrap();
        assert!(PluginToml::read(folder.path()).unwrap_err().to_string().contains("name: only"));
    }
}
