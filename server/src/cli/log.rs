//! The process's log, on standard error: standard output is for answers.

use super::exit::Failure;
use pintle::config::model::Log;
use pintle::logging;
use std::io::IsTerminal;

/// A server's, as its configuration says.
pub fn install(log: &Log) -> Result<(), Failure> {
    let colours = std::io::stderr().is_terminal();
    let subscriber = logging::subscriber(log, colours, std::io::stderr)
        .map_err(|cause| Failure::configuration(format!("log.filter: {cause}")))?;
    tracing::subscriber::set_global_default(subscriber).map_err(Failure::unavailable)
}

/// A command's: what its answer does not say.
pub fn install_for_command() -> Result<(), Failure> {
    install(&Log { json: false, filter: "warn,pintle::keys=error".to_owned(), audit: None })
}
