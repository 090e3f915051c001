//! How a command ends.

use pintle::admin::{AdminError, ErrorKind};
use pintle::app::StartError;
use pintle::printable;
use std::fmt::{self, Display};
use std::process::ExitCode;

/// The exit codes; `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Refused = 1,
    /// By clap, which ends the process itself.
    Usage = 2,
    Configuration = 3,
    NotFound = 4,
    Unavailable = 5,
}

/// For `--help`.
pub const EXIT_CODES: &str = "Exit codes:
  0  done
  1  refused: not allowed, or it makes no sense; also root in the data folder of another user
  2  the command line cannot be understood
  3  the configuration has errors, or what it points at cannot be used; all of them are shown
  4  there is no such user, client, token or entry
  5  not now: the store is in use or broken, an address is taken, the server does not answer";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command was not done, for standard error.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    message: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: format!("error: {message}") }
    }

    pub fn refused(message: impl Display) -> Self {
        Self::new(Exit::Refused, message)
    }

    pub fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn configuration(message: impl Display) -> Self {
        Self::new(Exit::Configuration, message)
    }

    pub fn unavailable(message: impl Display) -> Self {
        Self::new(Exit::Unavailable, message)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable::lines(&self.message))
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        let exit = match error.kind {
            ErrorKind::Refused => Exit::Refused,
            ErrorKind::NotFound => Exit::NotFound,
            ErrorKind::Unavailable => Exit::Unavailable,
        };
        Self::new(exit, error)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let exit = match &error {
            StartError::Faults(faults) => {
                let many = count(faults.len());
                return Self::configuration(format!("{many} in what the configuration points at:\n{error}"));
            }
            StartError::DataDir { .. } | StartError::Store(_) | StartError::Records(_) => Exit::Unavailable,
            StartError::Keys(_) => Exit::Unavailable,
            StartError::Hashing(_) => Exit::Configuration,
        };
        Self::new(exit, error)
    }
}

/// So many errors, in words.
pub fn count(errors: usize) -> String {
    if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
}
