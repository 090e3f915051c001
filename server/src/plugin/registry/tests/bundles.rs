//! Bundles: who vouches for one, what it may replace, and what its schema says.

use super::*;
use crate::clock::{ManualClock, UnixTime};
use crate::entropy::SystemEntropy;
use crate::keys::vendor::VendorKey;
use crate::plugin::bundle::{Bundle, Part, host_target};
use crate::plugin::last_run;
use crate::plugin::private_dir::sha256_hex;
use crate::plugin::wasm::guests::{Guest, component, wit};
use crate::store::memory::MemoryStore;

const TOML: &str = "name = \"text\"\nversion = \"1.0.0\"\nkinds = [\"user-verifier\"]\n";
const SCHEMA: &str = r#"{"properties":{"url":{"type":"string"}},"additionalProperties":false}"#;

fn key() -> VendorKey {
    VendorKey::generate(&SystemEntropy)
}

fn contents(toml: &str) -> BTreeMap<Part, Vec<u8>> {
    BTreeMap::from([
        (Part::PLUGIN_TOML, toml.as_bytes().to_vec()),
        (Part::CONFIG_SCHEMA, SCHEMA.as_bytes().to_vec()),
        (Part::COMPONENT, component(&wit(), &Guest::counting())),
    ])
}

fn signed(toml: &str, key: &VendorKey) -> Bundle {
    let mut bundle = Bundle::new(contents(toml)).unwrap();
    bundle.sign(key).unwrap();
    bundle
}

fn trusting(key: &VendorKey) -> Trust {
    Trust { native: false, keys: vec![key.public().to_string()] }
}

/// Loads these bytes as a bundle, named `text`; what is wrong, or the registry.
async fn load_bytes(
    bytes: &[u8],
    trust: Trust,
    last_run: LastRun,
    change: fn(&mut PluginEntry),
) -> Result<Registry, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.pintle");
    std::fs::write(&path, bytes).unwrap();
    let mut entry = PluginEntry { required: true, ..PluginEntry::new(PluginSource::Bundle(path)) };
    change(&mut entry);
    if entry.sha256.as_deref() == Some("own") {
        entry.sha256 = Some(sha256_hex(bytes));
    }
    let environment = Environment { last_run, ..environment(&folder) };
    let loaded = Registry::load(&BTreeMap::from([("text".to_owned(), entry)]), &trust, &environment).await;
    loaded.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

async fn refusal(bytes: &[u8], trust: Trust, change: fn(&mut PluginEntry)) -> String {
    load_bytes(bytes, trust, LastRun::default(), change).await.err().unwrap()
}

#[tokio::test]
async fn a_bundle_loads_by_a_trusted_signature_or_by_its_hash_and_by_nothing_else() {
    let (vendor, foreign) = (key(), key());
    let bundle = signed(TOML, &vendor);
    let bytes = bundle.to_bytes();
    let registry = load_bytes(&bytes, trusting(&vendor), LastRun::default(), |_| {}).await.unwrap();
    let plugin = registry.plugin("text").unwrap();
    let sha256 = plugin.code.and_then(Code::sha256).map(|hash| crate::plugin::private_dir::hex(&hash));
    assert_eq!((plugin.packaging, sha256), (PackagingKind::Wasm, Some(sha256_hex(&bytes))));
    let answer = registry.user_verifier("text").unwrap().verify(&CallContext::default(), password("a", "x")).await;
    assert_eq!(answer, Ok(VerifyOutcome::Rejected("1".to_owned())));

    let own: fn(&mut PluginEntry) = |entry| entry.sha256 = Some("own".to_owned());
    assert!(load_bytes(&bytes, Trust::default(), LastRun::default(), own).await.is_ok());
    let unsigned = Bundle::new(contents(TOML)).unwrap().to_bytes();
    assert!(load_bytes(&unsigned, Trust::default(), LastRun::default(), own).await.is_ok());

    assert!(refusal(&unsigned, trusting(&vendor), |_| {}).await.contains("it is not signed"));
    let foreign = refusal(&bytes, trusting(&foreign), |_| {}).await;
    assert!(foreign.contains(&vendor.public().id()) && foreign.contains("no key of trust.keys"), "{foreign}");
    let other = refusal(&bytes, trusting(&vendor), |entry| entry.sha256 = Some("00".repeat(32))).await;
    assert!(other.contains("the entry says another"), "{other}");
}

