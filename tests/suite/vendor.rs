//! What a vendor does: makes a project in a language, builds and tests it with that language's tools, tries the file with
//! the conformance kit, loads it into a server, and logs in.

use crate::kill::pintle;
use pintle_tests::{Options, fixtures};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What a user-verifier is asked; the last two not, as it has no upstream.
const CHECKS: usize = 23;
/// In a project's configuration, where the library's hash goes.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-tools").canonicalize().unwrap()
}

/// Runs a line of a shell with `pintle` in its path, and gives what it printed.
pub fn shell(folder: &Path, line: &str) -> String {
    let binaries = pintle().parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([binaries].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder).env("PATH", path).env("npm_config_prefer_offline", "true");
    for cargo in ["CARGO_TARGET_DIR", "CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "RUSTFLAGS", "RUSTC_WRAPPER"] {
        command.env_remove(cargo);
    }
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{line}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A project as `pintle plugin new` makes it.
pub struct Project {
    _temporary: TempDir,
    pub folder: PathBuf,
    commands: Vec<String>,
    file: String,
    /// What a command that runs the file needs besides.
    native: &'static str,
}

pub fn project(name: &str, options: &str) -> Project {
    let temporary = tempfile::tempdir().unwrap();
    let made = shell(temporary.path(), &format!("pintle plugin new {name} {options} --json"));
    let made: Value = serde_json::from_str(&made).unwrap();
    let commands = made["commands"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect();
    let (folder, file) = (temporary.path().join(name), made["file"].as_str().unwrap().to_owned());
    let native = if options.contains("--native") { "--native" } else { "" };
    Project { _temporary: temporary, folder, commands, file, native }
}

impl Project {
    /// Lets a folder of the project be one that outlives the test.
    fn keep(&self, name: &str, kept: &Path) {
        std::fs::create_dir_all(kept).unwrap();
        std::os::unix::fs::symlink(kept, self.folder.join(name)).unwrap();
    }

    /// Lets its target folder be one of the tests' tools.
    pub fn keep_target(&self, name: &str) {
        self.keep("target", &tools().join(name));
    }

    /// The conformance report, which must be without a failure.
    fn report(&self) -> Value {
        let test = format!("pintle plugin test {} {} --fixtures conformance.toml --json", self.file, self.native);
        let report: Value = serde_json::from_str(&shell(&self.folder, &test)).unwrap();
        assert_eq!(report["passed"], true, "{report}");
        let outcomes = report["outcomes"].as_array().unwrap();
        assert_eq!(outcomes.len(), CHECKS, "{report}");
        for outcome in &outcomes[CHECKS - 2..] {
            assert_eq!(outcome["not_tried"], "the fixtures name no `upstream`", "{report}");
        }
        report
    }

    /// The commands of the README's last section.
    fn ship(&self) {
        let readme = std::fs::read_to_string(self.folder.join("README.md")).unwrap();
        let section = readme.split_once("## Ship it").unwrap().1;
        let commands: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("    pintle ")).collect();
        assert_eq!(commands.len(), 4, "{readme}");
        for command in commands {
            shell(&self.folder, &format!("pintle {command}"));
        }
    }

    /// The project's configuration on a port of the test.
    fn configuration(&self, sha256: &str) -> String {
        let text = std::fs::read_to_string(self.folder.join("pintle.toml")).unwrap();
        text.replace("127.0.0.1:8080", "127.0.0.1:{port}")
            .replace(&format!("\"{}\"", self.file), &format!("\"{}\"", self.folder.join(&self.file).display()))
            .replace(NO_HASH, sha256)
    }
}

/// All of it.
async fn vendor(project: Project) {
    let (project, report) = tokio::task::spawn_blocking(move || {
        for command in &project.commands {
            shell(&project.folder, command);
        }
        let report = project.report();
        project.ship();
        (project, report)
    })
    .await
    .unwrap();
    let server = Options::new(project.configuration(report["sha256"].as_str().unwrap())).start().await;
    for (name, password, status) in
        [("ann", "correct horse", 200), ("ann", "wrong", 400), ("bob", "correct horse", 400)]
    {
        let body = format!("grant_type=password&username={name}&password={password}");
        let answer = server.caller().post_as("demo", "demo-secret", "/token", &body).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_in_rust_is_made_built_tested_and_logs_in() {
    for options in ["--lang rust", "--lang rust --native"] {
        let project = project("vendor-rust", options);
        project.keep_target("vendor-rust");
        vendor(project).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_in_c_is_made_built_tested_and_logs_in() {
    for options in ["--lang c", "--lang c --native"] {
        vendor(project("vendor-c", options)).await;
    }
}

#[test]
fn a_plugin_in_c_frees_what_it_is_given() {
    let project = project("vendor-c-huge", "--lang c");
    let fixtures = project.folder.join("conformance.toml");
    let text = std::fs::read_to_string(&fixtures).unwrap();
    // What 128 calls of one instance leave behind would be more than its 64 MiB.
    let huge = "\u{fc}".repeat(450_000);
    std::fs::write(&fixtures, text.replace("unknown = \"nobody\"", &format!("unknown = \"{huge}\""))).unwrap();
    let bench = format!("pintle plugin bench {} --fixtures conformance.toml --json", project.file);
    let figures: Value = serde_json::from_str(&shell(&project.folder, &format!("make -s >&2 && {bench}"))).unwrap();
    let answered =
        |figure: &&Value| figure["function"] == "user-verifier.verify, unknown user" && figure["reuse"] == 128;
    let figure =
        figures["figures"].as_array().unwrap().iter().find(answered).expect("a call that failed has no figure");
    assert!(figure["calls"].as_u64().unwrap() > 128, "{figures}");
}

#[test]
fn a_plugin_in_c_that_asks_for_an_operating_system_is_refused() {
    let project = project("vendor-c-system", "--lang c");
    shell(
        &project.folder,
        "sed -i 's/^\\/\\* ---- lifecycle.*/#include <time.h>/; s/if (config) return true;/if (config) return time(NULL) > 0;/' src/plugin.c",
    );
    let refused = shell(&project.folder, "pintle plugin build . 2>&1; [ $? = 1 ]");
    assert!(refused.contains("a plugin has no operating system"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_in_javascript_is_made_built_tested_and_logs_in() {
    vendor(project("vendor-js", "--lang js")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_in_python_is_made_built_tested_and_logs_in() {
    let mut project = project("vendor-python", "--lang python");
    let kept = tools().join("componentize-py");
    assert!(kept.join("bin/componentize-py").is_file(), "the command tests/run installs componentize-py");
    let made = project.commands.remove(0);
    assert!(made.starts_with("python3 -m venv .venv &&"), "{made}");
    project.keep(".venv", &kept);
    vendor(project).await;
}

#[test]
fn the_header_is_enough_for_cpp() {
    let folder = tempfile::tempdir().unwrap();
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-api/include");
    let source = fixtures().join("plugins/narrow.cpp");
    let build = format!(
        "c++ -std=c++17 -Wall -Wextra -Werror -fPIC -shared -I'{}' -o libnarrow.so '{}'",
        include.display(),
        source.display()
    );
    shell(folder.path(), &build);
    let report: Value =
        serde_json::from_str(&shell(folder.path(), "pintle plugin test libnarrow.so --native --json")).unwrap();
    assert_eq!((&report["passed"], &report["plugin"]), (&true.into(), &"narrow 1.0.0".into()), "{report}");
}

#[test]
fn the_project_in_c_is_also_cpp() {
    let project = project("vendor-cpp", "--lang c --native");
    let build = "mkdir dist && c++ -x c++ -std=c++17 -Wall -Wextra -Werror -fPIC -shared -Isdk/include";
    shell(&project.folder, &format!("{build} -o {} src/plugin.c", project.file));
    project.report();
}

#[test]
fn a_plugin_that_breaks_the_contract_fails_the_command() {
    let project = project("vendor-broken", "--lang c --native");
    shell(&project.folder, "sed -i 's/if (!matches)/if (0)/' src/plugin.c && make");
    let test = format!("pintle plugin test {} --native --fixtures conformance.toml", project.file);
    let unsaid = shell(&project.folder, &format!("pintle plugin test {} 2>&1; [ $? = 1 ]", project.file));
    assert!(unsaid.contains("say --native where that is meant"), "{unsaid}");
    let report = shell(&project.folder, &format!("{test}; [ $? = 1 ]"));
    assert!(report.contains("FAILED  user-verifier: rejects a wrong password of its own user"), "{report}");
    let figures = shell(
        &project.folder,
        &format!("pintle plugin bench {} --native --fixtures conformance.toml --json", project.file),
    );
    let figures: Value = serde_json::from_str(&figures).unwrap();
    let named = |function: &str| figures["figures"].as_array().unwrap().iter().any(|one| one["function"] == function);
    assert!(named("load") && named("lifecycle.health") && named("user-verifier.verify"), "{figures}");
}
