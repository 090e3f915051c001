//! Users of an LDAP directory: searched for by the name that was typed, then bound as.
//!
//! A call runs on the thread that the host calls on; connections live on a thread of the plugin's own.

use pintle_plugin_api::{
    Account, Call, Directory as DirectoryKind, Manifest, Plugin, PluginError, UserVerifier, VerifyOutcome,
    VerifyRequest, export_plugin,
};
use tokio::runtime::{Builder, Runtime};

mod account;
mod config;
mod dial;
mod dn;
mod endpoint;
mod entry;
mod filter;
mod fold;
mod hosts;
mod id;
mod locked;
mod lookup;
mod outcome;
mod pool;
mod ppolicy;
mod search;
mod tls;
mod turn;
mod verify;

use config::Config;
use pool::Pool;
use search::Directory;

/// The plugin.
pub struct Ldap {
    config: Config,
    pool: Pool,
    /// Always there until dropped.
    runtime: Option<Runtime>,
}

impl Plugin for Ldap {
    const WANTS: &'static [&'static str] = &["secrets"];

    fn manifest() -> Manifest {
        Manifest::new::<Self>("ldap", env!("CARGO_PKG_VERSION"))
    }

    /// Asks nothing of the directory: a server starts while its directory is down.
    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        let config = Config::parse(config_json)?;
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("plugin-ldap").enable_all().build();
        let runtime = runtime.map_err(|error| vec![format!("no thread for the connections: {error}")])?;
        Ok(Self { pool: Pool::new(&config), config, runtime: Some(runtime) })
    }

    /// Whether a server answers, `bind_dn` is let in, and `base` is there.
    fn health(&self, call: &Call<'_>) -> Result<(), PluginError> {
        let base = &self.config.base;
        match self.on_runtime(call, self.directory(call).entry(base, "(objectClass=*)", &["1.1"]))? {
            Some(_) => Ok(()),
            None => Err(PluginError::Internal(format!("the directory shows no {base:?} (base)"))),
        }
    }
}

impl UserVerifier for Ldap {
    fn verify(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        if request.kind != "password" {
            return Ok(VerifyOutcome::UnknownUser);
        }
        let Some(username) = request.username.as_deref() else { return Ok(VerifyOutcome::UnknownUser) };
        self.on_runtime(call, verify::verify(&self.directory(call), username, &request.secret))
    }
}

impl DirectoryKind for Ldap {
    fn lookup(&self, call: &Call<'_>, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        let directory = self.directory(call);
        match by {
            "id" => self.on_runtime(call, lookup::by_id(&directory, value)),
            "username" => self.on_runtime(call, lookup::by_username(&directory, value)),
            _ => Err(PluginError::Invalid("an account is looked up by id or username".to_owned())),
        }
    }
}

impl Ldap {
    fn directory<'a>(&'a self, call: &Call<'a>) -> Directory<'a> {
        Directory { config: &self.config, pool: &self.pool, host: call.host }
    }

    fn on_runtime<T>(
        &self,
        call: &Call<'_>,
        work: impl Future<Output = Result<T, PluginError>>,
    ) -> Result<T, PluginError> {
        match &self.runtime {
            Some(runtime) => turn::run(runtime, call, work),
            None => Err(PluginError::Unavailable("the plugin is stopping".to_owned())),
        }
    }
}

impl Drop for Ldap {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Does not wait for a name that is being resolved.
            runtime.shutdown_background();
        }
    }
}

export_plugin!(Ldap: user_verifier, directory);

#[cfg(test)]
mod tests;