#[tokio::test]
async fn a_component_that_was_swapped_under_a_signature_is_refused() {
    let vendor = key();
    let mut contents = contents(TOML);
    contents.insert(Part::COMPONENT, component(&wit(), &Guest::meeting()));
    let (honest, swapped) = (signed(TOML, &vendor).to_bytes(), Bundle::new(contents).unwrap().to_bytes());
    // The signature of the one, put on the other.
    let manifest = 12 + 3 * 84;
    let forged = [&swapped[..manifest], &honest[manifest..manifest + 2 + 96], &swapped[manifest + 2..]].concat();
    let refused = refusal(&forged, trusting(&vendor), |_| {}).await;
    assert!(refused.contains("it was changed"), "{refused}");
    // Only the contents.
    let forged = [&honest[..manifest + 2 + 96], &swapped[manifest + 2..]].concat();
    let refused = refusal(&forged, trusting(&vendor), |_| {}).await;
    assert!(refused.contains("it is damaged: component.wasm"), "{refused}");
}

#[tokio::test]
async fn a_config_that_breaks_the_schema_is_told_by_path_before_the_plugin_is_asked() {
    let vendor = key();
    let bytes = signed(TOML, &vendor).to_bytes();
    let refused =
        refusal(&bytes, trusting(&vendor), |entry| entry.config_json = r#"{"url":1,"typo":2}"#.to_owned()).await;
    assert!(refused.contains("plugins.text: config: url: "), "{refused}");
    assert!(refused.contains("plugins.text: config: typo: the plugin's schema knows no such key"), "{refused}");
}

#[tokio::test]
async fn what_the_plugin_says_of_itself_is_what_was_signed() {
    let vendor = key();
    for (from, to, says) in [
        ("\"text\"", "\"erp\"", "name \"erp\", the plugin itself \"text\""),
        ("1.0.0", "9.0.0", "version \"9.0.0\", the plugin itself \"1.0.0\""),
        ("user-verifier", "directory", "kinds \"directory\", the plugin itself \"user-verifier\""),
    ] {
        let bytes = signed(&TOML.replace(from, to), &vendor).to_bytes();
        let refused = refusal(&bytes, trusting(&vendor), |_| {}).await;
        assert!(refused.contains(says), "{refused}");
    }
}

#[tokio::test]
async fn a_lower_version_than_the_one_last_run_is_refused_unless_said() {
    let vendor = key();
    let bytes = signed(TOML, &vendor).to_bytes();
    let store = MemoryStore::new(Arc::new(ManualClock::at(UnixTime(1_000))));
    let registry = load_bytes(&bytes, trusting(&vendor), LastRun::default(), |_| {}).await.unwrap();
    last_run::remember(&store, &registry).await.unwrap();
    let last_run = LastRun::read(&store).await.unwrap();
    assert!(load_bytes(&bytes, trusting(&vendor), last_run.clone(), |_| {}).await.is_ok(), "the same again");
    let older = signed(&TOML.replace("1.0.0", "1.0.0-rc.1"), &vendor).to_bytes();
    let refused = load_bytes(&older, trusting(&vendor), last_run.clone(), |_| {}).await.err().unwrap();
    assert!(refused.contains("version 1.0.0-rc.1 is lower than 1.0.0, which ran last"), "{refused}");
    let meant = load_bytes(&older, trusting(&vendor), last_run, |entry| entry.allow_downgrade = true).await;
    assert!(meant.err().unwrap().contains("the plugin itself"), "past the comparison");
}

#[tokio::test]
async fn a_library_in_a_bundle_needs_trust_in_native_plugins_and_one_for_this_target() {
    let vendor = key();
    let mut contents = contents(TOML);
    contents.remove(&Part::COMPONENT);
    let here = host_target().unwrap();
    let elsewhere = if here.ends_with("musl") { "aarch64-unknown-linux-gnu" } else { "aarch64-unknown-linux-musl" };
    contents.insert(Part::library(elsewhere).unwrap(), b"\x7fELF".to_vec());
    let sealed = |contents: &BTreeMap<Part, Vec<u8>>| {
        let mut bundle = Bundle::new(contents.clone()).unwrap();
        bundle.sign(&vendor).unwrap();
        bundle.to_bytes()
    };
    let bytes = sealed(&contents);
    assert!(refusal(&bytes, trusting(&vendor), |_| {}).await.contains("native = true"));
    let native = || Trust { native: true, ..trusting(&vendor) };
    let refused = refusal(&bytes, native(), |_| {}).await;
    assert!(refused.contains(&format!("no library for {here}, but lib/{elsewhere}.so")), "{refused}");
    contents.insert(Part::library(here).unwrap(), b"\x7fELF".to_vec());
    let refused = refusal(&sealed(&contents), native(), |_| {}).await;
    assert!(refused.contains("the system's loader refuses it"), "the one for this target was taken: {refused}");
}

/// Loads what is at `path` as the plugin `text`, as a reload of the same server does; what is wrong, if anything.
async fn reload(path: &std::path::Path, trust: &Trust, environment: &Environment) -> Option<String> {
    let entry = PluginEntry { required: true, ..PluginEntry::new(PluginSource::Bundle(path.to_owned())) };
    let loaded = Registry::load(&BTreeMap::from([("text".to_owned(), entry)]), trust, environment).await;
    loaded.err().map(|errors| errors[0].why.clone())
}

/// The clock of tests stands long before any file was written: what is to be known of one is learnt here.
fn is_read(path: &std::path::Path, environment: &Environment) -> bool {
    environment.kept.bundle(path, u64::MAX).unwrap().1.is_some()
}

#[tokio::test]
async fn a_bundle_that_is_as_it_was_is_not_read_again_but_vouched_for_again() {
    let (vendor, folder) = (key(), tempfile::tempdir().unwrap());
    let (path, environment) = (folder.path().join("text.pintle"), environment(&folder));
    std::fs::write(&path, signed(TOML, &vendor).to_bytes()).unwrap();
    assert!(is_read(&path, &environment) && !is_read(&path, &environment));
    let refused = reload(&path, &Trust::default(), &environment).await.unwrap();
    assert!(refused.contains("no key of trust.keys"), "{refused}");
    assert_eq!(reload(&path, &trusting(&vendor), &environment).await, None, "its component is read for the compiler");
    let refused = reload(&path, &trusting(&key()), &environment).await.unwrap();
    assert!(refused.contains("no key of trust.keys"), "{refused}");
    assert!(!is_read(&path, &environment));
}

#[tokio::test]
async fn a_bundle_that_was_replaced_by_one_of_its_length_is_read_again() {
    let (vendor, foreign, folder) = (key(), key(), tempfile::tempdir().unwrap());
    let (path, environment) = (folder.path().join("text.pintle"), environment(&folder));
    let (own, other) = (signed(TOML, &vendor).to_bytes(), signed(TOML, &foreign).to_bytes());
    assert_eq!(own.len(), other.len());
    std::fs::write(&path, own).unwrap();
    assert!(is_read(&path, &environment));
    assert_eq!(reload(&path, &trusting(&vendor), &environment).await, None);
    let new = folder.path().join("new");
    std::fs::write(&new, other).unwrap();
    std::fs::rename(&new, &path).unwrap();
    let refused = reload(&path, &trusting(&vendor), &environment).await.unwrap();
    assert!(refused.contains(&foreign.public().id()), "{refused}");
    std::fs::write(&path, b"no bundle").unwrap();
    assert!(reload(&path, &trusting(&vendor), &environment).await.unwrap().contains("it is no plugin bundle"));
}
