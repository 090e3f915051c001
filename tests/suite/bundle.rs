//! Native plugins out of signed bundles, in a server that trusts the vendor's key: the library of this machine is chosen,
//! opened and asked.

use crate::kill::pintle;
use crate::plugins::library;
use pintle::plugin::bundle::{CPUS, host_target};
use pintle::plugin::registry::PackagingKind;
use pintle_tests::{Options, TestServer};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A vendor with two signed bundles.
struct Vendor {
    folder: TempDir,
    public: String,
}

impl Vendor {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let vendor = Self { folder, public: String::new() };
        let made: Value = serde_json::from_str(&vendor.run(&["keygen", "--out", "vendor.pem", "--json"])).unwrap();
        let vendor = Self { public: made["public_key"].as_str().unwrap().to_owned(), ..vendor };
        for plugin in ["accounts", "scope-rules"] {
            let libraries = vendor.libraries(plugin);
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(plugin);
            let folder = folder.join("plugin.toml").display().to_string();
            let file = format!("{plugin}.pintle");
            vendor.run(&["bundle", &folder, "--lib", &libraries[0], "--lib", &libraries[1], "-o", &file]);
            vendor.run(&["sign", &file, "--key", "vendor.pem"]);
        }
        vendor
    }

    /// `TARGET=FILE` for this machine, and for one with another processor, whose loader would refuse what is for this one.
    fn libraries(&self, plugin: &str) -> [String; 2] {
        let (own, built) = (host_target().unwrap(), library(&format!("plugins/{plugin}")));
        let (cpu, machine) = CPUS.into_iter().find(|(cpu, _)| !own.starts_with(cpu)).unwrap();
        let mut foreign = std::fs::read(&built.path).unwrap();
        foreign[18..20].copy_from_slice(&machine.to_le_bytes());
        let path = self.path(&format!("{plugin}-{cpu}.so"));
        std::fs::write(&path, foreign).unwrap();
        [format!("{own}={}", built.path.display()), format!("{cpu}-unknown-linux-gnu={}", path.display())]
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `pintle plugin`, and gives what it printed.
    fn run(&self, words: &[&str]) -> String {
        let output = Command::new(pintle()).arg("plugin").args(words).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A server whose users log in through one bundle and whose scopes are decided by the other.
    async fn serve(&self, trust: &str) -> Result<TestServer, String> {
        let source = |plugin: &str| self.path(&format!("{plugin}.pintle")).display().to_string();
        let overlay = format!(
            r#"
[trust]
{trust}
[plugins.users]
source = "{}"
allow = ["accounts"]
required = true
[plugins.rules]
source = "{}"
required = true
[[plugins.rules.config.rules]]
scopes = ["write"]
groups = ["writers"]
[users]
chain = ["users"]
[scopes]
policies = ["rules"]
"#,
            source("accounts"),
            source("scope-rules"),
        );
        Options::reference("clarico").overlay(&overlay).try_start().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_out_of_a_signed_bundle_logs_users_in_and_decides_their_scopes() {
    let vendor = tokio::task::block_in_place(Vendor::new);
    let server = vendor.serve(&format!("native = true\nkeys = [\"{}\"]", vendor.public)).await.unwrap();
    for name in ["users", "rules"] {
        let registry = server.app.registry();
        let plugin = registry.plugin(name).unwrap();
        assert_eq!((plugin.packaging, plugin.version.as_str()), (PackagingKind::Native, "0.1.0"), "{name}");
    }
    server.user("ann", "correct horse").await;
    let login = async |password: &str| {
        let body = format!("grant_type=password&username=ann&password={password}");
        server.caller().post("/token", &body).await
    };
    let answer = login("correct horse").await;
    assert_eq!((answer.status, answer.field("scope").as_str()), (200, "read"), "{}", answer.text);
    assert_eq!(login("wrong").await.error(), "400 invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_in_a_bundle_needs_both_a_trusted_key_and_the_operators_word_for_native_code() {
    let vendor = tokio::task::block_in_place(Vendor::new);
    let key = format!("keys = [\"{}\"]", vendor.public);
    for (trust, why) in [(key.as_str(), "needs `native = true` in [trust]"), ("native = true", "no key of trust.keys")]
    {
        let error = vendor.serve(trust).await.err().unwrap();
        assert!(error.contains(why), "{trust}: {error}");
    }
}
