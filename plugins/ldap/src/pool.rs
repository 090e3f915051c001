//! The connections: kept open, a bounded number, made anew where a server has closed them.

use crate::config::Config;
use crate::dial::{DialError, Purpose, dial};
use crate::hosts::Hosts;
use ldap3::{Ldap, LdapError};
use pintle_plugin_api::{Host, PluginError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// A connection that was idle for longer is not used again: a firewall may have forgotten it.
const MAX_IDLE: Duration = Duration::from_secs(60);
/// A connection is not used for longer, so that the preferred server gets its users back.
const MAX_AGE: Duration = Duration::from_secs(300);

/// Connections of one purpose.
struct Lane {
    turns: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

struct Connection {
    ldap: Ldap,
    host: usize,
    opened: Instant,
    used: Instant,
}

/// See the module.
pub(crate) struct Pool {
    hosts: Hosts,
    searches: Lane,
    binds: Lane,
}

impl Pool {
    pub(crate) fn new(config: &Config) -> Self {
        let lane = || Lane { turns: Semaphore::new(config.pool_size), idle: Mutex::default() };
        let hosts = Hosts::new(config.endpoints.len());
        Self { hosts, searches: lane(), binds: lane() }
    }

    /// Does `operation` on a connection; again on another one where the first turns out to be dead.
    ///
    /// # Errors
    /// `unavailable` where no server answers; what keeps every server from answering.
    pub(crate) async fn run<T>(
        &self,
        config: &Config,
        purpose: Purpose,
        host: &dyn Host,
        operation: impl AsyncFn(&mut Ldap) -> Result<T, LdapError>,
    ) -> Result<T, PluginError> {
        let lane = if purpose == Purpose::Search { &self.searches } else { &self.binds };
        let _turn = lane.turns.acquire().await.map_err(|error| PluginError::Internal(error.to_string()))?;
        if let Some(connection) = lane.take()
            && let Ok(done) = self.attempt(config, lane, connection, &operation).await
        {
            return Ok(done);
        }
        let mut whys = Vec::new();
        for at in self.hosts.order(Instant::now()) {
            match dial(config, &config.endpoints[at], purpose, host).await {
                Ok(ldap) => {
                    let now = Instant::now();
                    let connection = Connection { ldap, host: at, opened: now, used: now };
                    match self.attempt(config, lane, connection, &operation).await {
                        Ok(done) => return Ok(done),
                        Err(why) => whys.push(why),
                    }
                }
                Err(DialError::Unreachable(why)) => {
                    self.hosts.failed(at, Instant::now());
                    whys.push(why);
                }
                Err(DialError::Final(error)) => return Err(error),
            }
        }
        Err(PluginError::Unavailable(whys.join("; ")))
    }

    /// Where one connection of a server is dead, the others are most likely too.
    fn forget(&self, host: usize) {
        self.searches.forget(host);
        self.binds.forget(host);
    }

    /// Keeps the connection only where it has answered.
    async fn attempt<T>(
        &self,
        config: &Config,
        lane: &Lane,
        mut connection: Connection,
        operation: &impl AsyncFn(&mut Ldap) -> Result<T, LdapError>,
    ) -> Result<T, String> {
        let done = tokio::time::timeout(config.operation_timeout, operation(&mut connection.ldap)).await;
        let now = Instant::now();
        let host = connection.host;
        let url = &config.endpoints[host].url;
        match done {
            Ok(Ok(done)) => {
                self.hosts.answered(host);
                lane.put(Connection { used: now, ..connection });
                Ok(done)
            }
            Ok(Err(error)) => {
                // A restarted server closed them all; whether it is back shows when a new one is opened.
                self.forget(host);
                Err(format!("{url}: {error}"))
            }
            Err(_) => {
                self.forget(host);
                self.hosts.failed(host, now);
                Err(format!("{url}: no answer in time"))
            }
        }
    }
}

impl Lane {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one used last that is still good.
    fn take(&self) -> Option<Connection> {
        let now = Instant::now();
        let mut idle = self.idle();
        idle.retain_mut(|connection| {
            now < connection.used + MAX_IDLE && now < connection.opened + MAX_AGE && !connection.ldap.is_closed()
        });
        idle.pop()
    }

    fn put(&self, connection: Connection) {
        self.idle().push(connection);
    }

    fn forget(&self, host: usize) {
        self.idle().retain(|connection| connection.host != host);
    }
}
