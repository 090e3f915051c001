//! Loading as a whole.

mod bad;
mod built_in;
mod layers;
mod reference;
mod values;
mod warnings;

use super::{LoadOptions, Loaded, load};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A folder with `pintle.toml` and whatever lies over it.
struct Setup {
    folder: TempDir,
    options: LoadOptions,
}

impl Setup {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut setup = Self { folder, options: LoadOptions::default() };
        setup.options.file = Some(setup.write("pintle.toml", text));
        setup
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn overlay(mut self, name: &str, text: &str) -> Self {
        let path = self.write(name, text);
        self.options.overlays.push(path);
        self
    }

    fn variable(mut self, name: &str, text: &str) -> Self {
        self.options.environment.push((name.to_owned(), text.to_owned()));
        self
    }

    fn load(&self) -> Loaded {
        load(&self.options).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn errors(&self) -> String {
        let errors = load(&self.options).map(|_| ()).unwrap_err().to_string();
        errors.replace(&format!("{}/", self.folder.path().display()), "")
    }

    /// One a line.
    fn warnings(&self) -> String {
        let warnings: Vec<String> = self.load().warnings.iter().map(ToString::to_string).collect();
        warnings.join("\n").replace(&format!("{}/", self.folder.path().display()), "")
    }
}
