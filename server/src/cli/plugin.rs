//! `pintle plugin …`.

mod new;
mod trial;

use super::args::{PluginBuild, PluginCommand};
use super::exit::Failure;
use super::open::Opening;
use super::text;
use pintle::plugin::build::{self, BuildError, BuildOptions};
use serde_json::{Value, json};

/// Does what is asked.
pub fn plugin(open: &Opening, json: bool, command: PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::Build(options) => build(json, options),
        PluginCommand::New(options) => new::new(json, options),
        PluginCommand::Test(options) => trial::test(open, json, options),
        PluginCommand::Bench(options) => trial::bench(open, json, options),
    }
}

/// Builds, with Cargo's progress on standard error.
fn build(json: bool, build: PluginBuild) -> Result<(), Failure> {
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
