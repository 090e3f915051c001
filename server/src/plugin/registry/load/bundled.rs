//! Loads a bundle: vouched for, no downgrade, a config that keeps its schema; then as its component or library.

use super::{Failure, Loader, PackagingKind, Ready, Release, allowed, blocking, config_faults};
use crate::config::model::PluginEntry;
use crate::keys::vendor::PublicKey;
use crate::plugin::bundle::{Head, Part, host_target};
use crate::plugin::kept::{self, Contents};
use crate::plugin::own_code::Code;
use crate::plugin::private_dir::hex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What a config of the largest size takes many times over.
const SCHEMA_TIME: Duration = Duration::from_secs(10);

impl Loader<'_> {
    pub(super) async fn bundle(&self, name: &str, entry: &PluginEntry, path: &Path) -> Result<Ready, Failure> {
        let (path, kept) = (path.to_owned(), Arc::clone(&self.environment.kept));
        let (opening, now_ms) = (path.clone(), self.environment.services.now_ms());
        let (opened, contents) =
            blocking(move || kept.bundle(&opening, now_ms).map_err(|error| error.to_string())).await?;
        let code = Code::File(opened.sha256);
        let found = hex(&opened.sha256);
        let ready = match opened.head {
            Ok(head) => self.opened(name, entry, head, Parts { path, contents }, &found).await,
            Err(why) => Err(Failure::from(why)),
        };
        Ok(Ready { code, ..ready.map_err(|failure| failure.of(code))? })
    }

    async fn opened(
        &self,
        name: &str,
        entry: &PluginEntry,
        head: Arc<Head>,
        parts: Parts,
        found: &str,
    ) -> Result<Ready, Failure> {
        self.vouch(entry, &head, found)?;
        if !entry.allow_downgrade {
            self.environment.last_run.admit(name, &head.about().name, head.version())?;
        }
        let (checked, config) = (Arc::clone(&head), entry.config_json.clone());
        let check = move || checked.schema().map(|schema| schema.faults(&config)).unwrap_or_default();
        let faults = in_time(check).await?;
        if !faults.is_empty() {
            return Err(config_faults(faults));
        }
        let (ready, packaging) = match head.sha256(Part::COMPONENT) {
            Some(sha256) => (self.bundled_component(name, entry, parts, sha256).await?, PackagingKind::Wasm),
            None => (self.bundled_library(name, entry, &head, parts).await?, PackagingKind::Native),
        };
        check_manifest(&head, &ready)?;
        let release = Release { plugin: head.about().name.clone(), version: head.version().clone(), packaging };
        Ok(Ready { release: Some(release), ..ready })
    }

    /// A bundle is vouched for by the hash in its entry, or else by a key of `[trust]`. A hash that is another counts
    /// even against a trusted key: the operator named one file.
    fn vouch(&self, entry: &PluginEntry, bundle: &Head, found: &str) -> Result<(), Failure> {
        if let Some(expected) = &entry.sha256 {
            let same = found.eq_ignore_ascii_case(expected);
            return if same { Ok(()) } else { Err(format!("its sha256 is {found}, the entry says another").into()) };
        }
        let trusted: Vec<PublicKey> = self.trust.keys.iter().filter_map(|key| PublicKey::parse(key)).collect();
        if bundle.signed_by(&trusted).is_some() {
            return Ok(());
        }
        let signers: Vec<String> = bundle.signatures().iter().map(|signature| signature.key.id()).collect();
        let why = match (signers.is_empty(), bundle.signatures().iter().find(|it| trusted.contains(&it.key))) {
            (true, _) => "it is not signed".to_owned(),
            (false, Some(forged)) => format!("it was changed: the signature of {} is not one of it", forged.key.id()),
            (false, None) => format!("it is signed by {}, which is no key of trust.keys", signers.join(" and ")),
        };
        Err(format!("{why}; it loads by a signature of a trusted key, or by its sha256 in the entry").into())
    }

    #[cfg(feature = "wasm")]
    async fn bundled_component(
        &self,
        name: &str,
        entry: &PluginEntry,
        parts: Parts,
        sha256: [u8; 32],
    ) -> Result<Ready, Failure> {
        let (wasm, host) = (self.wasm()?, self.host(name, entry, allowed(entry)?)?);
        Self::guest(wasm, move || parts.take(Part::COMPONENT, sha256), sha256, entry, host).await
    }

    #[cfg(not(feature = "wasm"))]
    async fn bundled_component(&self, _: &str, _: &PluginEntry, _: Parts, _: [u8; 32]) -> Result<Ready, Failure> {
        Err(Failure::Config(vec!["source: this server was built without the Wasm host".to_owned()]))
    }

    async fn bundled_library(
        &self,
        name: &str,
        entry: &PluginEntry,
        head: &Head,
        parts: Parts,
    ) -> Result<Ready, Failure> {
        if !self.trust.native {
            let why = "source: the bundle has a native plugin, which needs `native = true` in [trust]";
            return Err(Failure::Config(vec![why.to_owned()]));
        }
        let part = host_target().and_then(Part::library);
        let library = part.and_then(|part| Some((part, head.sha256(part)?)));
        let (part, sha256) = library.ok_or_else(|| {
            let names: Vec<&str> =
                head.parts().map(|(part, ..)| part.name()).filter(|it| it.starts_with("lib/")).collect();
            format!("it has no library for {}, but {}", host_target().unwrap_or("this machine"), names.join(", "))
        })?;
        let host = self.host(name, entry, allowed(entry)?)?;
        let bytes = blocking(move || parts.take(part, sha256)).await?;
        // Vouched for with the bundle.
        self.library(bytes, Code::File(sha256), hex(&sha256), host).await
    }
}

