//! A bundle's way from a vendor's crate to an operator's server, and what is refused on it.

use super::ground::{Ended, Ground, start};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A vendor's folder with a built, unsigned bundle of scope-rules, and two key pairs.
struct Vendor {
    ground: Ground,
    bundle: String,
    public: String,
}

impl Vendor {
    fn new() -> Self {
        let ground = Ground::new();
        let (plugin, target) = (root().join("plugins/scope-rules"), root().join("target/plugins"));
        let words = format!("plugin build {} --bundle --locked --out-dir . --json --target-dir", plugin.display());
        let mut command = ground.command(&words);
        command.arg(target).stdin(Stdio::null());
        // Cargo needs more of the environment than the server.
        command.envs(std::env::vars().filter(|(name, _)| !name.starts_with("PINTLE_")));
        let built = Ended::from(command.output().unwrap()).json();
        assert_eq!(built["version"], "0.1.0");
        let public = |file: &str| {
            let made = ground.run(&format!("plugin keygen --out {file} --json")).json();
            made["public_key"].as_str().unwrap().to_owned()
        };
        let (public, _) = (public("vendor.pem"), public("thief.pem"));
        Self { ground, bundle: "scope-rules-0.1.0.pintle".to_owned(), public }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.ground.path().join(name)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path(&self.bundle)).unwrap()
    }

    /// Writes the operator's overlay: the bundle as a policy, trusted by the vendor's key; `more` is of its entry.
    fn overlay(&self, bundle: &str, more: &str) {
        let public = &self.public;
        let overlay = format!(
            "[trust]\nkeys = [\"{public}\"]\n[scopes]\npolicies = [\"rules\"]\n[plugins.rules]\nsource = \"{bundle}\"\n{more}"
        );
        fs::write(self.path("operator.toml"), overlay).unwrap();
    }

    /// `pintle check` of these bytes as the bundle.
    fn check(&self, bytes: &[u8]) -> Ended {
        fs::write(self.path("other.pintle"), bytes).unwrap();
        self.overlay("other.pintle", "");
        self.ground.run("check --overlay operator.toml")
    }
}

#[test]
fn a_bundle_goes_from_the_vendors_crate_to_the_operators_server() {
    let vendor = Vendor::new();
    let ground = &vendor.ground;
    let of = |command: &str| format!("plugin {command} {}", vendor.bundle);
    assert_eq!(ground.run(&format!("{} --key {}", of("verify"), vendor.public)).code, 1, "not signed yet");
    assert_eq!(ground.run(&format!("{} --key vendor.pem", of("sign"))).code, 0);
    assert_eq!(ground.run(&format!("{} --key {}", of("verify"), vendor.public)).code, 0);
    let seen = ground.run(&format!("{} --json", of("inspect"))).json();
    assert_eq!(seen["signatures"][0]["key"], vendor.public.as_str());
    assert_eq!((&seen["signatures"][0]["valid"], &seen["has_schema"]), (&true.into(), &true.into()));
    assert!(seen["imports"].to_string().contains("pintle:plugin/"), "{seen}");
    let checked = ground.run(&format!("{} --json", of("check"))).json();
    assert_eq!((&checked["packaging"], &checked["kinds"][0]), (&"wasm".into(), &"scope-policy".into()));
    let refused = ground.run(&format!("{} --config-json {{\"rules\":1}}", of("check")));
    assert!(refused.code == 1 && refused.stderr.contains("config.rules: "), "{refused:?}");

    vendor.overlay(&vendor.bundle, "");
    let server = start(ground.command("serve --overlay operator.toml"));
    assert_eq!(server.issue(0).0, 200);
    server.stop();
    let report = ground.run("check --overlay operator.toml --json").json();
    let rules = report["plugins"].as_array().unwrap().iter().find(|plugin| plugin["name"] == "rules").unwrap();
    assert_eq!((&rules["packaging"], &rules["version"]), (&"wasm".into(), &"0.1.0".into()));

    // The vendor signs an older version, too; the server has run a newer one.
    let toml = fs::read_to_string(root().join("plugins/scope-rules/plugin.toml")).unwrap();
    fs::write(vendor.path("plugin.toml"), toml.replace("0.1.0", "0.0.9")).unwrap();
    assert_eq!(ground.run("plugin bundle plugin.toml scope-rules.wasm -o old.pintle").code, 0);
    assert_eq!(ground.run("plugin sign old.pintle --key vendor.pem").code, 0);
    vendor.overlay("old.pintle", "");
    let refused = ground.run("check --overlay operator.toml");
    assert!(refused.code == 3 && refused.stderr.contains("version 0.0.9 is lower than 0.1.0"), "{refused:?}");
    vendor.overlay("old.pintle", "allow_downgrade = true\n");
    let refused = ground.run("check --overlay operator.toml");
    assert!(refused.stderr.contains("says version \"0.0.9\", the plugin itself \"0.1.0\""), "{refused:?}");
}

#[test]
fn what_a_vendor_did_not_sign_does_not_load() {
    let vendor = Vendor::new();
    let unsigned = vendor.bytes();
    vendor.ground.run(&format!("plugin sign {} --key vendor.pem", vendor.bundle));
    let signed = vendor.bytes();
    fs::write(vendor.path(&vendor.bundle), &unsigned).unwrap();
    vendor.ground.run(&format!("plugin sign {} --key thief.pem", vendor.bundle));
    let stolen = vendor.bytes();
    let changed = |at: usize, to: u8| {
        let mut bytes = signed.clone();
        bytes[at] = to;
        bytes
    };
    let last = signed.len() - 1;
    assert_eq!(vendor.check(&signed).code, 0);
    for (bytes, why) in [
        (unsigned, "it is not signed"),
        (stolen, "no key of trust.keys"),
        (signed[..last].to_vec(), "it ends too early"),
        (changed(0, b'P'), "it is no plugin bundle"),
        (changed(8, 2), "a bundle of version 2 of the format"),
        (changed(last, !signed[last]), "is not what the manifest lists"),
    ] {
        let refused = vendor.check(&bytes);
        assert!(refused.code == 3 && refused.stderr.contains(why), "{why}: {refused:?}");
    }
}

#[test]
fn a_config_that_breaks_the_schema_is_an_error_at_its_place_in_the_operators_file() {
    let vendor = Vendor::new();
    vendor.ground.run(&format!("plugin sign {} --key vendor.pem", vendor.bundle));
    vendor.overlay(&vendor.bundle, "[[plugins.rules.config.rules]]\nscopes = [\"a\"]\nmax_ttl = 5\nttl = \"x\"\n");
    let refused = vendor.ground.run("check --overlay operator.toml");
    assert_eq!(refused.code, 3, "{refused:?}");
    for says in [
        "operator.toml:9: plugins.rules.config.rules[0].max_ttl: ",
        "plugins.rules.config.rules[0].ttl: the plugin's schema",
    ] {
        assert!(refused.stderr.contains(says), "{says}: {refused:?}");
    }
}
