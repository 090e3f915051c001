//! Loads a bundle: vouched for, no downgrade, a config that keeps its schema; then as its component or library.

use super::{Failure, Loader, PackagingKind, Ready, Release, allowed, blocking, config_faults};
use crate::config::model::PluginEntry;
use crate::keys::vendor::PublicKey;
use crate::plugin::bundle::{Bundle, Code as Contents, MAX_BUNDLE_BYTES, Part, host_target};
use crate::plugin::own_code::Code;
use crate::plugin::private_dir::{hex, sha256_hex};
use sha2::{Digest, Sha256};
use std::io::Read as _;
use std::path::Path;

impl Loader<'_> {
    pub(super) async fn bundle(&self, name: &str, entry: &PluginEntry, path: &Path) -> Result<Ready, Failure> {
        let bytes = read(path).await?;
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        let code = Code::File(hash);
        let ready = self.opened(name, entry, bytes, &hex(&hash)).await.map_err(|failure| failure.of(code))?;
        Ok(Ready { code, ..ready })
    }

    async fn opened(&self, name: &str, entry: &PluginEntry, bytes: Vec<u8>, found: &str) -> Result<Ready, Failure> {
        let bundle = blocking(move || Bundle::parse(&bytes).map_err(|error| error.to_string())).await?;
        self.vouch(entry, &bundle, found)?;
        if !entry.allow_downgrade {
            self.environment.last_run.admit(name, &bundle.about().name, bundle.version())?;
        }
        let faults = bundle.schema().map(|schema| schema.faults(&entry.config_json)).unwrap_or_default();
        if !faults.is_empty() {
            return Err(config_faults(faults));
        }
        let ready = match bundle.code() {
            Contents::Component(component) => self.bundled_component(name, entry, component.to_vec()).await?,
            Contents::Libraries => self.bundled_library(name, entry, &bundle).await?,
        };
        check_manifest(&bundle, &ready)?;
        let packaging = match bundle.code() {
            Contents::Component(_) => PackagingKind::Wasm,
            Contents::Libraries => PackagingKind::Native,
        };
        let release = Release { plugin: bundle.about().name.clone(), version: bundle.version().clone(), packaging };
        Ok(Ready { release: Some(release), ..ready })
    }

    /// A bundle is vouched for by the hash in its entry, or else by a key of `[trust]`. A hash that is another counts
    /// even against a trusted key: the operator named one file.
    fn vouch(&self, entry: &PluginEntry, bundle: &Bundle, found: &str) -> Result<(), Failure> {
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
    async fn bundled_component(&self, name: &str, entry: &PluginEntry, component: Vec<u8>) -> Result<Ready, Failure> {
        let (wasm, host) = (self.wasm()?, self.host(name, entry, allowed(entry)?)?);
        let sha256 = Sha256::digest(&component).into();
        Self::guest(wasm, move || Ok(component), sha256, entry, host).await
    }

    #[cfg(not(feature = "wasm"))]
    async fn bundled_component(&self, _: &str, _: &PluginEntry, _: Vec<u8>) -> Result<Ready, Failure> {
        Err(Failure::Config(vec!["source: this server was built without the Wasm host".to_owned()]))
    }

    async fn bundled_library(&self, name: &str, entry: &PluginEntry, bundle: &Bundle) -> Result<Ready, Failure> {
        if !self.trust.native {
            let why = "source: the bundle has a native plugin, which needs `native = true` in [trust]";
            return Err(Failure::Config(vec![why.to_owned()]));
        }
        let library = host_target().and_then(Part::library).and_then(|part| bundle.part(part));
        let library = library.ok_or_else(|| {
            let parts: Vec<&str> =
                bundle.parts().map(|(part, ..)| part.name()).filter(|it| it.starts_with("lib/")).collect();
            format!("it has no library for {}, but {}", host_target().unwrap_or("this machine"), parts.join(", "))
        })?;
        let host = self.host(name, entry, allowed(entry)?)?;
        // Vouched for with the bundle.
        let code = Code::File(Sha256::digest(library).into());
        self.library(library.to_vec(), code, sha256_hex(library), host).await
    }
}

/// What was signed and what runs say the same of the plugin.
fn check_manifest(bundle: &Bundle, ready: &Ready) -> Result<(), Failure> {
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

/// The bytes of a file that is no larger than a bundle may be.
async fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let path = path.to_owned();
    blocking(move || {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&path).map_err(|error| error.to_string())?;
        file.take(MAX_BUNDLE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    })
    .await
}
