//! The table of bad configurations, each with its exact errors.

use crate::config::{LoadOptions, load};
use std::fs;
use std::path::PathBuf;

/// Cases as `=== name`, lines `$ NAME=value` for the environment, the configuration, `+++` and an overlay where there is
/// one, `---` and the whole expected output.
const TABLE: &str = include_str!("../../../../tests/fixtures/bad-configurations.txt");

struct Case<'a> {
    name: &'a str,
    environment: Vec<(String, String)>,
    file: String,
    overlay: Option<String>,
    expected: String,
}

fn cases() -> Vec<Case<'static>> {
    TABLE.split("=== ").skip(1).map(case).collect()
}

fn case(text: &'static str) -> Case<'static> {
    let (name, rest) = text.split_once('\n').unwrap();
    let (input, expected) = rest.split_once("---\n").unwrap();
    let variable = |line: &str| line.strip_prefix("$ ")?.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
    let environment: Vec<_> = input.lines().map_while(variable).collect();
    let written: String = input.split_inclusive('\n').skip(environment.len()).collect();
    let (file, overlay) = match written.split_once("+++\n") {
        Some((file, overlay)) => (file.to_owned(), Some(overlay.to_owned())),
        None => (written, None),
    };
    Case { name, environment, file, overlay, expected: expected.trim_end().to_owned() }
}

fn errors_of(case: &Case<'_>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let options = LoadOptions {
        file: Some(write("pintle.toml", &case.file)),
        overlays: case.overlay.iter().map(|text| write("overlay.toml", text)).collect(),
        environment: case.environment.clone(),
        ..LoadOptions::default()
    };
    let errors = load(&options).map(|_| ()).map_err(|errors| errors.to_string()).err().unwrap_or_default();
    errors.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn every_bad_configuration_gets_exactly_its_errors() {
    let cases = cases();
    assert!(cases.len() >= 40);
    let mut actual = String::new();
    for case in &cases {
        let errors = errors_of(case);
        if errors != case.expected {
            actual.push_str(&format!("=== {}\nexpected:\n{}\nactual:\n{errors}\n\n", case.name, case.expected));
        }
    }
    assert!(actual.is_empty(), "{actual}");
}
