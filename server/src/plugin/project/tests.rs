use super::*;

fn project(name: &str, language: Language, native: bool) -> Project {
    Project { name: name.to_owned(), language, native }
}

fn all() -> Vec<Project> {
    use Language::{C, JavaScript, Python, Rust};
    let kinds = [(Rust, false), (Rust, true), (C, false), (C, true), (JavaScript, false), (Python, false)];
    kinds.into_iter().map(|(language, native)| project("crm-2", language, native)).collect()
}

#[test]
fn every_placeholder_is_filled_in() {
    for project in all() {
        for (path, text) in project.files().unwrap() {
            for placeholder in [
                "name", "crate", "pintle", "file", "build", "hash", "sha256", "trust", "native", "import", "bundled",
                "sdk",
            ] {
                assert!(!text.contains(&format!("{{{{{placeholder}}}}}")), "{:?}: {path}", project.language);
            }
        }
    }
}

#[test]
fn a_project_names_its_file_in_its_readme_and_its_configuration() {
    for project in all() {
        let files = project.files().unwrap();
        for path in ["README.md", "pintle.toml"] {
            let (_, text) = files.iter().find(|(found, _)| found == path).unwrap();
            assert!(text.contains(&project.built()), "{path}");
        }
    }
}

#[test]
fn the_sdk_is_the_whole_crate_but_for_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-api");
    let mut folders = vec![root.join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("tests.rs") {
                found.push(format!("sdk/{}", path.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    let mut embedded: Vec<_> = RUST_SDK.iter().map(|(path, _)| (*path).to_owned()).collect();
    found.sort();
    embedded.sort();
    assert_eq!(embedded, found);
}

#[test]
fn the_sdk_depends_on_what_the_crate_depends_on() {
    let table = |text: &str| text.parse::<toml_edit::DocumentMut>().unwrap();
    let root = table(include_str!("../../../../Cargo.toml"));
    let own = table(include_str!("../../../../plugin-api/Cargo.toml"));
    let sdk = table(include_str!("../../../../plugin-api/templates/rust/sdk/Cargo.toml"));
    let names =
        |table: &toml_edit::Item| table.as_table().unwrap().iter().map(|(k, _)| k.to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&sdk["dependencies"]), names(&own["dependencies"]));
    for name in names(&own["dependencies"]) {
        let (shared, mine) = (&root["workspace"]["dependencies"][&name], &sdk["dependencies"][&name]);
        assert_eq!(shared.to_string().trim(), mine.to_string().trim(), "{name}");
    }
    let wasm = |manifest: &toml_edit::DocumentMut| {
        let target = &manifest["target"]["cfg(target_arch = \"wasm32\")"]["dependencies"];
        target.to_string().trim().to_owned()
    };
    assert_eq!(wasm(&sdk), wasm(&own));
}

#[test]
fn javascript_is_built_as_our_own_plugin_is() {
    let files = project("crm", Language::JavaScript, false).files().unwrap();
    let lock = &files.iter().find(|(path, _)| path == "package-lock.json").unwrap().1;
    let own = include_str!("../../../../plugins/by-department/package-lock.json");
    let packages = |text: &str| text.split_once("\"node_modules/").unwrap().1.to_owned();
    assert_eq!(packages(lock), packages(own));
}

#[test]
fn names_that_no_tool_would_take_are_refused() {
    for name in
        ["", "CRM", "1crm", "-crm", "crm-", "a--b", "../x", "a_b", "a b", "test", "pintle-plugin-api", &"x".repeat(65)]
    {
        assert!(matches!(project(name, Language::Rust, false).files(), Err(ProjectError::Name(_))), "{name}");
    }
    assert!(project("crm", Language::Python, true).files().is_err());
}

#[test]
fn every_project_has_the_contract() {
    for project in all() {
        let files = project.files().unwrap();
        let wit = files.iter().find(|(path, _)| path == "sdk/wit/pintle.wit").map(|(_, text)| text.as_str());
        assert_eq!(wit, Some(include_str!("../../../../plugin-api/wit/pintle.wit")), "{:?}", project.language);
        let readme = &files.iter().find(|(path, _)| path == "README.md").unwrap().1;
        assert!(readme.contains("sdk/wit/pintle.wit"), "{readme}");
    }
}

#[test]
fn a_folder_that_is_there_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let made = project("crm", Language::C, true).make(folder.path()).unwrap();
    std::fs::write(made.join("README.md"), "mine").unwrap();
    let again = project("crm", Language::C, true).make(folder.path());
    assert!(matches!(again, Err(ProjectError::Exists(_))));
    assert_eq!(std::fs::read_to_string(made.join("README.md")).unwrap(), "mine");
}
