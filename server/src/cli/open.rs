//! From the command line's files to a configuration, and to a server that is wired and does not listen.

use super::Surroundings;
use super::args::Sources;
use super::exit::{Failure, count};
use pintle::app::Builder;
use pintle::config::model::Config;
use pintle::config::{self, LoadOptions, Loaded};

/// What every command starts from.
pub struct Opening {
    pub sources: Sources,
    pub surroundings: Surroundings,
}

impl Opening {
    /// The configuration, or everything that is wrong with it.
    pub fn load(&self) -> Result<Loaded, Failure> {
        config::load(&self.options()).map_err(|errors| {
            Failure::configuration(format!("{} in the configuration:\n{errors}", count(errors.0.len())))
        })
    }

    /// Where the configuration is.
    pub fn options(&self) -> LoadOptions {
        LoadOptions {
            file: self.sources.config.clone(),
            overlays: self.sources.overlay.clone(),
            environment: self.surroundings.environment.clone(),
            ..LoadOptions::default()
        }
    }

    /// For a server on this process's clock, randomness and environment.
    pub fn builder(&self, config: Config) -> Builder {
        let Surroundings { clock, entropy, environment } = &self.surroundings;
        Builder::new(config).clock(clock.clone()).entropy(entropy.clone()).environment(environment.clone())
    }
}
