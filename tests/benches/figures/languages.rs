//! Components of other languages than Rust: the policy in JavaScript, and a project in Python as `pintle plugin new` makes
//! it.

use super::process::binary;
use pintle::plugin::bundle::{Bundle, Part};
use pintle::plugin::private_dir::sha256_hex;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn run(command: &mut Command) {
    let status = command.status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?}: the command tests/run installs what it needs");
}

/// `plugins/by-department`, built anew: that takes two seconds.
pub fn javascript() -> PathBuf {
    let folder = root().join("plugins/by-department");
    run(Command::new("npm")
        .args(["run", "--silent", "build"])
        .current_dir(&folder)
        .stdout(std::process::Stdio::null()));
    folder.join("dist/by-department.wasm")
}

/// A new project's component. It is kept under the hash of what it is made of, as that takes a while.
pub fn python() -> PathBuf {
    let temporary = tempfile::tempdir().unwrap();
    let mut new = Command::new(binary());
    run(new
        .args(["plugin", "new", "python", "--lang", "python", "--json"])
        .current_dir(temporary.path())
        .stdout(std::process::Stdio::null()));
    let project = temporary.path().join("python");
    let sources = ["build.py", "plugin.py", "users.py", "requirements.txt", "wit/world.wit", "sdk/wit/pintle.wit"];
    let sources: Vec<u8> = sources.iter().flat_map(|file| std::fs::read(project.join(file)).unwrap()).collect();
    let kept = root().join("target/plugins").join(format!("python-{}.wasm", sha256_hex(&sources)));
    if !kept.is_file() {
        let interpreter = root().join("target/test-tools/componentize-py/bin/python");
        run(Command::new(interpreter).arg("build.py").current_dir(&project).stdout(std::process::Stdio::null()));
        std::fs::create_dir_all(root().join("target/plugins")).unwrap();
        std::fs::copy(project.join("plugin.toml"), kept.with_extension("toml")).unwrap();
        std::fs::copy(project.join("dist/python.wasm"), &kept).unwrap();
    }
    kept
}

/// A bundle of one of these components, in `folder`.
pub fn bundle(component: &Path, folder: &Path) -> PathBuf {
    let beside = component.with_extension("toml");
    let about = if beside.is_file() { beside } else { component.with_file_name("../plugin.toml") };
    let contents = [(Part::PLUGIN_TOML, about.as_path()), (Part::COMPONENT, component)];
    let contents = contents.map(|(part, file)| (part, std::fs::read(file).unwrap()));
    let bundle = Bundle::new(contents.into_iter().collect()).unwrap();
    let file = folder.join(bundle.file_name());
    std::fs::write(&file, bundle.to_bytes()).unwrap();
    file
}
