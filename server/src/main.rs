//! The command line. Everything that is the process's, and not the library's, begins here: the arguments, the
//! environment, the clock, the randomness, the runtime, the subscriber and the signals.

mod cli;

use clap::Parser;
use pintle::clock::SystemClock;
use pintle::entropy::SystemEntropy;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let surroundings = cli::Surroundings {
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(SystemEntropy),
        // A variable that is no text cannot be one of ours.
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    };
    cli::run(cli::args::Cli::parse(), surroundings).into()
}
