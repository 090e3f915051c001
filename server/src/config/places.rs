//! Where the keys of a loaded configuration are written, for what is found wrong later.

use super::error::Place;
use super::layer::Layer;
use super::path::KeyPath;
use super::{DEVELOPMENT, LoadOptions, built_in, report};
use std::path::PathBuf;

/// Remembers names only, as the texts may hold secrets: the files are read again once something has to be located.
#[derive(Clone, Debug, Default)]
pub struct Places {
    file: Option<PathBuf>,
    overlays: Vec<PathBuf>,
    /// Of the environment.
    variables: Vec<(KeyPath, String)>,
}

impl Places {
    pub(super) fn new(options: &LoadOptions, layers: &[Layer]) -> Self {
        let variables = layers.iter().flat_map(Layer::variable_names).collect();
        Self { file: options.file.clone(), overlays: options.overlays.clone(), variables }
    }

    /// Where `key`, such as `clients[1].secret`, or else the nearest table around it, is written.
    #[must_use]
    pub fn locate(&self, key: &str) -> Place {
        let mut layers = vec![built_in("config/default.toml", "")];
        layers.push(match &self.file {
            Some(file) => Layer::file(file),
            None => built_in("config/development.toml", DEVELOPMENT),
        });
        layers.extend(self.overlays.iter().map(|file| Layer::file(file)));
        let mut layers: Vec<Layer> = layers.into_iter().filter_map(Result::ok).collect();
        layers.push(Layer::names(self.variables.clone()));
        report::locate(&layers, &KeyPath::parse(key)).1
    }
}