/// The contents of a bundle's file, where it was read.
struct Parts {
    path: PathBuf,
    contents: Option<Contents>,
}

impl Parts {
    /// The part of this hash, for which the file is read where it was not. Blocks for as long as that takes.
    fn take(self, part: Part, sha256: [u8; 32]) -> Result<Vec<u8>, String> {
        let mut contents = match self.contents {
            Some(contents) => contents,
            None => read_again(&self.path, part, sha256)?,
        };
        contents.remove(&part).ok_or_else(|| format!("it has no {part}"))
    }
}

/// What was vouched for is the part of this hash: another file may stand there by now.
fn read_again(path: &Path, part: Part, sha256: [u8; 32]) -> Result<Contents, String> {
    let (opened, contents) = kept::read_bundle(path).map_err(|error| error.to_string())?;
    let found = opened.head?.sha256(part);
    if found == Some(sha256) { Ok(contents) } else { Err("it was changed while it was loaded".to_owned()) }
}

/// Runs `check` on a thread of its own: where its work was counted wrongly, that thread is lost, and neither this loading nor
/// the end of the server waits for it.
async fn in_time<T: Send + 'static>(check: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let (sender, receiver) = oneshot::channel();
    let thread = std::thread::Builder::new().name("plugin-schema".to_owned());
    // Who asked may have given up.
    let started = thread.spawn(move || drop(sender.send(check())));
    started.map_err(|error| format!("there is no thread to check its config on: {error}"))?;
    let answer = tokio::time::timeout(SCHEMA_TIME, receiver).await;
    let late = || format!("its config could not be checked by its schema in {} s", SCHEMA_TIME.as_secs());
    Ok(answer.map_err(|_| late())?.map_err(|_| "checking its config by its schema panicked".to_owned())?)
}

/// What was signed and what runs say the same of the plugin.
fn check_manifest(bundle: &Head, ready: &Ready) -> Result<(), Failure> {
    let (about, manifest) = (bundle.about(), &ready.manifest);
    let mut kinds: Vec<&str> = ready.kinds.iter().map(|kind| kind.name()).collect();
    let mut named: Vec<&str> = about.kinds.iter().map(String::as_str).collect();
    kinds.sort_unstable();
    named.sort_unstable();
    for (what, said, is) in [
        ("name", about.name.as_str(), manifest.name.as_str()),
        ("version", &about.version, &manifest.version),
        ("kinds", &named.join(" "), &kinds.join(" ")),
    ] {
        if said != is {
            return Err(format!("its plugin.toml says {what} {said:?}, the plugin itself {is:?}").into());
        }
    }
    Ok(())
}
