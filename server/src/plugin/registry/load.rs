//! Loads one entry: read the bytes once, hash, compare, open, describe, check the config.

mod bundled;

use super::{Environment, LoadedPlugin, PackagingKind, Release, State};
use crate::config::model::{PluginEntry, PluginSource, Trust};
use crate::config::secret;
use crate::plugin::builtin::Linked;
use crate::plugin::host::Secrets;
use crate::plugin::host::{Interface, KV_KEYS, PluginHost};
use crate::plugin::hosted::{Hosted, Packaging};
use crate::plugin::limits::{Kind, Limits};
use crate::plugin::native::NativePlugin;
use crate::plugin::outbound::Outbound;
use crate::plugin::own_code::Code;
use crate::plugin::private_dir::PrivateDir;
use crate::plugin::supervision::{Guard, Supervision};
#[cfg(feature = "wasm")]
use crate::plugin::{host::CallHost, private_dir, wasm::WasmHost};
use pintle_plugin_api::Manifest;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What all entries share.
pub(super) struct Loader<'a> {
    environment: &'a Environment,
    trust: &'a Trust,
    supervision: &'a Supervision,
    #[cfg(feature = "wasm")]
    wasm: Option<Result<Arc<WasmHost>, String>>,
}

/// Why an entry is not loaded.
enum Failure {
    /// The operator has to change something: the server does not start.
    Config(Vec<String>),
    /// It may work another time: the plugin is unavailable.
    Load {
        why: String,
        /// The file's, once it was read.
        code: Option<Code>,
    },
}

impl Failure {
    fn in_file(self, source: &PluginSource) -> Self {
        match (self, source) {
            (
                Self::Load { why, code },
                PluginSource::Native(path) | PluginSource::Wasm(path) | PluginSource::Bundle(path),
            ) => Self::Load { why: format!("{}: {why}", path.display()), code },
            (failure, _) => failure,
        }
    }

    fn of(self, code: Code) -> Self {
        match self {
            Self::Load { why, .. } => Self::Load { why, code: Some(code) },
            Self::Config(faults) => Self::Config(faults),
        }
    }
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Load { why, code: None }
    }
}

/// A plugin that is ready for its limits.
struct Ready {
    packaging: Box<dyn Packaging>,
    manifest: Manifest,
    kinds: Vec<Kind>,
    host: Arc<PluginHost>,
    code: Code,
    release: Option<Release>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(
        entries: &BTreeMap<String, PluginEntry>,
        trust: &'a Trust,
        environment: &'a Environment,
        supervision: &'a Supervision,
    ) -> Self {
        #[cfg(not(feature = "wasm"))]
        let _ = entries;
        Self {
            environment,
            trust,
            supervision,
            #[cfg(feature = "wasm")]
            wasm: wasm_host(entries, environment),
        }
    }

    /// The loaded or unavailable plugin, or every fault that keeps the server from starting.
    pub(super) async fn load(&self, name: &str, entry: &PluginEntry) -> Result<LoadedPlugin, Vec<String>> {
        let loaded = match &entry.source {
            PluginSource::Builtin(builtin) => self.builtin(name, entry, builtin).await,
            PluginSource::Native(path) => self.native(name, entry, path).await,
            PluginSource::Wasm(path) => self.component(name, entry, path).await,
            PluginSource::Bundle(path) => self.bundle(name, entry, path).await,
        };
        match loaded.map_err(|failure| failure.in_file(&entry.source)) {
            Ok(ready) => {
                let code = ready.code;
                match loaded_plugin(name, entry, ready, self.limits(entry), self.guard(name, entry)).await {
                    Ok(plugin) => Ok(plugin),
                    Err(why) => unloaded(name, entry, why, Some(code)),
                }
            }
            Err(Failure::Config(faults)) => Err(faults),
            Err(Failure::Load { why, code }) => unloaded(name, entry, why, code),
        }
    }

