//! Bundles: a plugin as one signed file. `plugin-api/BUNDLE.md` has the format to the byte.
//!
//! The parser takes bytes from anybody: every length is checked against what is there before it is used, and there is
//! exactly one way to write the same contents.

mod layout;
mod part;
#[cfg(test)]
mod tests;

pub use layout::{MAX_BUNDLE_BYTES, MAX_SIGNATURES};
pub use part::{CPUS, Part, TARGETS, host_target};

use super::about::PluginToml;
use super::private_dir::hex;
use super::schema::ConfigSchema;
use crate::keys::vendor::{PublicKey, VendorKey};
use layout::{Layout, Section};
use semver::Version;
use std::collections::BTreeMap;
use std::ops::Deref;

/// What stands before the manifest in what is signed, so that no signature made for something else is one of a bundle.
const DOMAIN: &[u8] = b"pintle plugin bundle v1\0";

/// Why bytes are no bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It does not start with the magic.
    #[error("it is no plugin bundle")]
    Magic,
    /// Of another major version of the format.
    #[error("it is a bundle of version {0} of the format, this server knows version {major}", major = layout::MAJOR)]
    Major(u16),
    /// Its lengths do not add up, or something is out of bounds.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// An entry's bytes are not those that the manifest lists.
    #[error("it is damaged: {0} is not what the manifest lists")]
    Differs(&'static str),
    /// What it holds does not make a plugin.
    #[error("{0}")]
    Contents(String),
}

/// A signature that a bundle carries. It says nothing before it was verified, nor if its key is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleSignature {
    /// Whose it claims to be.
    pub key: PublicKey,
    /// Ed25519 over the domain and the manifest.
    pub signature: [u8; 64],
}

/// The code in a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code<'a> {
    /// `component.wasm`.
    Component(&'a [u8]),
    /// A library for each of some targets.
    Libraries,
}

/// What is to be known of a bundle without its contents, which are large.
#[derive(Debug)]
pub struct Head {
    manifest: Vec<u8>,
    sections: Vec<Section>,
    signatures: Vec<BundleSignature>,
    about: PluginToml,
    version: Version,
    schema: Option<ConfigSchema>,
}

/// A bundle whose contents are those of its manifest.
#[derive(Debug)]
pub struct Bundle {
    head: Head,
    contents: BTreeMap<Part, Vec<u8>>,
}

impl Deref for Bundle {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

impl Bundle {
    /// Makes an unsigned bundle.
    ///
    /// # Errors
    /// Where a part is missing, too large or wrong, or component and libraries are mixed.
    pub fn new(contents: BTreeMap<Part, Vec<u8>>) -> Result<Self, BundleError> {
        let layout = Layout::of(contents)?;
        Self::from_layout(layout)
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        Self::from_layout(layout::parse(bytes)?)
    }

    fn from_layout(layout: Layout) -> Result<Self, BundleError> {
        let Layout { manifest, sections, contents, signatures } = layout;
        let wrong = |part: Part, why: &dyn std::fmt::Display| BundleError::Contents(format!("{part}: {why}"));
        let toml =
            contents.get(&Part::PLUGIN_TOML).ok_or_else(|| BundleError::Contents("it has no plugin.toml".into()))?;
        let text = std::str::from_utf8(toml).map_err(|error| wrong(Part::PLUGIN_TOML, &error))?;
        let about = PluginToml::parse(text).map_err(|error| wrong(Part::PLUGIN_TOML, &error))?;
        let version = about.release().map_err(|error| wrong(Part::PLUGIN_TOML, &error))?;
        let schema = contents.get(&Part::CONFIG_SCHEMA).map(|json| ConfigSchema::parse(json)).transpose();
        let schema = schema.map_err(|error| wrong(Part::CONFIG_SCHEMA, &error))?;
        let (component, library) = (contents.contains_key(&Part::COMPONENT), contents.keys().any(Part::is_library));
        if component == library {
            let why = "it must have either component.wasm or libraries";
            return Err(BundleError::Contents(why.to_owned()));
        }
        Ok(Self { head: Head { manifest, sections, signatures, about, version, schema }, contents })
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        layout::write(&self.manifest, &self.signatures, &self.contents)
    }

    /// Takes it apart, so that its contents need not be kept as long as what is known of it.
    #[must_use]
    pub fn into_parts(self) -> (Head, BTreeMap<Part, Vec<u8>>) {
        (self.head, self.contents)
    }

    /// Which code it has.
    #[must_use]
    pub fn code(&self) -> Code<'_> {
        self.part(Part::COMPONENT).map_or(Code::Libraries, Code::Component)
    }

    /// The bytes of a part.
    #[must_use]
    pub fn part(&self, part: Part) -> Option<&[u8]> {
        self.contents.get(&part).map(Vec::as_slice)
    }

    /// Signs it; an older signature of the same key goes.
    ///
    /// # Errors
    /// Where it has as many signatures as a bundle may have.
    pub fn sign(&mut self, key: &VendorKey) -> Result<(), BundleError> {
        let public = key.public();
        self.head.signatures.retain(|signature| signature.key != public);
        if self.signatures.len() >= MAX_SIGNATURES {
            return Err(BundleError::Contents(format!("it has {MAX_SIGNATURES} signatures already")));
        }
        let signature = key.sign(&self.signed());
        self.head.signatures.push(BundleSignature { key: public, signature });
        self.head.signatures.sort_by_key(|signature| signature.key.0);
        Ok(())
    }
}

impl Head {
    /// `<name>-<version>.pintle`.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{}.pintle", self.about.name, self.version)
    }

    /// Its `plugin.toml`.
    #[must_use]
    pub const fn about(&self) -> &PluginToml {
        &self.about
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// The schema of the plugin's config, where it has one.
    #[must_use]
    pub const fn schema(&self) -> Option<&ConfigSchema> {
        self.schema.as_ref()
    }

    /// Its parts, with the SHA-256 of each in hex and the size in bytes.
    pub fn parts(&self) -> impl Iterator<Item = (Part, String, usize)> {
        self.sections.iter().map(|section| (section.part, hex(&section.sha256), section.size))
    }

    /// The SHA-256 of a part, where it has that.
    #[must_use]
    pub fn sha256(&self, part: Part) -> Option<[u8; 32]> {
        self.sections.iter().find(|section| section.part == part).map(|section| section.sha256)
    }

    /// The signatures that it carries.
    #[must_use]
    pub fn signatures(&self) -> &[BundleSignature] {
        &self.signatures
    }

    /// Whether `signature` is its key's over this bundle.
    #[must_use]
    pub fn is_signed(&self, signature: &BundleSignature) -> bool {
        signature.key.verify(&self.signed(), &signature.signature)
    }

    /// The first of `trusted` that has signed this bundle.
    #[must_use]
    pub fn signed_by(&self, trusted: &[PublicKey]) -> Option<PublicKey> {
        let counts = |signature: &&BundleSignature| trusted.contains(&signature.key) && self.is_signed(signature);
        self.signatures.iter().find(counts).map(|signature| signature.key)
    }

    fn signed(&self) -> Vec<u8> {
        [DOMAIN, &self.manifest].concat()
    }
}
