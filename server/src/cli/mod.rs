//! The commands: what is asked on the command line becomes a call of the library, its answer text or JSON.

mod admin;
pub mod args;
mod background;
mod check;
mod demo;
mod diff;
mod exit;
mod explain;
mod log;
mod open;
mod owner;
mod password;
mod patience;
#[cfg(feature = "wasm")]
mod plugin;
mod progress;
mod serve;
mod sync;
mod text;
mod transfer;
mod user_rows;

use args::{Cli, Command};
use clap::CommandFactory;
pub use exit::Exit;
use exit::Failure;
use pintle::clock::Clock;
use pintle::entropy::Entropy;
use std::future::Future;
use std::sync::Arc;

/// What the process has and the library is given.
pub struct Surroundings {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub environment: Vec<(String, String)>,
}

/// Does what the arguments say; errors go to standard error.
pub fn run(cli: Cli, surroundings: Surroundings) -> Exit {
    match dispatch(cli, surroundings) {
        Ok(()) => Exit::Done,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit
        }
    }
}

fn dispatch(cli: Cli, surroundings: Surroundings) -> Result<(), Failure> {
    let open = open::Opening { sources: cli.sources, surroundings };
    match cli.command {
        Command::Serve => block_on(serve::serve(&open)),
        Command::Check { output } => block_on(check::check(&open, output.json)),
        Command::User { output, command } => admin::user(&open, output.json, command),
        Command::Sync { output, command } => sync::sync(&open, output.json, command),
        Command::Client { output, command } => admin::client(&open, output.json, command),
        Command::Token { output, command } => admin::token(&open, output.json, command),
        Command::Keys { output, command } => admin::keys(&open, output.json, command),
        Command::Lockout { output, command } => admin::lockout(&open, output.json, command),
        Command::Explain { output, command: args::ExplainCommand::Login(login) } => {
            explain::login(&open, output.json, login)
        }
        Command::Reload { output } => admin::reload(&open, output.json, None),
        Command::Plugin { output, command: args::PluginCommand::Operate(operation) } => {
            admin::plugin(&open, output.json, operation)
        }
        Command::Event { output, command } => admin::event(&open, output.json, command),
        #[cfg(feature = "wasm")]
        Command::Plugin { output, command: args::PluginCommand::Make(making) } => {
            plugin::run(&open, output.json, making)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "pintle", &mut script);
            text::print_as_it_is(&String::from_utf8_lossy(&script));
            Ok(())
        }
    }
}

fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|cause| Failure::unavailable(format!("cannot start the threads: {cause}")))?.block_on(future)
}

#[cfg(test)]
mod tests;
