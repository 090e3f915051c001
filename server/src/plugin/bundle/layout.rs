//! The bytes of a bundle: manifest, signatures, contents, and nothing else.

use super::{BundleError, BundleSignature, Part};
use crate::keys::vendor::PublicKey;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The largest bundle, in bytes.
pub const MAX_BUNDLE_BYTES: usize = 64 * 1024 * 1024;
/// How many may sign one.
pub const MAX_SIGNATURES: usize = 8;
/// The version of the format.
pub(super) const MAJOR: u16 = 1;

/// The first byte is no text, and the last two show a transfer that changed line ends.
const MAGIC: [u8; 8] = *b"\x89PNTL\r\n\n";
/// Every part once: four fixed ones and four libraries.
const MAX_ENTRIES: u16 = 8;
const NAME_BYTES: usize = 48;

/// A line of the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) part: Part,
    pub(super) size: usize,
    pub(super) sha256: [u8; 32],
}

/// A bundle taken apart: the contents are those of the manifest.
#[derive(Debug)]
pub(super) struct Layout {
    /// Its bytes, which are signed.
    pub(super) manifest: Vec<u8>,
    pub(super) sections: Vec<Section>,
    pub(super) contents: BTreeMap<Part, Vec<u8>>,
    pub(super) signatures: Vec<BundleSignature>,
}

impl Layout {
    /// Of these contents, unsigned.
    pub(super) fn of(contents: BTreeMap<Part, Vec<u8>>) -> Result<Self, BundleError> {
        let mut sections = Vec::new();
        let mut total = 0_usize;
        for (part, bytes) in &contents {
            check_size(*part, bytes.len())?;
            total += bytes.len();
            sections.push(Section { part: *part, size: bytes.len(), sha256: Sha256::digest(bytes).into() });
        }
        let manifest = manifest(&sections);
        if total + manifest.len() + 2 + MAX_SIGNATURES * 96 > MAX_BUNDLE_BYTES {
            return Err(BundleError::Contents(format!("it would be larger than {MAX_BUNDLE_BYTES} bytes")));
        }
        Ok(Self { manifest, sections, contents, signatures: Vec::new() })
    }
}

fn check_size(part: Part, size: usize) -> Result<(), BundleError> {
    if size == 0 || size > part.max_bytes() {
        return Err(BundleError::Contents(format!(
            "{part}: it has {size} bytes, from 1 to {} are good",
            part.max_bytes()
        )));
    }
    Ok(())
}

fn manifest(sections: &[Section]) -> Vec<u8> {
    let count = u16::try_from(sections.len()).unwrap_or(u16::MAX);
    let mut bytes = [MAGIC.as_slice(), &MAJOR.to_le_bytes(), &count.to_le_bytes()].concat();
    for Section { part, size, sha256 } in sections {
        let mut name = [0; NAME_BYTES];
        name[..part.name().len()].copy_from_slice(part.name().as_bytes());
        bytes.extend(name);
        bytes.extend(u32::try_from(*size).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(sha256);
    }
    bytes
}

/// The file's bytes.
pub(super) fn write(manifest: &[u8], signatures: &[BundleSignature], contents: &BTreeMap<Part, Vec<u8>>) -> Vec<u8> {
    let mut bytes = manifest.to_vec();
    bytes.extend(u16::try_from(signatures.len()).unwrap_or(u16::MAX).to_le_bytes());
    for BundleSignature { key, signature } in signatures {
        bytes.extend(key.0);
        bytes.extend(signature);
    }
    contents.values().for_each(|content| bytes.extend(content));
    bytes
}

/// Takes a bundle apart.
pub(super) fn parse(bytes: &[u8]) -> Result<Layout, BundleError> {
    if bytes.len() > MAX_BUNDLE_BYTES {
        return Err(BundleError::Damaged("it is larger than 64 MiB"));
    }
    let mut reader = Reader(bytes);
    if reader.array().ok() != Some(MAGIC) {
        return Err(BundleError::Magic);
    }
    match reader.u16()? {
        MAJOR => {}
        other => return Err(BundleError::Major(other)),
    }
    let sections = sections(&mut reader)?;
    let manifest = bytes[..bytes.len() - reader.0.len()].to_vec();
    let signatures = signatures(&mut reader)?;
    let mut contents = BTreeMap::new();
    for section in &sections {
        let content = reader.take(section.size)?;
        if <[u8; 32]>::from(Sha256::digest(content)) != section.sha256 {
            return Err(BundleError::Differs(section.part.name()));
        }
        contents.insert(section.part, content.to_vec());
    }
    if !reader.0.is_empty() {
        return Err(BundleError::Damaged("something stands behind its end"));
    }
    Ok(Layout { manifest, sections, contents, signatures })
}

fn sections(reader: &mut Reader<'_>) -> Result<Vec<Section>, BundleError> {
    let count = reader.u16()?;
    if count > MAX_ENTRIES {
        return Err(BundleError::Damaged("it lists more entries than there can be"));
    }
    let mut sections: Vec<Section> = Vec::new();
    for _ in 0..count {
        let part = part(&reader.array::<NAME_BYTES>()?)?;
        if sections.last().is_some_and(|last| last.part >= part) {
            return Err(BundleError::Damaged("its entries are not in order, or one is there twice"));
        }
        let size = usize::try_from(u32::from_le_bytes(reader.array()?)).unwrap_or(usize::MAX);
        check_size(part, size)?;
        sections.push(Section { part, size, sha256: reader.array()? });
    }
    Ok(sections)
}

/// The part of a name that is filled up with zeros.
fn part(field: &[u8; NAME_BYTES]) -> Result<Part, BundleError> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES);
    let (name, filling) = field.split_at(end);
    let part = std::str::from_utf8(name).ok().and_then(Part::from_name);
    part.filter(|_| filling.iter().all(|byte| *byte == 0)).ok_or(BundleError::Damaged("it lists an unknown entry"))
}

fn signatures(reader: &mut Reader<'_>) -> Result<Vec<BundleSignature>, BundleError> {
    let count = usize::from(reader.u16()?);
    if count > MAX_SIGNATURES {
        return Err(BundleError::Damaged("it has more signatures than there can be"));
    }
    let mut signatures: Vec<BundleSignature> = Vec::new();
    for _ in 0..count {
        let next = BundleSignature { key: PublicKey(reader.array()?), signature: reader.array()? };
        if signatures.last().is_some_and(|last| last.key.0 >= next.key.0) {
            return Err(BundleError::Damaged("its signatures are not in order, or a key signed twice"));
        }
        signatures.push(next);
    }
    Ok(signatures)
}

/// What is still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], BundleError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(BundleError::Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BundleError> {
        self.take(N)?.try_into().map_err(|_| BundleError::Damaged("it ends too early"))
    }

    fn u16(&mut self) -> Result<u16, BundleError> {
        self.array().map(u16::from_le_bytes)
    }
}
