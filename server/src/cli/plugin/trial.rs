//! `pintle plugin test` and `pintle plugin bench`.

use super::file;
use crate::cli::args::PluginTrial;
use crate::cli::exit::Failure;
use crate::cli::open::Opening;
use crate::cli::text;
use pintle::config::model::PluginSource;
use pintle::plugin::bundle::Code;
use pintle::plugin::trial::{Figure, Trial, TrialFixtures, bench as time};
use pintle_plugin_api::conformance::Report;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Runs the conformance kit and prints its report.
pub fn test(open: &Opening, json: bool, options: PluginTrial) -> Result<(), Failure> {
    let runtime = runtime()?;
    let (file, trial) = (options.file.clone(), prepare(open, options, &runtime)?);
    let report = trial.run();
    if json {
        text::print_json(&as_json(&report, trial.sha256()));
    } else {
        let sha256 = trial.sha256();
        text::print(&format!("{report}file    {}\nsha256  {sha256}\npintle  {VERSION}\n", file.display()));
    }
    let (failed, tried) =
        (report.failures().count(), report.outcomes.iter().filter(|outcome| outcome.not_tried.is_none()));
    if report.passed() { Ok(()) } else { Err(Failure::refused(format!("{failed} of {} checks failed", tried.count()))) }
}

/// Times the functions and prints a table.
pub fn bench(open: &Opening, json: bool, options: PluginTrial) -> Result<(), Failure> {
    let runtime = runtime()?;
    let trial = prepare(open, options, &runtime)?;
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

fn prepare(open: &Opening, options: PluginTrial, runtime: &Runtime) -> Result<Trial, Failure> {
    if !options.native && is_native(&options.file)? {
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

/// Whether the file's code would run with the caller's rights. A file that is no plugin's is refused later.
fn is_native(path: &Path) -> Result<bool, Failure> {
    Ok(match PluginSource::of_file(path.to_owned()) {
        Some(PluginSource::Native(_)) => true,
        Some(PluginSource::Bundle(path)) => matches!(file::read(&path)?.code(), Code::Libraries),
        Some(PluginSource::Wasm(_) | PluginSource::Builtin(_)) | None => false,
    })
}

fn as_json(report: &Report, sha256: &str) -> Value {
    json!({
        "plugin": report.plugin,
        "sha256": sha256,
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
