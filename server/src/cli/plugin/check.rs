//! `plugin check`: a plugin loaded as a server would, in a rehearsal that leaves nothing behind.

use super::args::Check;
use super::file;
use crate::cli::exit::Failure;
use crate::cli::open::Opening;
use crate::cli::{log, text};
use pintle::app::StartError;
use pintle::config::model::{PluginEntry, PluginSource};
use pintle::config::{self, LoadOptions};
use pintle::plugin::private_dir::sha256_hex;
use serde_json::{Value, json};

/// The entry's name.
const NAME: &str = "plugin";

pub async fn check(open: &Opening, json: bool, args: Check) -> Result<(), Failure> {
    log::install_for_command()?;
    let given: Value = serde_json::from_str(&args.config_json)
        .map_err(|error| Failure::usage(format!("--config-json is no JSON: {error}")))?;
    if !given.is_object() {
        return Err(Failure::usage("--config-json is no object"));
    }
    let path = std::path::absolute(&args.file)
        .map_err(|error| Failure::refused(format!("{}: {error}", args.file.display())))?;
    let source = PluginSource::of_file(path.clone()).unwrap_or_else(|| PluginSource::Native(path.clone()));
    if matches!(source, PluginSource::Native(_)) && !args.native {
        return Err(native_unsaid());
    }
    let sha256 = sha256_hex(&file::read_bytes(&path)?);
    // The development configuration, of which nothing is used but that it is one.
    let mut config = config::load(&LoadOptions::default()).map_err(Failure::configuration)?.config;
    config.data_dir = std::env::temp_dir().join(format!("pintle-{sha256}"));
    config.trust.native = args.native;
    config.plugins.insert(NAME.to_owned(), entry(source, sha256.clone(), args.config_json));
    let app = open.builder(config).rehearsal().build().await.map_err(|error| failure(&error))?;
    let registry = app.registry();
    let plugin = registry.plugin(NAME).ok_or_else(|| Failure::unavailable("the plugin is gone"))?;
    let answer = json!({
        "file": args.file,
        "sha256": sha256,
        "version": plugin.version,
        "packaging": plugin.packaging.name(),
        "kinds": plugin.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>(),
        "wants": plugin.ungranted,
    });
    text::answer(json, &answer);
    Ok(())
}

/// For every command that would run a library.
pub fn native_unsaid() -> Failure {
    Failure::refused("a native plugin runs with your rights: say --native where that is meant")
}

fn entry(source: PluginSource, sha256: String, config_json: String) -> PluginEntry {
    let (required, allow_downgrade) = (true, true);
    PluginEntry { sha256: Some(sha256), config_json, required, allow_downgrade, ..PluginEntry::new(source) }
}

/// The faults by the plugin's own paths: there is no file of an operator.
fn failure(error: &StartError) -> Failure {
    let StartError::Faults(faults) = error else { return Failure::unavailable(error) };
    let prefix = format!("plugins.{NAME}.");
    let line = |fault: &pintle::app::Fault| {
        let key = fault.key.strip_prefix(&prefix).unwrap_or(&fault.key);
        format!("{key}: {}", fault.text)
    };
    Failure::refused(faults.iter().map(line).collect::<Vec<_>>().join("\n"))
}
