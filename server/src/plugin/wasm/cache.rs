//! Compiled components. Loading one runs it as machine code, so the cache trusts only what it wrote itself: a private
//! folder, the server's own files, and a checksum against a write that a power cut tore.

use crate::plugin::private_dir::{PrivateDir, sha256_hex};
use sha2::{Digest, Sha256};
use std::hash::{DefaultHasher, Hash, Hasher};
use wasmtime::Engine;
use wasmtime::component::Component;

const CHECKSUM_BYTES: usize = 32;

/// The component of these bytes, from one of the folders, or compiled and put into `cache`. Takes seconds for large ones:
/// never on a request.
pub(super) fn component(
    engine: &Engine,
    bytes: &[u8],
    known: Option<&PrivateDir>,
    cache: Option<&PrivateDir>,
) -> wasmtime::Result<Component> {
    let name = name(engine, bytes);
    if let Some(component) = known.into_iter().chain(cache).find_map(|folder| load(engine, folder, &name)) {
        return Ok(component);
    }
    let component = Component::from_binary(engine, bytes)?;
    if let Some(cache) = cache
        && let Err(error) = save(&component, cache, &name)
    {
        tracing::warn!(%error, "a compiled plugin could not be cached");
    }
    Ok(component)
}

/// The component's hash and the engine's: another wasmtime, CPU or setting compiles anew.
fn name(engine: &Engine, bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{}-{:016x}.cwasm", sha256_hex(bytes), hasher.finish())
}

fn load(engine: &Engine, cache: &PrivateDir, name: &str) -> Option<Component> {
    let file = cache.read(name).inspect_err(|error| tracing::warn!(%error, "a cached plugin is not used")).ok()??;
    let (checksum, compiled) = file.split_at_checked(CHECKSUM_BYTES)?;
    if Sha256::digest(compiled)[..] != *checksum {
        return None;
    }
    // SAFETY: `save` of this server's user wrote these bytes: folder, owner, mode and checksum were just checked.
    unsafe { Component::deserialize(engine, compiled) }.ok()
}

fn save(component: &Component, cache: &PrivateDir, name: &str) -> wasmtime::Result<()> {
    let compiled = component.serialize()?;
    let file = [&Sha256::digest(&compiled)[..], &compiled].concat();
    cache.write(name, &file)?;
    Ok(())
}
