//! Opening a connection: TCP, TLS, and the bind as the account that searches.

use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::outcome::{is_of_the_server, unanswered};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings};
use pintle_plugin_api::{Host, PluginError};

/// The name of the secret.
const BIND_PASSWORD: &str = "bind_password";

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Searches, as `bind_dn`, or anonymously without one.
    Search,
    /// Binds as users, one after the other. It never searches, so whose it is does not matter.
    Bind,
}

/// Why there is no connection.
pub(crate) enum DialError {
    /// Another server may do.
    Unreachable(String),
    /// No other one would.
    Final(PluginError),
}

/// Opens a connection, within the configured time.
pub(crate) async fn dial(
    config: &Config,
    endpoint: &Endpoint,
    purpose: Purpose,
    host: &dyn Host,
) -> Result<Ldap, DialError> {
    let unreachable = |why: &str| DialError::Unreachable(format!("{}: {why}", endpoint.url));
    let opened = async {
        let mut ldap = open(config, endpoint).await.map_err(|error| unreachable(&error.to_string()))?;
        if purpose == Purpose::Search
            && let Some(dn) = &config.bind_dn
        {
            bind(&mut ldap, dn, host, &unreachable).await?;
        }
        Ok(ldap)
    };
    match tokio::time::timeout(config.connect_timeout, opened).await {
        Ok(opened) => opened,
        Err(_) => Err(unreachable("no connection in time")),
    }
}

async fn open(config: &Config, endpoint: &Endpoint) -> Result<Ldap, ldap3::LdapError> {
    let settings = LdapConnSettings::new().set_starttls(endpoint.starttls);
    let settings = match &config.tls {
        Some(tls) => settings.set_config(tls.clone()),
        None => settings,
    };
    let (connection, ldap) = LdapConnAsync::with_settings(settings, &endpoint.url).await?;
    // It ends with the connection or the last handle; what it says then, the next operation says too.
    tokio::spawn(async move { drop(connection.drive().await) });
    Ok(ldap)
}

async fn bind(
    ldap: &mut Ldap,
    dn: &str,
    host: &dyn Host,
    unreachable: &dyn Fn(&str) -> DialError,
) -> Result<(), DialError> {
    let wrong = |why: &str| DialError::Final(PluginError::Internal(format!("the secret {BIND_PASSWORD} {why}")));
    let password = host.secret(BIND_PASSWORD).map_err(DialError::Final)?;
    let password = std::str::from_utf8(&password).map_err(|_| wrong("is not UTF-8"))?;
    if password.is_empty() {
        // Such a bind succeeds and proves nothing (RFC 4513 §5.1.2).
        return Err(wrong("is empty"));
    }
    let result = ldap.simple_bind(dn, password).await.map_err(|error| unreachable(&error.to_string()))?;
    match result.rc {
        0 => Ok(()),
        code if is_of_the_server(code) => Err(unreachable(&format!("result {code}"))),
        49 => {
            let why = format!("the directory refuses {dn:?} (bind_dn) with this {BIND_PASSWORD}");
            Err(DialError::Final(PluginError::Internal(why)))
        }
        _ => Err(DialError::Final(unanswered("bind as bind_dn", &result))),
    }
}
