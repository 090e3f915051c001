//! `pintle plugin test` and `pintle plugin bench`.

use super::file;
use crate::cli::args::PluginTrial;
use crate::cli::exit::Failure;
use crate::cli::open::Opening;
use crate::cli::text;
use pintle::config::model::PluginSource;
use pintle::plugin::bundle::{Bundle, Code};
use pintle::plugin::trial::{Figure, Trial, TrialFixtures, bench as time};
use pintle_plugin_api::conformance::Report;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Runs the conformance kit and prints its report.
pub fn test(open: &Opening, json: bool, options: PluginTrial) -> Result<(), Failure> {
    let runtime = runtime()?;
    let bundle = bundle(&options.file)?;
    let signers = bundle.as_ref().map(|bundle| signers(&options.file, bundle)).transpose()?;
    let (file, trial) = (options.file.clone(), prepare(open, options, bundle.as_ref(), &runtime)?);
    let report = trial.run();
    if json {
        text::print_json(&as_json(&report, trial.sha256(), &signers.unwrap_or_default()));
    } else {
        let (sha256, signed) = (trial.sha256(), signers.as_deref().map(signed).unwrap_or_default());
        text::print(&format!("{report}file    {}\nsha256  {sha256}\npintle  {VERSION}\n{signed}", file.display()));
    }
    let (failed, tried) =
        (report.failures().count(), report.outcomes.iter().filter(|outcome| outcome.not_tried.is_none()));
    if report.passed() { Ok(()) } else { Err(Failure::refused(format!("{failed} of {} checks failed", tried.count()))) }
}

/// Times the functions and prints a table.
pub fn bench(open: &Opening, json: bool, options: PluginTrial) -> Result<(), Failure> {
    let runtime = runtime()?;
    let bundle = bundle(&options.file)?;
    let trial = prepare(open, options, bundle.as_ref(), &runtime)?;
    let figures = time(&trial).map_err(Failure::refused)?;
    if json {
        let figures = serde_json::to_value(&figures).map_err(Failure::unavailable)?;
        text::print_json(&json!({ "sha256": trial.sha256(), "pintle": VERSION, "figures": figures }));
    } else {
        text::print(&table(&figures));
    }
    Ok(())
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|cause| Failure::unavailable(format!("cannot start the threads: {cause}")))
}

/// - `bundle`: the file, where it is one
fn prepare(open: &Opening, options: PluginTrial, bundle: Option<&Bundle>, runtime: &Runtime) -> Result<Trial, Failure> {
    if !options.native && is_native(&options.file, bundle) {
        return Err(super::check::native_unsaid());
    }
    let fixtures = match &options.fixtures {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::refused(format!("{}: {error}", path.display())))?;
            TrialFixtures::parse(&text).map_err(|error| Failure::refused(format!("{}: {error}", path.display())))?
        }
        None => TrialFixtures::default(),
    };
    let fixtures = match &options.config_json {
        Some(json) => fixtures.with_config_json(json).map_err(Failure::refused)?,
        None => fixtures,
    };
    let surroundings = &open.surroundings;
    let (clock, entropy) = (Arc::clone(&surroundings.clock), Arc::clone(&surroundings.entropy));
    Trial::new(&options.file, fixtures, clock, entropy, runtime.handle().clone()).map_err(Failure::refused)
}

/// The file as a bundle; none where it is none by its name.
fn bundle(path: &Path) -> Result<Option<Bundle>, Failure> {
    match PluginSource::of_file(path.to_owned()) {
        Some(PluginSource::Bundle(path)) => file::read(&path).map(Some),
        _ => Ok(None),
    }
}

/// Whether the file's code would run with the caller's rights. A file that is no plugin's is refused later.
fn is_native(path: &Path, bundle: Option<&Bundle>) -> bool {
    let is_library = matches!(PluginSource::of_file(path.to_owned()), Some(PluginSource::Native(_)));
    bundle.map_or(is_library, |bundle| matches!(bundle.code(), Code::Libraries))
}

/// The ids of the keys that have signed a bundle. Whether they are trusted is for the operator to say, but what was changed
/// after it was signed is not even tried.
fn signers(path: &Path, bundle: &Bundle) -> Result<Vec<String>, Failure> {
    if let Some(invalid) = bundle.signatures().iter().find(|signature| !bundle.is_signed(signature)) {
        let why = format!("it was changed: the signature of {} is not one of it", invalid.key.id());
        return Err(Failure::refused(format!("{}: {why}", path.display())));
    }
    Ok(bundle.signatures().iter().map(|signature| signature.key.id()).collect())
}

fn signed(signers: &[String]) -> String {
    if signers.is_empty() {
        return "not signed\n".to_owned();
    }
    signers.iter().map(|id| format!("signed by {id}\n")).collect()
}

fn as_json(report: &Report, sha256: &str, signers: &[String]) -> Value {
    json!({
        "plugin": report.plugin,
        "sha256": sha256,
        "signed_by": signers,
        "pintle": VERSION,
        "passed": report.passed(),
        "outcomes": report.outcomes,
    })
}

fn table(figures: &[Figure]) -> String {
    let columns =
        [("FUNCTION", "function"), ("REUSE", "reuse"), ("CALLS/S", "rate"), ("P50 µs", "p50"), ("P99 µs", "p99")];
    let row = |figure: &Figure| {
        json!({
            "function": figure.function,
            "reuse": figure.reuse.to_string(),
            "rate": format!("{:.0}", figure.calls_per_second),
            "p50": format!("{:.1}", figure.p50_us),
            "p99": format!("{:.1}", figure.p99_us),
        })
    };
    text::table(&columns, &figures.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle::entropy::SystemEntropy;
    use pintle::keys::vendor::VendorKey;
    use pintle::plugin::bundle::Part;
    use std::collections::BTreeMap;

    #[test]
    fn a_signature_that_is_not_one_of_the_bundle_is_refused() {
        let (folder, key) = (tempfile::tempdir().unwrap(), VendorKey::generate(&SystemEntropy));
        let toml = b"name = \"erp\"\nversion = \"1.0.0\"\nkinds = [\"user-verifier\"]\n".to_vec();
        let contents = [(Part::PLUGIN_TOML, toml), (Part::COMPONENT, b"\0asm".to_vec())];
        let mut bundle = Bundle::new(BTreeMap::from(contents)).unwrap();
        let path = folder.path().join("erp.pintle");
        let signers_of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let read = super::bundle(&path)?;
            read.map(|bundle| signers(&path, &bundle)).transpose()
        };
        assert_eq!(signers_of(&bundle.to_bytes()).unwrap(), Some(Vec::new()));
        bundle.sign(&key).unwrap();
        let (mut bytes, id) = (bundle.to_bytes(), key.public().id());
        assert_eq!(signers_of(&bytes).unwrap(), Some(vec![id.clone()]));
        let signature = bundle.signatures()[0].signature;
        let at = bytes.windows(signature.len()).position(|found| found == signature).unwrap();
        bytes[at] ^= 1;
        let refused = signers_of(&bytes).unwrap_err().to_string();
        assert!(refused.contains(&format!("it was changed: the signature of {id} is not one of it")), "{refused}");
        assert!(super::bundle(Path::new("erp.wasm")).unwrap().is_none());
    }

    #[test]
    fn every_signer_has_a_line() {
        assert_eq!(signed(&[]), "not signed\n");
        assert_eq!(signed(&["a".to_owned(), "b".to_owned()]), "signed by a\nsigned by b\n");
    }
}