    async fn builtin(&self, name: &str, entry: &PluginEntry, builtin: &str) -> Result<Ready, Failure> {
        let plugin = self.environment.builtins.get(builtin).ok_or_else(|| {
            let known = self.environment.builtins.keys().cloned().collect::<Vec<_>>().join(", ");
            Failure::Config(vec![format!("source: there is no builtin `{builtin}`, but {known}")])
        })?;
        let manifest = (plugin.manifest)();
        let allowed = match &entry.allow {
            Some(_) => allowed(entry)?,
            None => manifest.wants.iter().filter_map(|wanted| Interface::from_name(wanted)).collect(),
        };
        let linked = Linked::new(plugin, &entry.config_json).map_err(config_faults)?;
        let (kinds, host) = (linked.kinds(), self.host(name, entry, allowed)?);
        Ok(Ready { packaging: Box::new(linked), manifest, kinds, host, code: Code::Own, release: None })
    }

    async fn native(&self, name: &str, entry: &PluginEntry, path: &Path) -> Result<Ready, Failure> {
        if !self.trust.native {
            return Err(Failure::Config(vec!["a native plugin needs `native = true` in [trust]".to_owned()]));
        }
        let sha256 = entry.sha256.clone().ok_or_else(|| {
            Failure::Config(vec!["sha256: missing; a native plugin loads only by its hash".to_owned()])
        })?;
        let host = self.host(name, entry, allowed(entry)?)?;
        let (bytes, code) = read(path).await?;
        self.library(bytes, code, sha256, host).await.map_err(|failure| failure.of(code))
    }

    /// The library that `bytes` are, where their hash is `sha256`.
    async fn library(
        &self,
        bytes: Vec<u8>,
        code: Code,
        sha256: String,
        host: Arc<PluginHost>,
    ) -> Result<Ready, Failure> {
        let (folder, loading) = (self.environment.cache_dir.clone(), Arc::clone(&host));
        let private = blocking(move || PrivateDir::open(&folder).map_err(|error| error.to_string())).await?;
        let plugin = NativePlugin::load(bytes, sha256, private, loading).await?;
        plugin.start().await.map_err(|error| error.to_string())?.map_err(config_faults)?;
        let (manifest, kinds) = (plugin.manifest().clone(), plugin.kinds());
        if kinds.is_empty() {
            return Err("it exports no kind of plugin that this server knows".to_owned().into());
        }
        Ok(Ready { packaging: Box::new(plugin), manifest, kinds, host, code, release: None })
    }

    #[cfg(feature = "wasm")]
    async fn component(&self, name: &str, entry: &PluginEntry, path: &Path) -> Result<Ready, Failure> {
        let wasm = self.wasm()?;
        let host = self.host(name, entry, allowed(entry)?)?;
        let (path, kept) = (path.to_owned(), Arc::clone(&self.environment.kept));
        let (hashing, now_ms) = (path.clone(), self.environment.services.now_ms());
        let hashed = blocking(move || kept.seen.hash(&hashing, now_ms).map_err(|error| error.to_string())).await?;
        let (sha256, code) = (hashed.sha256, Code::File(hashed.sha256));
        let found = private_dir::hex(&sha256);
        if entry.sha256.as_ref().is_some_and(|expected| !found.eq_ignore_ascii_case(expected)) {
            return Err(Failure::from(format!("its sha256 is {found}, the entry says another")).of(code));
        }
        let bytes = move || hashed.into_bytes(&path).map_err(|error| error.to_string());
        Self::guest(wasm, bytes, sha256, entry, host).await.map_err(|failure| failure.of(code))
    }

    #[cfg(feature = "wasm")]
    fn wasm(&self) -> Result<Arc<WasmHost>, Failure> {
        match &self.wasm {
            Some(wasm) => Ok(Arc::clone(wasm.as_ref().map_err(Clone::clone)?)),
            None => Err("there is no Wasm host".to_owned().into()),
        }
    }

    /// The component that `bytes`, of this hash, are; they are asked for where it was not compiled before.
    #[cfg(feature = "wasm")]
    async fn guest(
        wasm: Arc<WasmHost>,
        bytes: impl FnOnce() -> Result<Vec<u8>, String> + Send + 'static,
        sha256: [u8; 32],
        entry: &PluginEntry,
        host: Arc<PluginHost>,
    ) -> Result<Ready, Failure> {
        let reuse = entry.reuse;
        let plugin = blocking(move || wasm.load_hashed(bytes, &sha256, reuse)).await?;
        let limits = Limits::new(entry.limits.clone()).of_lifecycle();
        let call = || Arc::new(CallHost::new(Arc::clone(&host), "", limits, None, None));
        let described = async {
            let manifest = plugin.describe(call()).await?;
            Ok::<_, pintle_plugin_api::PluginError>((
                manifest,
                plugin.validate_config(call(), &entry.config_json).await?,
            ))
        };
        let (manifest, config) = tokio::time::timeout(limits.wall, described)
            .await
            .map_err(|_| "it does not describe itself in time".to_owned())?
            .map_err(|error| format!("it does not describe itself: {error}"))?;
        config.map_err(config_faults)?;
        let (kinds, code) = (plugin.kinds(), Code::File(sha256));
        Ok(Ready { packaging: Box::new(plugin), manifest, kinds, host, code, release: None })
    }

