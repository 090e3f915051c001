//! `pintle check`: everything that `serve` does before it listens, on a store that is there or on none.

mod report;

use super::exit::Failure;
use super::open::Opening;
use super::{log, owner, text};
use pintle::admin::client::Connection;
use pintle::admin::{self, Command};
use pintle::app::{App, StoreState};
use pintle::config::Loaded;
use pintle::config::model::Config;
use pintle::logging;
use pintle::plugin::registry::LoadedPlugin;
use report::{ChainStep, Endpoints, KeySource, PluginFacts, PolicyStep, Report, StoreFacts};
use serde_json::Value;
use std::sync::Arc;

/// Loads everything and prints what would run. Nothing is made, and the store stays as it is.
pub async fn check(open: &Opening, json: bool) -> Result<(), Failure> {
    log::install_for_command()?;
    let loaded = open.load()?;
    verify_filter(&loaded.config)?;
    owner::refuse_foreign_data(&loaded.config.data_dir)?;
    let app = open.builder(loaded.config.clone()).with_tls().rehearsal().build().await?;
    let report = report(&loaded, &app).await?;
    if json {
        text::print_json(&serde_json::to_value(&report).map_err(Failure::unavailable)?);
    } else {
        text::print(&report.text());
    }
    refuse_broken(&report.plugins)
}

fn verify_filter(config: &Config) -> Result<(), Failure> {
    logging::subscriber(&config.log, false, std::io::sink)
        .map(drop)
        .map_err(|cause| Failure::configuration(format!("log.filter: {cause}")))
}

async fn report(loaded: &Loaded, app: &App) -> Result<Report, Failure> {
    let config = &app.config;
    let (clients, store) = stored(app).await?;
    let signing = app.core.keys.signing(config.tokens.access.algorithm);
    Ok(Report {
        files: loaded.files.clone(),
        issuer: config.issuer.clone(),
        listeners: config.listen.addresses.iter().map(|address| report::listener(address, &config.listen)).collect(),
        monitoring: config.monitoring.address.as_ref().map(report::address),
        admin_socket: admin::socket_path(&config.data_dir),
        endpoints: Endpoints::of(app),
        clients,
        chain: config.chain.iter().map(ChainStep::of).collect(),
        plugins: plugins(app),
        scope_policies: config.scope_policies.iter().map(PolicyStep::of).collect(),
        token_format: config.tokens.access.format.clone(),
        algorithm: signing.map(|(algorithm, _)| algorithm.name().to_owned()),
        master_key: KeySource::of(&app.master_key),
        store,
        warnings: warnings(loaded, app),
    })
}

fn warnings(loaded: &Loaded, app: &App) -> Vec<String> {
    let ungranted = |plugin: &Arc<LoadedPlugin>| {
        let warn = |wanted: &String| match wanted.as_str() {
            "http" => format!("plugins.{}.network: the plugin wants `http`, and no origin is granted", plugin.name),
            "secrets" => format!("plugins.{}.secrets: the plugin wants `secrets`, and none is granted", plugin.name),
            other => format!("plugins.{}.allow: the plugin wants `{other}`, which is not granted", plugin.name),
        };
        plugin.ungranted.iter().map(warn).collect::<Vec<_>>()
    };
    let of_files = loaded.warnings.iter().map(ToString::to_string);
    of_files.chain(waiting_algorithm(app)).chain(app.registry.plugins().flat_map(ungranted)).collect()
}

/// Says until when another algorithm than the configured one signs.
fn waiting_algorithm(app: &App) -> Option<String> {
    let (keys, wanted) = (&app.core.keys, app.config.tokens.access.algorithm);
    let takes_over_at = text::time(keys.takes_over_at(wanted)?.0);
    let (now, _) = keys.signing(wanted)?;
    let (wanted, now) = (wanted.name(), now.name());
    Some(format!(
        "tokens.access.algorithm: {wanted} signs from {takes_over_at} on, once its key has been published for \
         keys.publish_before; {now} until then"
    ))
}

/// All clients, and where those of the store were looked up.
async fn stored(app: &App) -> Result<(Vec<Value>, StoreFacts), Failure> {
    let data_dir = &app.config.data_dir;
    let list = Command::ClientList { after: None };
    let mut clients = items(admin::execute_all(&app.core, list.clone()).await?);
    let state = match &app.store_state {
        StoreState::Open => "ok".to_owned(),
        StoreState::Missing => "not there yet, made at the first start".to_owned(),
        StoreState::InUse { process } => match Connection::open(data_dir).await? {
            Some(mut connection) => {
                // Those of its configuration may be others than this one's.
                let added = items(connection.execute_all(list).await?);
                clients.extend(added.into_iter().filter(|client| client["origin"] == "command"));
                format!("in use by process {process}, which was asked for its clients")
            }
            None => format!("in use by process {process}, not looked at: clients added by command are missing here"),
        },
    };
    Ok((clients, StoreFacts { path: data_dir.join("store"), state }))
}

fn items(answer: Value) -> Vec<Value> {
    if let Value::Array(items) = answer { items } else { Vec::new() }
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
