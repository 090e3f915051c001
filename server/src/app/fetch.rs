//! What keys of the configuration point at, read before anything is made: the master key, clients' secrets, TLS files.

use super::fault::Faults;
use crate::audit;
use crate::config::model::{ClientEntry, Config, SecretSource};
use crate::config::secret;
use crate::http::tls::ReloadingTls;
use crate::keys::{MasterKey, MasterKeyOrigin};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The master key, and where it came from.
pub(super) type FoundMasterKey = (MasterKey, MasterKeyOrigin);

/// A client's secret, not yet hashed under the server's keys.
pub(super) enum FetchedSecret {
    /// A PHC string, to be kept as it is.
    Phc(String),
    /// The secret itself.
    Plain(Zeroizing<Vec<u8>>),
}

/// The master key of `keys.master` or of the data folder; `None` where one has yet to be made, or is faulty.
pub(super) fn master_key(
    config: &Config,
    environment: &[(String, String)],
    faults: &mut Faults<'_>,
) -> Option<FoundMasterKey> {
    let found = MasterKey::find(config.keys.master.as_ref(), &config.data_dir, environment);
    faults.take("keys.master", found).flatten()
}

/// The secrets of every client, in the configuration's order.
pub(super) fn secrets(
    config: &Config,
    environment: &[(String, String)],
    faults: &mut Faults<'_>,
) -> Vec<Vec<FetchedSecret>> {
    let of_client = |(index, entry): (usize, &ClientEntry)| {
        let fetched = entry.secrets.iter().enumerate().map(|(at, source)| {
            let list = if entry.secrets.len() > 1 { format!("[{at}]") } else { String::new() };
            fetch(source, &format!("clients[{index}].secret{list}"), environment, faults)
        });
        fetched.collect::<Vec<_>>().into_iter().flatten().collect()
    };
    config.clients.iter().enumerate().map(of_client).collect()
}

fn fetch(
    source: &SecretSource,
    key: &str,
    environment: &[(String, String)],
    faults: &mut Faults<'_>,
) -> Option<FetchedSecret> {
    if let SecretSource::Hash(phc) = source {
        return Some(FetchedSecret::Phc(phc.clone()));
    }
    let fetched = faults.take(key, secret::resolve(source, environment))?;
    if let Some(warning) = &fetched.warning {
        tracing::warn!("{key}: {warning}");
    }
    Some(FetchedSecret::Plain(fetched.bytes))
}

/// The certificate and key of `listen.tls`.
pub(super) fn tls(config: &Config, faults: &mut Faults<'_>) -> Option<Arc<ReloadingTls>> {
    match ReloadingTls::open(config.listen.tls.as_ref()?) {
        Ok(tls) => Some(Arc::new(tls)),
        Err(errors) => {
            errors.into_iter().for_each(|(key, error)| faults.add(key, error));
            None
        }
    }
}

/// Whether the audit file can be written, without making it.
pub(super) fn audit_file(config: &Config, faults: &mut Faults<'_>) {
    if let Some(path) = &config.log.audit {
        faults.take("log.audit", audit::check_writable(path));
    }
}
