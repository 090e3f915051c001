//! `pintle check`: everything that `serve` does before it listens, on a store that is there or on none.

mod report;
mod signing;

use super::exit::Failure;
use super::open::Opening;
use super::patience::{Obstacle, patiently};
use super::{log, owner, text};
use pintle::admin::client::Connection;
use pintle::admin::{self, Command};
use pintle::app::{App, StoreState};
use pintle::config::Loaded;
use pintle::config::model::Config;
use pintle::logging;
use pintle::plugin::own_code;
use pintle::plugin::registry::LoadedPlugin;
use pintle::printable;
use report::{ChainStep, Endpoints, KeySource, PluginFacts, PolicyStep, Report, SinkStep, StoreFacts};
use serde_json::Value;
use signing::Signing;
use std::sync::Arc;

/// Loads everything and prints what would run. Nothing is made, and what the store holds stays as it is.
pub async fn check(open: &Opening, json: bool) -> Result<(), Failure> {
    log::install_for_command()?;
    let loaded = open.load()?;
    verify_filter(&loaded.config)?;
    owner::refuse_foreign_data(&loaded.config.data_dir)?;
    let (app, server) = rehearse(open, &loaded.config).await?;
    // What the report says of linked-in plugins.
    tokio::task::spawn_blocking(own_code::sha256).await.map_err(Failure::unavailable)?;
    let report = report(&loaded, &app, server).await?;
    if json {
        text::print_json(&serde_json::to_value(&report).map_err(Failure::unavailable)?);
    } else {
        text::print(&report.text());
    }
    refuse_broken(&app, &report.plugins)
}

/// What would run, and the server that has its store, if one does. Waits for a command that has it for a moment.
async fn rehearse(open: &Opening, config: &Config) -> Result<(App, Option<Connection>), Failure> {
    let builder = || open.builder(config.clone()).with_tls();
    let mut in_use = false;
    let built = patiently(&*open.surroundings.clock, async || {
        let server = Connection::open(&config.data_dir).await?;
        let builder = if server.is_some() { builder().rehearsal_beside() } else { builder().rehearsal() };
        let built = builder.build().await.map_err(Obstacle::of_start);
        in_use = matches!(built, Err(Obstacle::InUse(_)));
        Ok((built?, server))
    });
    match built.await {
        // By something that takes no commands.
        Err(_) if in_use => Ok((builder().rehearsal_beside().build().await?, None)),
        outcome => outcome,
    }
}

fn verify_filter(config: &Config) -> Result<(), Failure> {
    logging::subscriber(&config.log, false, std::io::sink)
        .map(drop)
        .map_err(|cause| Failure::configuration(format!("log.filter: {cause}")))
}

async fn report(loaded: &Loaded, app: &App, server: Option<Connection>) -> Result<Report, Failure> {
    let config = &*app.config();
    let Stored { clients, state, signing } = stored(app, server).await?;
    let plugins = plugins(app);
    let warnings = loaded.warnings.iter().map(ToString::to_string);
    let warnings = warnings.chain(signing.warning).chain(dispensable(app, &plugins)).chain(ungranted(app)).collect();
    Ok(Report {
        files: loaded.files.clone(),
        issuer: config.issuer.clone(),
        listeners: config.listen.addresses.iter().map(|address| report::listener(address, &config.listen)).collect(),
        monitoring: config.monitoring.address.as_ref().map(report::address),
        admin_socket: admin::socket_path(&config.data_dir),
        endpoints: Endpoints::of(app),
        clients,
        chain: config.chain.iter().map(ChainStep::of).collect(),
        plugins,
        scope_policies: config.scope_policies.iter().map(PolicyStep::of).collect(),
        event_sinks: config.events.sinks.iter().map(SinkStep::of).collect(),
        token_format: config.tokens.access.format.clone(),
        algorithm: signing.algorithm,
        master_key: KeySource::of(&app.master_key),
        store: StoreFacts { path: config.data_dir.join("store"), state },
        warnings,
    })
}

/// What plugins want and do not get.
fn ungranted(app: &App) -> Vec<String> {
    let of = |plugin: &Arc<LoadedPlugin>| {
        let warn = |wanted: &String| match wanted.as_str() {
            "http" => format!("plugins.{}.network: the plugin wants `http`, and no origin is granted", plugin.name),
            "secrets" => format!("plugins.{}.secrets: the plugin wants `secrets`, and none is granted", plugin.name),
            other => {
                let other = printable::one_line(other);
                format!("plugins.{}.allow: the plugin wants `{other}`, which is not granted", plugin.name)
            }
        };
        plugin.ungranted.iter().map(warn).collect::<Vec<_>>()
    };
    app.registry().plugins().flat_map(of).collect()
}

/// What is in the store, and where that was looked up.
struct Stored {
    clients: Vec<Value>,
    state: String,
    signing: Signing,
}

async fn stored(app: &App, server: Option<Connection>) -> Result<Stored, Failure> {
    let list = Command::ClientList { after: None };
    let mut clients = items(admin::execute_all(&app.core(), list.clone()).await?);
    let (state, signing) = match (&app.store_state, server) {
        (StoreState::Open, _) => ("ok".to_owned(), Signing::of(app)),
        (StoreState::Missing, _) => ("not there yet, made at the first start".to_owned(), Signing::of(app)),
        (StoreState::InUse { process }, Some(mut server)) => {
            // Those of its configuration may be others than this one's.
            let added = items(server.execute_all(list).await?);
            clients.extend(added.into_iter().filter(|client| client["origin"] == "command"));
            let keys = items(server.execute_all(Command::KeysList).await?);
            let state = format!("in use by process {process}, which was asked for its clients and keys");
            (state, Signing::beside(&app.config(), &keys))
        }
        (StoreState::InUse { process }, None) => {
            let state =
                format!("in use by process {process}, not looked at: clients added by command are missing here");
            (state, Signing::unknown(&app.config()))
        }
    };
    Ok(Stored { clients, state, signing })
}

fn items(answer: Value) -> Vec<Value> {
    if let Value::Array(items) = answer { items } else { Vec::new() }
}

fn plugins(app: &App) -> Vec<PluginFacts> {
    let config = app.config();
    let facts = |plugin: &Arc<LoadedPlugin>| PluginFacts::of(plugin, config.plugins.get(&plugin.name));
    app.registry().plugins().map(facts).collect()
}

/// What the server would go on without.
fn dispensable(app: &App, plugins: &[PluginFacts]) -> Vec<String> {
    let broken = plugins.iter().filter(|plugin| !app.needs(&plugin.name));
    let warning = |plugin: &PluginFacts| {
        Some(format!("plugins.{}: {}; logins work without it", plugin.name, plugin.failure.as_ref()?))
    };
    broken.filter_map(warning).collect()
}

/// A server would start without a plugin that is not required. Where logins need it, they would be answered 503.
fn refuse_broken(app: &App, plugins: &[PluginFacts]) -> Result<(), Failure> {
    let broken = |plugin: &PluginFacts| Some(format!("plugin {}: {}", plugin.name, plugin.failure.as_ref()?));
    let broken: Vec<String> = plugins.iter().filter(|plugin| app.needs(&plugin.name)).filter_map(broken).collect();
    if broken.is_empty() { Ok(()) } else { Err(Failure::configuration(broken.join("\n"))) }
}
