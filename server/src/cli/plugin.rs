//! `pintle plugin …`.

pub mod args;
mod check;
mod file;
mod make;
mod new;
mod trial;
mod trust;

use super::args::{PluginBuild, PluginMaking};
use super::exit::Failure;
use super::open::Opening;
use super::text;
use pintle::plugin::build::{self, BuildError, BuildOptions};
use serde_json::json;

/// Does what is asked.
pub fn run(open: &Opening, json: bool, command: PluginMaking) -> Result<(), Failure> {
    match command {
        PluginMaking::Build(build) => self::build(json, build),
        PluginMaking::Keygen(args) => trust::keygen(open, json, &args),
        PluginMaking::Bundle(args) => make::bundle(json, &args),
        PluginMaking::Sign(args) => trust::sign(json, &args),
        PluginMaking::Verify(args) => trust::verify(open, json, &args),
        PluginMaking::Inspect(args) => trust::inspect(json, &args),
        PluginMaking::Check(args) => super::block_on(check::check(open, json, args)),
        PluginMaking::New(options) => new::new(json, options),
        PluginMaking::Test(options) => trial::test(open, json, options),
        PluginMaking::Bench(options) => trial::bench(open, json, options),
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
    if build.bundle {
        text::answer(json, &make::of_built(&build.crate_dir, &built, build.native)?);
        return Ok(());
    }
    let answer = json!({
        "name": built.about.name,
        "version": built.about.version,
        "kinds": built.about.kinds,
        "file": built.path,
        "sha256": built.sha256,
        "bytes": built.size,
    });
    text::answer(json, &answer);
    Ok(())
}