    #[cfg(not(feature = "wasm"))]
    async fn component(&self, _name: &str, _entry: &PluginEntry, _path: &Path) -> Result<Ready, Failure> {
        Err(Failure::Config(vec!["source: this server was built without the Wasm host".to_owned()]))
    }

    fn limits(&self, entry: &PluginEntry) -> Limits {
        match entry.source {
            PluginSource::Builtin(_) => Limits::linked(entry.limits.clone(), self.environment.services.hashing()),
            PluginSource::Native(_) | PluginSource::Wasm(_) | PluginSource::Bundle(_) => {
                Limits::new(entry.limits.clone())
            }
        }
    }

    /// A linked-in plugin has no breaker: what it waits for is the server's own.
    fn guard(&self, name: &str, entry: &PluginEntry) -> Guard {
        let is_linked = matches!(entry.source, PluginSource::Builtin(_));
        let breaker = entry.limits.breaker.limits().filter(|_| !is_linked);
        Guard::new(name, breaker, self.supervision, Arc::clone(&self.environment.services))
    }

    fn host(&self, name: &str, entry: &PluginEntry, allowed: Vec<Interface>) -> Result<Arc<PluginHost>, Failure> {
        let services = Arc::clone(&self.environment.services);
        let mut host = PluginHost::new(name, services, allowed, &entry.config_json)
            .with_secrets(self.secrets(name, entry)?)
            .with_kv_keys(entry.limits.kv_keys.unwrap_or(KV_KEYS));
        if !entry.network.is_empty() {
            let network =
                Outbound::new(&entry.network, &self.environment.resolver).map_err(|why| Failure::Config(vec![why]))?;
            host = host.with_network(network);
        }
        Ok(Arc::new(host))
    }

    fn secrets(&self, name: &str, entry: &PluginEntry) -> Result<Secrets, Failure> {
        let (mut secrets, mut faults) = (Secrets::new(), Vec::new());
        for (secret, source) in &entry.secrets {
            match secret::resolve(source, &self.environment.variables) {
                Ok(found) => {
                    if let Some(warning) = &found.warning {
                        tracing::warn!("plugins.{name}.secrets.{secret}: {warning}");
                    }
                    secrets.insert(secret.clone(), found.bytes);
                }
                Err(error) => faults.push(format!("secrets.{secret}: {error}")),
            }
        }
        if faults.is_empty() { Ok(secrets) } else { Err(Failure::Config(faults)) }
    }
}

/// The Wasm host, where an entry needs it: its address space is large.
#[cfg(feature = "wasm")]
fn wasm_host(
    entries: &BTreeMap<String, PluginEntry>,
    environment: &Environment,
) -> Option<Result<Arc<WasmHost>, String>> {
    let components =
        entries.values().filter(|entry| matches!(entry.source, PluginSource::Wasm(_) | PluginSource::Bundle(_)));
    let memory_bytes = components.map(|entry| Limits::new(entry.limits.clone()).memory_bytes()).max()?;
    let open = |folder: &Path| {
        PrivateDir::open(folder).inspect_err(|error| tracing::warn!(%error, "compiled plugins are not cached")).ok()
    };
    let known = environment.known_dir.as_deref().and_then(open);
    let host = environment.kept.wasm.host(memory_bytes, open(&environment.cache_dir), known);
    Some(host.map_err(|error| format!("the Wasm host: {error}")))
}

fn config_faults(faults: Vec<String>) -> Failure {
    Failure::Config(faults.into_iter().map(|fault| format!("config: {fault}")).collect())
}

