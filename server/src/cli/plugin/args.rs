//! What can be asked about bundles.

use clap::Args;
use std::path::PathBuf;

/// `pintle plugin keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// The private key's file, which must not exist
    #[arg(long, value_name = "FILE", default_value = "pintle-vendor.pem")]
    pub out: PathBuf,
}

/// `pintle plugin bundle`.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// A folder, or files: plugin.toml, config.schema.json, README.md, one .wasm
    #[arg(value_name = "DIR|FILE", required = true)]
    pub from: Vec<PathBuf>,
    /// A library and the target it is for; may be repeated
    #[arg(long, value_name = "TARGET=FILE")]
    pub lib: Vec<String>,
    /// The bundle; <name>-<version>.pintle here, if left out
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `pintle plugin sign`.
#[derive(Debug, Args)]
pub struct Sign {
    /// The bundle
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The private key, PKCS #8 in PEM
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

/// `pintle plugin verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The bundle
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A public key to trust, as ed25519:<base64>; may be repeated
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
}

/// `pintle plugin inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The bundle
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `pintle plugin check`.
#[derive(Debug, Args)]
pub struct Check {
    /// A bundle, a component or a library
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The plugin's configuration
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub config_json: String,
    /// Run native code
    #[arg(long)]
    pub native: bool,
}
