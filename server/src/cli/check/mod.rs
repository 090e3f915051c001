//! `pintle check`: everything that `serve` does before it listens, on a store that is there or on none.

mod report;

use super::exit::Failure;
use super::open::Opening;
use super::{log, serve, text};
use pintle::admin::{self, Command};
use pintle::app::{App, Builder};
use pintle::config::Loaded;
use pintle::config::model::{Algorithm, Config};
use pintle::entropy;
use pintle::flow::Core;
use pintle::keys::{MASTER_KEY_FILE, MasterKey, MasterKeyOrigin};
use pintle::logging;
use pintle::plugin::registry::LoadedPlugin;
use pintle::store::memory::MemoryStore;
use pintle::store::sled::{OpenError, SledOptions, SledStore};
use report::{ChainStep, Endpoints, KeySource, PluginFacts, PolicyStep, Report, StoreFacts};
use serde_json::Value;
use std::sync::Arc;

/// Loads everything and prints what would run.
pub async fn check(open: &Opening, json: bool) -> Result<(), Failure> {
    log::install_for_command()?;
    let loaded = open.load()?;
    verify_files(&loaded.config)?;
    let (builder, store) = on_existing_store(open, &loaded.config)?;
    let app = builder.build().await?;
    let report = report(&loaded, &app, store).await?;
    if json {
        text::print_json(&serde_json::to_value(&report).map_err(Failure::unavailable)?);
    } else {
        text::print(&report.text());
    }
    refuse_broken(&report.plugins)
}

/// What the server reads beside its configuration and its plugins.
fn verify_files(config: &Config) -> Result<(), Failure> {
    logging::subscriber(&config.log, false, std::io::sink)
        .map_err(|cause| Failure::configuration(format!("log.filter: {cause}")))?;
    serve::tls(config).map(drop)
}

/// A builder that makes neither a store nor a master key nor an audit log: what is not there yet is made in memory.
fn on_existing_store(open: &Opening, config: &Config) -> Result<(Builder, StoreFacts), Failure> {
    let surroundings = &open.surroundings;
    let (clock, entropy) = (&surroundings.clock, &*surroundings.entropy);
    let path = config.data_dir.join("store");
    let mut unaudited = config.clone();
    unaudited.log.audit = config.log.audit.clone().filter(|file| file.exists());
    let mut builder = open.builder(unaudited);
    let mut facts = StoreFacts { path: path.clone(), state: "ok".to_owned() };
    let in_memory = || Arc::new(MemoryStore::new(clock.clone()));
    if path.exists() {
        let options = SledOptions { path, cache_mib: config.store.cache_mib };
        builder = match SledStore::open(options, clock.clone()) {
            Ok(store) => builder.store(Arc::new(store)),
            Err(OpenError::InUse { process, .. }) => {
                facts.state = format!("in use by process {process}, not looked at");
                builder.store(in_memory())
            }
            Err(error) => return Err(Failure::unavailable(error)),
        };
    } else {
        "not there yet, made at the first start".clone_into(&mut facts.state);
        builder = builder.store(in_memory());
    }
    let key_file = config.data_dir.join(MASTER_KEY_FILE);
    if config.keys.master.is_none() && !key_file.exists() {
        let origin = MasterKeyOrigin::DataDir { path: key_file, generated: false };
        builder = builder.master_key(MasterKey::new(entropy::array(entropy)), origin);
    }
    Ok((builder, facts))
}

async fn report(loaded: &Loaded, app: &App, store: StoreFacts) -> Result<Report, Failure> {
    let config = &app.config;
    let algorithms: Vec<&str> = app.core.keys.list().iter().map(|key| key.algorithm).map(Algorithm::name).collect();
    Ok(Report {
        files: loaded.files.clone(),
        issuer: config.issuer.clone(),
        listeners: config.listen.addresses.iter().map(|address| report::listener(address, &config.listen)).collect(),
        monitoring: config.monitoring.address.as_ref().map(report::address),
        admin_socket: admin::socket_path(&config.data_dir),
        endpoints: Endpoints::of(app),
        clients: clients(&app.core).await?,
        chain: config.chain.iter().map(ChainStep::of).collect(),
        plugins: plugins(app),
        scope_policies: config.scope_policies.iter().map(PolicyStep::of).collect(),
        token_format: config.tokens.access.format.clone(),
        algorithm: algorithms.first().map(|name| (*name).to_owned()),
        master_key: KeySource::of(&app.master_key),
        store,
        warnings: loaded.warnings.iter().map(ToString::to_string).collect(),
    })
}

async fn clients(core: &Core) -> Result<Vec<Value>, Failure> {
    let mut clients = Vec::new();
    let mut after = None;
    loop {
        let mut page = admin::execute(core, Command::ClientList { after }).await?;
        if let Value::Array(items) = page["items"].take() {
            clients.extend(items);
        }
        match page["next"].take() {
            Value::String(next) => after = Some(next),
            _ => return Ok(clients),
        }
    }
}

fn plugins(app: &App) -> Vec<PluginFacts> {
    let facts = |plugin: &Arc<LoadedPlugin>| PluginFacts::of(plugin, app.config.plugins.get(&plugin.name));
    app.registry.plugins().map(facts).collect()
}

/// A server would start without a plugin that is not required, and answer 503 where it is asked.
fn refuse_broken(plugins: &[PluginFacts]) -> Result<(), Failure> {
    let broken = |plugin: &PluginFacts| Some(format!("plugin {}: {}", plugin.name, plugin.failure.as_ref()?));
    let broken: Vec<String> = plugins.iter().filter_map(broken).collect();
    if broken.is_empty() { Ok(()) } else { Err(Failure::configuration(broken.join("\n"))) }
}