fn allowed(entry: &PluginEntry) -> Result<Vec<Interface>, Failure> {
    let (mut interfaces, mut faults) = (Vec::new(), Vec::new());
    for name in entry.allow.iter().flatten() {
        match Interface::from_name(name) {
            Some(Interface::Http) => faults.push("allow: `http` is granted by origins in `network`".to_owned()),
            Some(Interface::Secrets) => faults.push("allow: `secrets` are granted by the table `secrets`".to_owned()),
            Some(interface) => interfaces.push(interface),
            None => faults.push(format!("allow: there is no host interface `{name}`")),
        }
    }
    if faults.is_empty() { Ok(interfaces) } else { Err(Failure::Config(faults)) }
}

/// What a plugin's file says that it wants and does not get: its calls answer `denied`.
fn ungranted(name: &str, entry: &PluginEntry, manifest: &Manifest) -> Vec<String> {
    if matches!(entry.source, PluginSource::Builtin(_)) {
        return Vec::new();
    }
    let is_granted = |wanted: &&String| match Interface::from_name(wanted) {
        Some(Interface::Http) => !entry.network.is_empty(),
        Some(Interface::Secrets) => !entry.secrets.is_empty(),
        Some(interface) if Interface::GRANTED.contains(&interface) => {
            entry.allow.iter().flatten().any(|it| it == *wanted)
        }
        _ => true,
    };
    let missing: Vec<String> = manifest.wants.iter().filter(|wanted| !is_granted(wanted)).cloned().collect();
    for wanted in &missing {
        tracing::warn!(plugin = name, "the plugin wants `{wanted}`, which its entry does not grant");
    }
    missing
}

/// The bytes of a file, and their hash.
async fn read(path: &Path) -> Result<(Vec<u8>, Code), Failure> {
    let path = path.to_owned();
    blocking(move || {
        let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
        let code = Code::File(Sha256::digest(&bytes).into());
        Ok((bytes, code))
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err("loading it panicked".to_owned())).map_err(Failure::from)
}

/// A plugin whose file is not what it should be: the server starts without it, unless it is `required`.
fn unloaded(name: &str, entry: &PluginEntry, why: String, code: Option<Code>) -> Result<LoadedPlugin, Vec<String>> {
    if entry.required {
        return Err(vec![format!("{why}; without `required = true` the server would start and its calls fail")]);
    }
    tracing::error!(plugin = name, why, "a plugin could not be loaded: its calls answer unavailable");
    Ok(unavailable(name, entry, why, code))
}

async fn loaded_plugin(
    name: &str,
    entry: &PluginEntry,
    ready: Ready,
    limits: Limits,
    guard: Guard,
) -> Result<LoadedPlugin, String> {
    let ungranted = ungranted(name, entry, &ready.manifest);
    let Ready { packaging, manifest, kinds, host, code, release } = ready;
    let hosted = Hosted::new(packaging, host, limits).guarded_by(guard);
    let grant_types = if kinds.contains(&Kind::ExtensionGrant) {
        let named = hosted.grant_types().await;
        named.map_err(|error| format!("it does not name its grant types: {error}"))?
    } else {
        Vec::new()
    };
    Ok(LoadedPlugin {
        name: name.to_owned(),
        own_name: manifest.name,
        packaging: release.as_ref().map_or_else(|| packaging_kind(entry), |release| release.packaging),
        version: manifest.version,
        code: Some(code),
        kinds,
        self_contained: manifest.self_contained,
        grant_types,
        wants: manifest.wants,
        ungranted,
        release,
        shadow: entry.shadow.clone(),
        state: State::Ready(Arc::new(hosted)),
    })
}

fn unavailable(name: &str, entry: &PluginEntry, why: String, code: Option<Code>) -> LoadedPlugin {
    LoadedPlugin {
        name: name.to_owned(),
        own_name: String::new(),
        packaging: packaging_kind(entry),
        version: String::new(),
        code,
        kinds: Vec::new(),
        self_contained: false,
        grant_types: Vec::new(),
        wants: Vec::new(),
        ungranted: Vec::new(),
        release: None,
        shadow: entry.shadow.clone(),
        state: State::Unavailable(why),
    }
}

const fn packaging_kind(entry: &PluginEntry) -> PackagingKind {
    match entry.source {
        PluginSource::Builtin(_) => PackagingKind::Builtin,
        PluginSource::Native(_) => PackagingKind::Native,
        PluginSource::Wasm(_) => PackagingKind::Wasm,
        PluginSource::Bundle(_) => PackagingKind::Bundle,
    }
}
