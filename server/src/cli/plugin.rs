//! `pintle plugin …`.

use super::args::PluginBuild;
use super::exit::Failure;
use super::text;
use pintle::plugin::build::{self, BuildError, BuildOptions};
use serde_json::{Value, json};

/// Builds, with Cargo's progress on standard error.
pub fn build(json: bool, build: PluginBuild) -> Result<(), Failure> {
    let options = BuildOptions {
        out_dir: build.out_dir,
        target_dir: build.target_dir,
        offline: build.offline,
        locked: build.locked,
    };
    let mut progress = |line: &str| eprintln!("{line}");
    let built = if build.native {
        build::build_native(&build.crate_dir, &options, &mut progress)
    } else {
        build::build(&build.crate_dir, &options, &mut progress)
    };
    let built = built.map_err(|error| match error {
        BuildError::Toolchain(_) => Failure::unavailable(error),
        _ => Failure::refused(error),
    })?;
    let answer = json!({
        "name": built.about.name,
        "version": built.about.version,
        "kinds": built.about.kinds,
        "file": built.path,
        "sha256": built.sha256,
        "bytes": built.size,
    });
    match &answer {
        Value::Object(object) if !json => text::print(&text::object(object)),
        answer => text::print_json(answer),
    }
    Ok(())
}
