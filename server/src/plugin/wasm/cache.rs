//! Compiled components. Loading one runs it as machine code, so the cache trusts only what it wrote itself: a private
//! folder, the server's own files, and a checksum against damage. It is mapped, not read: a component in Python has tens of
//! megabytes of code, of which a call touches few.

use crate::plugin::private_dir::{PrivateDir, hex};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use wasmtime::Engine;
use wasmtime::component::Component;

/// At the end of the file: what goes before it is found by its own offsets.
const CHECKSUM_BYTES: usize = 4;
/// Of one read while the checksum is computed.
const CHUNK_BYTES: usize = 256 * 1024;

/// Where compiled components are looked for, and kept.
#[derive(PartialEq, Eq)]
pub(super) struct Folders {
    /// Is read only.
    pub(super) known: Option<PrivateDir>,
    pub(super) cache: Option<PrivateDir>,
}

impl Folders {
    /// The component of these bytes' SHA-256, where one of the folders has it.
    pub(super) fn find(&self, engine: &Engine, sha256: &[u8; 32]) -> Option<Component> {
        let name = name(engine, sha256);
        self.known.iter().chain(&self.cache).find_map(|folder| load(engine, folder, &name))
    }

    /// Compiles these bytes and puts the result into the cache. Takes seconds for large ones: never on a request.
    ///
    /// - `sha256`: of the bytes
    pub(super) fn compile(&self, engine: &Engine, bytes: &[u8], sha256: &[u8; 32]) -> wasmtime::Result<Component> {
        let component = Component::from_binary(engine, bytes)?;
        if let Some(cache) = &self.cache
            && let Err(error) = save(&component, cache, &name(engine, sha256))
        {
            tracing::warn!(%error, "a compiled plugin could not be cached");
        }
        Ok(component)
    }
}

/// The component's hash and the engine's: another wasmtime, CPU or setting compiles anew.
fn name(engine: &Engine, sha256: &[u8; 32]) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{}-{:016x}.cwasm", hex(sha256), hasher.finish())
}

fn load(engine: &Engine, folder: &PrivateDir, name: &str) -> Option<Component> {
    let is_whole = |file: File| is_whole(file).map(|whole| whole.then_some(()));
    let opened = folder.open_file(name).and_then(|file| file.map_or(Ok(None), is_whole));
    opened.inspect_err(|error| tracing::warn!(%error, "a cached plugin is not used")).ok()??;
    // SAFETY: `save` of this server's user wrote this file: folder, owner, mode and checksum were just checked. Nobody else
    // can put another there, and the server replaces its files and never changes them.
    unsafe { Component::deserialize_file(engine, folder.path(name)) }.ok()
}

/// Whether the file ends with the checksum of what is before.
fn is_whole(mut file: File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let Some(compiled) = length.checked_sub(CHECKSUM_BYTES as u64) else { return Ok(false) };
    let mut checksum = crc32fast::Hasher::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut before = file.by_ref().take(compiled);
    loop {
        match before.read(&mut chunk)? {
            0 => break,
            read => checksum.update(&chunk[..read]),
        }
    }
    let mut expected = [0; CHECKSUM_BYTES];
    file.read_exact(&mut expected)?;
    Ok(checksum.finalize().to_le_bytes() == expected)
}

fn save(component: &Component, cache: &PrivateDir, name: &str) -> wasmtime::Result<()> {
    let mut file = component.serialize()?;
    file.extend(crc32fast::hash(&file).to_le_bytes());
    cache.write(name, &file)?;
    Ok(())
}
