//! What plugins are loaded in, without the server's configuration.

use pintle::flow::Core;
use pintle::plugin::last_run::LastRun;
use pintle::plugin::outbound::SystemResolver;
use pintle::plugin::registry::Environment;
use pintle::plugin::services::CoreServices;
use pintle_plugin_api::linked::LinkedPlugin;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The services of a running server, for these linked-in plugins and those in files; what is compiled goes to `cache_dir`.
pub fn environment(core: &Core, builtins: BTreeMap<String, LinkedPlugin>, cache_dir: &Path) -> Environment {
    let services = CoreServices {
        clock: core.clock.clone(),
        entropy: core.entropy.clone(),
        store: core.store.clone(),
        hasher: core.hasher.clone(),
        accounts: core.accounts.clone(),
        keys: core.keys.clone(),
    };
    Environment {
        services: Arc::new(services),
        builtins,
        cache_dir: cache_dir.to_owned(),
        known_dir: None,
        variables: Vec::new(),
        resolver: Arc::new(SystemResolver),
        last_run: LastRun::default(),
        kept: Arc::default(),
    }
}
