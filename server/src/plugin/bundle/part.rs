//! What may be in a bundle: a closed list of names, so that none can lead anywhere else.

use crate::plugin::{about, schema};
use std::fmt::{self, Display};

/// The targets that a bundle may have a library for.
pub const TARGETS: [&str; 4] = [
    "aarch64-unknown-linux-gnu",
    "aarch64-unknown-linux-musl",
    "x86_64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
];

/// `e_machine` of an ELF file for the targets that start so.
pub const CPUS: [(&str, u16); 2] = [("x86_64", 62), ("aarch64", 183)];

const LIBRARIES: [&str; 4] = [
    "lib/aarch64-unknown-linux-gnu.so",
    "lib/aarch64-unknown-linux-musl.so",
    "lib/x86_64-unknown-linux-gnu.so",
    "lib/x86_64-unknown-linux-musl.so",
];

/// A part of a bundle. Its order is that of the names' bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part(&'static str);

impl Part {
    /// `README.md`, for people.
    pub const README: Self = Self("README.md");
    /// `component.wasm`.
    pub const COMPONENT: Self = Self("component.wasm");
    /// `config.schema.json`.
    pub const CONFIG_SCHEMA: Self = Self("config.schema.json");
    /// `plugin.toml`.
    pub const PLUGIN_TOML: Self = Self("plugin.toml");

    const FIXED: [Self; 4] = [Self::README, Self::COMPONENT, Self::CONFIG_SCHEMA, Self::PLUGIN_TOML];

    /// The part of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::FIXED.into_iter().chain(LIBRARIES.map(Self)).find(|part| part.0 == name)
    }

    /// The library for a target.
    #[must_use]
    pub fn library(target: &str) -> Option<Self> {
        TARGETS.iter().position(|known| *known == target).map(|index| Self(LIBRARIES[index]))
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// Whether it is a library.
    #[must_use]
    pub fn is_library(&self) -> bool {
        self.0.starts_with("lib/")
    }

    /// The largest that it may be, in bytes.
    #[must_use]
    pub fn max_bytes(self) -> usize {
        match self {
            Self::PLUGIN_TOML => about::MAX_BYTES,
            Self::CONFIG_SCHEMA => schema::MAX_BYTES,
            Self::README => 256 * 1024,
            _ => super::MAX_BUNDLE_BYTES,
        }
    }
}

impl Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The target of this server, where a bundle can have a library for it.
#[must_use]
pub fn host_target() -> Option<&'static str> {
    let libc = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    let target = format!("{}-unknown-{}-{libc}", std::env::consts::ARCH, std::env::consts::OS);
    TARGETS.into_iter().find(|known| *known == target)
}
