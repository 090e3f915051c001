//! A plugin's code as a file of its own.

use crate::config::model::PluginSource;
use crate::plugin::bundle::{Bundle, Code, Part, host_target};
use crate::plugin::private_dir::sha256_hex;
use std::path::{Path, PathBuf};

/// What runs of a plugin's file. In a bundle a schema stands before the plugin, and would answer for it.
#[derive(Clone)]
pub(super) struct Bare {
    pub(super) source: PluginSource,
    pub(super) sha256: String,
}

impl Bare {
    /// The file itself, or what this machine runs of a bundle, put into `folder`. A bundle that has no such thing stays what
    /// it is: loading it says what is wrong.
    pub(super) fn of(source: &PluginSource, bytes: &[u8], folder: &Path) -> Result<Self, String> {
        let itself = || Self { source: source.clone(), sha256: sha256_hex(bytes) };
        let PluginSource::Bundle(_) = source else { return Ok(itself()) };
        let Ok(bundle) = Bundle::parse(bytes) else { return Ok(itself()) };
        match (bundle.code(), host_target().and_then(Part::library).and_then(|part| bundle.part(part))) {
            (Code::Component(component), _) => unpack(component, folder.join("plugin.wasm"), PluginSource::Wasm),
            (Code::Libraries, Some(library)) => unpack(library, folder.join("plugin.so"), PluginSource::Native),
            (Code::Libraries, None) => Ok(itself()),
        }
    }

    pub(super) const fn is_library(&self) -> bool {
        matches!(self.source, PluginSource::Native(_))
    }
}

fn unpack(code: &[u8], path: PathBuf, source: impl FnOnce(PathBuf) -> PluginSource) -> Result<Bare, String> {
    std::fs::write(&path, code).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Bare { source: source(path), sha256: sha256_hex(code) })
}
