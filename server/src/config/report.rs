//! Collects what the readers and checks find, and says where it was written.

use super::error::{ConfigError, ConfigErrors, Place, Warning};
use super::layer::Layer;
use super::path::KeyPath;
use std::cell::RefCell;
use std::path::Path;

/// Collects errors and warnings; shared by all readers of one load.
pub(super) struct Report<'a> {
    layers: &'a [Layer],
    findings: RefCell<Vec<Finding>>,
    warnings: RefCell<Vec<(KeyPath, String)>>,
    file_warnings: RefCell<Vec<Warning>>,
}

struct Finding {
    path: KeyPath,
    found: String,
    expected: String,
    help: Option<String>,
}

impl<'a> Report<'a> {
    /// `layers`: the weakest first.
    pub fn new(layers: &'a [Layer]) -> Self {
        Self { layers, findings: RefCell::default(), warnings: RefCell::default(), file_warnings: RefCell::default() }
    }

    /// Notes an error at `path`.
    pub fn error(&self, path: &KeyPath, found: impl Into<String>, expected: impl Into<String>, help: Option<String>) {
        let finding = Finding { path: path.clone(), found: found.into(), expected: expected.into(), help };
        self.findings.borrow_mut().push(finding);
    }

    /// Notes a warning at `path`.
    pub fn warn(&self, path: &KeyPath, text: impl Into<String>) {
        self.warnings.borrow_mut().push((path.clone(), text.into()));
    }

    /// Notes a warning about a file as a whole.
    pub fn warn_of_file(&self, file: &Path, text: String) {
        let place = Place::File { name: file.display().to_string(), line: None };
        self.file_warnings.borrow_mut().push(Warning { place, key: String::new(), text });
    }

    /// Whether no error touches `path`: a check that builds on it would only repeat what is wrong already.
    pub fn is_sound(&self, path: &KeyPath) -> bool {
        !self.findings.borrow().iter().any(|finding| finding.path.overlaps(path))
    }

    /// The environment variable's own text, where one sets exactly `path`.
    pub fn variable(&self, path: &KeyPath) -> Option<&'a str> {
        self.layers.iter().rev().find_map(|layer| layer.variable(path))
    }

    /// Whether an environment variable sets `path` or something within it.
    pub fn is_from_environment(&self, path: &KeyPath) -> bool {
        self.layers.iter().any(|layer| matches!(layer.locate(path), Some(Place::Environment(_))))
    }

    /// The warnings, or the errors if there are any; both by source (environment last), then by line.
    pub fn finish(self) -> Result<Vec<Warning>, ConfigErrors> {
        let findings = self.findings.take();
        if findings.is_empty() {
            let warnings = self.warnings.take().into_iter().map(|(path, text)| {
                let (rank, place) = self.locate(&path);
                (rank, Warning { place, key: path.to_string(), text })
            });
            let mut warnings = ordered(warnings.collect());
            warnings.extend(self.file_warnings.take());
            return Ok(warnings);
        }
        let errors = findings.into_iter().map(|Finding { path, found, expected, help }| {
            let (rank, place) = self.locate(&path);
            (rank, ConfigError { place, key: path.to_string(), found, expected, help })
        });
        Err(ConfigErrors(ordered(errors.collect())))
    }

    fn locate(&self, path: &KeyPath) -> ((usize, usize), Place) {
        locate(self.layers, path)
    }
}

/// The strongest of `layers` (the weakest first, which is the defaults) that writes `path`, or else the nearest table
/// around it, as rank and line, and as a place. A list is replaced as a whole, so the strongest layer is the one whose
/// value counts.
pub(super) fn locate(layers: &[Layer], path: &KeyPath) -> ((usize, usize), Place) {
    // What nobody wrote belongs into the operator's file: the first after the defaults.
    let home = layers.get(1).or(layers.first());
    for length in (1..=path.0.len()).rev() {
        let part = KeyPath(path.0[..length].to_vec());
        for (rank, layer) in layers.iter().enumerate().skip(1).rev() {
            if let Some(place) = layer.locate(&part) {
                return ((rank, line(&place)), place);
            }
        }
    }
    let name = home.map_or_else(String::new, |layer| layer.name.clone());
    ((1, 0), Place::File { name, line: None })
}

fn line(place: &Place) -> usize {
    match place {
        Place::File { line, .. } => line.unwrap_or(0),
        Place::Environment(_) => 0,
    }
}

/// A stable sort: what is found at one place keeps the order in which it was found.
fn ordered<T>(mut ranked: Vec<((usize, usize), T)>) -> Vec<T> {
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, item)| item).collect()
}
