//! The configuration: files and environment merged by figment, then read one section at a time and cross-checked.
//!
//! Figment would stop at the first mistake, so it only merges; [`load`] walks the merged tree and reports everything.

mod check;
mod client_value;
mod clients;
mod development;
pub mod error;
mod events;
mod keys;
mod layer;
mod listen;
pub mod model;
mod nearest;
mod operation;
mod passwords;
mod path;
mod paths;
mod places;
mod plugins;
mod read;
mod report;
pub mod secret;
mod server;
mod tokens;
mod uri;
mod users;
mod warnings;

pub use client_value::ClientValue;
pub use error::{ConfigError, ConfigErrors, Place, Warning};
pub use events::KINDS as EVENT_KINDS;
pub use places::Places;

use figment::value::Value;
use layer::Layer;
use model::Config;
use path::KeyPath;
use read::{Context, Node, Table};
use report::Report;
use std::path::PathBuf;

/// Every key with its default; the weakest layer.
pub const DEFAULTS: &str = include_str!("../../../config/default.toml");

/// What runs when no file is named.
pub const DEVELOPMENT: &str = include_str!("../../../config/development.toml");

/// What to load, the weakest first: the defaults, `file`, `overlays`, `environment`. A later layer's keys win; tables
/// are joined, lists (`[[clients]]` too) replaced as a whole.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The configuration file; without one [`DEVELOPMENT`]. Relative paths start from its folder, whichever layer they
    /// are in; without a file from the working directory.
    pub file: Option<PathBuf>,
    /// Files of the same form laid over it, in order.
    pub overlays: Vec<PathBuf>,
    /// The process's environment. Of `PINTLE_…` variables two underscores separate keys: `PINTLE_LISTEN__ADDRESS`.
    pub environment: Vec<(String, String)>,
    /// User verifiers that the embedding program brings ([`crate::app::Builder::user_verifier`]): the chain may name them.
    pub embedded: Vec<String>,
}

/// A configuration that is free of errors.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// What `pintle check` tells the operator.
    pub warnings: Vec<Warning>,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
}

/// Loads the configuration.
///
/// # Errors
/// All that is wrong: files that cannot be read or are no TOML; otherwise unknown keys, wrong types, bad values and
/// contradictions.
pub fn load(options: &LoadOptions) -> Result<Loaded, ConfigErrors> {
    let files: Vec<PathBuf> = options.file.iter().chain(&options.overlays).cloned().collect();
    let layers = layers(options)?;
    let root = Value::from(layer::merge(&layers));
    let folder = options.file.as_deref().and_then(std::path::Path::parent).map(PathBuf::from).unwrap_or_default();
    let context = Context { report: Report::new(&layers), folder };
    layers.iter().for_each(|layer| layer.report_faults(&context.report));
    let config = Node { value: &root, path: KeyPath::default(), context: &context }.table(read).flatten();
    let places = Places::new(options, &layers);
    let config = config.map(|config| Config { embedded: options.embedded.clone(), places, ..config });
    if let Some(config) = &config {
        check::check(config, &context.report);
        warnings::warn(config, &files, &context.report);
    }
    let warnings = context.report.finish()?;
    // A configuration that could not be built left an error, so `finish` has returned already.
    config.map(|config| Loaded { config, warnings, files }).ok_or(ConfigErrors(Vec::new()))
}

fn layers(options: &LoadOptions) -> Result<Vec<Layer>, ConfigErrors> {
    let mut read = vec![built_in("config/default.toml", DEFAULTS)];
    read.push(match &options.file {
        Some(file) => Layer::file(file),
        None => built_in("config/development.toml", DEVELOPMENT),
    });
    read.extend(options.overlays.iter().map(|file| Layer::file(file)));
    let (layers, errors): (Vec<_>, Vec<_>) = read.into_iter().partition(Result::is_ok);
    let errors: Vec<ConfigError> = errors.into_iter().filter_map(Result::err).map(|error| *error).collect();
    if !errors.is_empty() {
        return Err(ConfigErrors(errors));
    }
    let mut layers: Vec<Layer> = layers.into_iter().filter_map(Result::ok).collect();
    let mut secrets = secret_variables(&Value::from(layer::merge(&layers)));
    let indirect = options.environment.iter().filter(|(name, _)| name.ends_with("__ENV"));
    secrets.extend(indirect.map(|(_, variable)| variable.clone()));
    layers.push(Layer::environment(&options.environment, &secrets));
    if options.file.is_none()
        && let Some(issuer) = development::issuer(&layer::merge(&layers))
        && let Ok(layer) = built_in("config/development.toml", &format!("issuer = {issuer:?}"))
    {
        // Below everything that the operator wrote.
        layers.insert(2, layer);
    }
    Ok(layers)
}

fn built_in(name: &str, text: &str) -> Result<Layer, Box<ConfigError>> {
    Layer::text(format!("{name} (built in)"), text.to_owned())
}

/// The variables that `{ env = "…" }` names: `PINTLE_MASTER_KEY` there is no key of ours.
fn secret_variables(value: &Value) -> Vec<String> {
    match value {
        Value::Array(_, values) => values.iter().flat_map(secret_variables).collect(),
        Value::Dict(_, keys) => {
            let own = keys.get("env").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(keys.values().flat_map(secret_variables)).collect()
        }
        _ => Vec::new(),
    }
}

/// `None` where a whole section is something else than a table.
fn read(table: &mut Table<'_>) -> Option<Config> {
    let issuer = server::issuer(table);
    let data_dir = server::data_dir(table);
    let listen = table.optional("listen", listen::listen);
    let paths = table.optional("paths", paths::paths);
    let grants = table.optional("grants", tokens::grants);
    let tokens = table.optional("tokens", |node| tokens::tokens(node, &issuer));
    let keys = table.optional("keys", keys::keys);
    let authorize = table.optional("authorize", tokens::authorize);
    let compatibility = table.optional("compatibility", tokens::compatibility);
    let passwords = table.optional("passwords", passwords::passwords);
    let lockout = table.optional("lockout", passwords::lockout);
    let store = table.optional("store", operation::store);
    let log = table.optional("log", operation::log);
    let monitoring = table.optional("monitoring", listen::monitoring);
    let trust = table.optional("trust", plugins::trust);
    let clients = table.key("clients", clients::clients);
    let plugins = table.key("plugins", plugins::plugins);
    let users = table.key("users", users::users);
    let claims = table.key("claims", users::claims);
    let scope_policies = table.key("scopes", users::scopes);
    let events = table.optional("events", events::events);
    let development = table.optional("development", users::development);
    Some(Config {
        issuer,
        data_dir,
        listen: listen?,
        paths: paths?,
        grants: grants?,
        tokens: tokens?,
        keys: keys?,
        authorize: authorize?,
        compatibility: compatibility?,
        passwords: passwords?,
        lockout: lockout?,
        store: store?,
        log: log?,
        monitoring: monitoring?,
        trust: trust?,
        clients,
        plugins,
        embedded: Vec::new(),
        places: Places::default(),
        chain: users.chain,
        sync: users.sync,
        claims,
        scope_policies,
        events: events?,
        development,
    })
}

#[cfg(test)]
mod tests;
