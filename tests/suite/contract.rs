//! The released contract: its WIT, and components that were built for it, as they were on the day of the release. Each of
//! them has to load and answer for ever.

use crate::plugins::{component, library};
use pintle::clock::SystemClock;
use pintle::entropy::SystemEntropy;
use pintle::plugin::trial::{Trial, TrialFixtures};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The folder of version 1.0.0.
fn released() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/contract/1.0.0")
}

/// A component of the release.
pub fn golden(name: &str) -> PathBuf {
    released().join(format!("{name}.wasm"))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn what_was_released_is_as_it_was() {
    let sums = text(&released().join("SHA256SUMS"));
    let sums: BTreeMap<&str, &str> =
        sums.lines().map(|line| line.split_once("  ").unwrap()).map(|(s, n)| (n, s)).collect();
    let found: BTreeSet<String> = std::fs::read_dir(released())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "SHA256SUMS")
        .collect();
    assert_eq!(found, sums.keys().map(|name| (*name).to_owned()).collect());
    for (name, sum) in sums {
        let hash = Sha256::digest(std::fs::read(released().join(name)).unwrap());
        assert_eq!(hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), sum, "{name}");
    }
}

/// Interfaces by name, each as its declarations without comments and white space.
fn interfaces(wit: &str) -> BTreeMap<String, BTreeSet<String>> {
    let bare: Vec<&str> = wit.lines().map(|line| line.split("//").next().unwrap_or_default().trim()).collect();
    let mut found = BTreeMap::new();
    for block in bare.join(" ").split("interface ").skip(1) {
        let (name, rest) = block.split_once('{').unwrap();
        let (mut depth, mut declaration, mut declarations) = (0, String::new(), BTreeSet::new());
        for character in rest.chars() {
            depth += i32::from(character == '{') - i32::from(character == '}');
            if depth < 0 {
                break;
            }
            declaration.push(character);
            let is_use = declaration.trim_start().starts_with("use ");
            if depth == 0 && (character == ';' || character == '}' && !is_use) {
                declarations.insert(declaration.split_whitespace().collect());
                declaration.clear();
            }
        }
        found.insert(name.trim().to_owned(), declarations);
    }
    found
}

/// What a plugin exports stays exactly as it is, and so does what types there are: one field more and old guests are not found
/// any more. The host may offer further functions.
#[test]
fn the_contract_has_all_that_was_released() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (old, new) = (text(&released().join("pintle.wit")), text(&root.join("plugin-api/wit/pintle.wit")));
    let host: BTreeSet<&str> =
        old.lines().filter_map(|line| line.trim().strip_prefix("import ")?.strip_suffix(';')).collect();
    let (old, new) = (interfaces(&old), interfaces(&new));
    assert_eq!((old.len(), host.len()), (19, 9), "{:?} {host:?}", old.keys());
    assert!(old["types"].iter().any(|declaration| declaration.starts_with("recordaccount{id:string,")), "{old:#?}");
    for (name, declarations) in &old {
        let now = new.get(name).unwrap_or_else(|| panic!("{name} is gone"));
        let missing: Vec<_> = declarations.difference(now).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
        assert!(host.contains(name.as_str()) || declarations == now, "{name} has grown: {now:?}");
    }
}

/// Those in Rust log users in where each packaging does; see `packagings` and `kinds`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_in_c_of_the_release_passes_the_kit() {
    let runtime = Handle::current();
    let run = move || {
        let fixtures = TrialFixtures::parse(&text(&released().join("greeter-c.toml"))).unwrap();
        let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(SystemEntropy));
        Trial::new(&golden("greeter-c"), fixtures, clock, entropy, runtime).unwrap().run()
    };
    let report = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(report.passed() && report.outcomes.len() > 10, "{report}");
}

/// Panics name their place: not where a vendor's machine keeps it.
#[test]
fn a_plugin_does_not_tell_where_it_was_built() {
    for built in [component("plugins/jwt"), library("plugins/jwt")] {
        let bytes = std::fs::read(built.path).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|found| found == text.as_bytes());
        assert!(has("/cargo/"), "it names the places of panics");
        for place in [std::env::var("CARGO_HOME"), std::env::var("HOME")].into_iter().flatten() {
            assert!(!has(&place), "{place}");
        }
        assert!(!has(env!("CARGO_MANIFEST_DIR")));
    }
}
