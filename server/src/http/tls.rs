//! TLS from PEM files, which may be replaced while the server runs.

use crate::clock::Clock;
use crate::config::model::Tls;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// Why certificate and key cannot be used. Each message names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Missing, unreadable, or no PEM.
    #[error("cannot read {path}: {1}; name a PEM file that the server's user may read", path = .0.display())]
    Unreadable(PathBuf, #[source] pem::Error),
    /// A PEM file without a certificate.
    #[error("{} has no CERTIFICATE section; name a PEM file with the chain, leaf first", .0.display())]
    NoCertificate(PathBuf),
    /// They do not belong together, or are of a kind that is not supported.
    #[error("{cert} and {key} cannot be used together: {2}", cert = .0.display(), key = .1.display())]
    Unusable(PathBuf, PathBuf, #[source] rustls::Error),
}

/// The TLS configuration of a certificate and key, read again when the files change.
#[derive(Debug)]
pub struct ReloadingTls {
    files: Tls,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<ServerConfig>>,
    seen: Mutex<Stamp>,
}

/// What tells that a file was written or replaced: device, inode, size, mtime in ns; none if it cannot be looked at.
type FileStamp = Option<(u64, u64, u64, i64, i64)>;
type Stamp = [FileStamp; 2];

impl ReloadingTls {
    /// Reads `files`: a chain, leaf first, and a PKCS#8, PKCS#1 or SEC1 key. TLS 1.2 and 1.3, HTTP/2 and 1.1.
    ///
    /// # Errors
    /// A file is unreadable, or certificate and key do not fit.
    pub fn load(files: &Tls, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let seen = stamp(files);
        let current = Arc::new(server_config(files, provider.clone())?);
        Ok(Self { files: files.clone(), provider, current: RwLock::new(current), seen: Mutex::new(seen) })
    }

    /// As [`Self::load`], with aws-lc's cryptography and with every fault, each beside the key that it is about.
    ///
    /// # Errors
    /// At least one.
    pub fn open(files: &Tls) -> Result<Self, Vec<(&'static str, TlsError)>> {
        let mut faults = Vec::new();
        faults.extend(chain(files).err().map(|error| ("listen.tls.certificate", error)));
        faults.extend(private_key(files).err().map(|error| ("listen.tls.key", error)));
        if !faults.is_empty() {
            return Err(faults);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Self::load(files, provider).map_err(|error| vec![("listen.tls", error)])
    }

    /// The configuration for the next handshake.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files again if they changed since they were last read; true if they did and are in use now. Blocks on
    /// the disk.
    ///
    /// # Errors
    /// The changed files cannot be used: the former certificate stays, and the next call tries again only after a
    /// further change, so that two files replaced one after the other end well and an error is said once.
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let now = stamp(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return Ok(false);
        }
        // Taken before reading: what is written meanwhile differs next time.
        *seen = now;
        let config = Arc::new(server_config(&self.files, self.provider.clone())?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(true)
    }

    /// Looks for changed files `every` so often, for ever.
    pub async fn watch(self: Arc<Self>, clock: Arc<dyn Clock>, every: Duration) {
        let every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        loop {
            clock.sleep_until(clock.monotonic_ms().saturating_add(every_ms)).await;
            let tls = self.clone();
            match tokio::task::spawn_blocking(move || tls.reload_if_changed()).await {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => tracing::info!(certificate = ?self.files.certificate, "TLS certificate replaced"),
                Ok(Err(cause)) => tracing::error!(%cause, "the changed TLS files are not used, the former ones stay"),
                Err(cause) => tracing::error!(%cause, "looking for changed TLS files failed"),
            }
        }
    }
}

fn chain(files: &Tls) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let path = &files.certificate;
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| TlsError::Unreadable(path.clone(), cause))?;
    if chain.is_empty() { Err(TlsError::NoCertificate(path.clone())) } else { Ok(chain) }
}

fn private_key(files: &Tls) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(&files.key).map_err(|cause| TlsError::Unreadable(files.key.clone(), cause))
}

fn server_config(files: &Tls, provider: Arc<CryptoProvider>) -> Result<ServerConfig, TlsError> {
    let unusable = |cause| TlsError::Unusable(files.certificate.clone(), files.key.clone(), cause);
    let (chain, key) = (chain(files)?, private_key(files)?);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn stamp(files: &Tls) -> Stamp {
    [&files.certificate, &files.key].map(|path| {
        let found: io::Result<std::fs::Metadata> = std::fs::metadata(path);
        found.ok().map(|found| (found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
    })
}
