//! `pintle plugin new`: a project that builds, tests and loads as it is. All that it needs of ours comes out of the binary.

mod files;

use super::bundle::host_target;
use files::{C_SDK, RUST_SDK, SHARED, Template, WIT};
use std::path::{Path, PathBuf};

/// The language of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Rust: a component, or a native library.
    Rust,
    /// C: a component, or a native library, also for C++.
    C,
    /// JavaScript: a component.
    JavaScript,
    /// Python: a component.
    Python,
}

/// What to make.
#[derive(Clone, Debug)]
pub struct Project {
    /// The plugin's name, and the folder's.
    pub name: String,
    /// Its language.
    pub language: Language,
    /// A native library instead of a component.
    pub native: bool,
}

/// Why there is no project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The name would not do as a file's, a crate's or a package's.
    #[error("the name {0:?}: lower-case letters, digits and single hyphens, a letter first, at most 64")]
    Name(String),
    /// There is no such project.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The folder is there already; nothing was changed.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// A file could not be written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
}

impl Project {
    /// Makes the folder `<into>/<name>` and returns its path.
    ///
    /// # Errors
    /// See [`ProjectError`].
    pub fn make(&self, into: &Path) -> Result<PathBuf, ProjectError> {
        let files = self.files()?;
        let folder = into.join(&self.name);
        let io = |path: &Path| {
            let path = path.to_owned();
            move |cause| ProjectError::Io { path, cause }
        };
        std::fs::create_dir_all(into).map_err(io(into))?;
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(ProjectError::Exists(folder));
            }
            made => made.map_err(io(&folder))?,
        }
        for (path, text) in files {
            let path = folder.join(path);
            let parent = path.parent().unwrap_or(&folder);
            std::fs::create_dir_all(parent).map_err(io(parent))?;
            std::fs::write(&path, text).map_err(io(&path))?;
        }
        Ok(folder)
    }

    /// The plugin's file once it is built, relative to the folder.
    #[must_use]
    pub fn built(&self) -> String {
        let Self { name, .. } = self;
        let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        match (self.language, self.native) {
            (Language::Rust, false) => format!("target/pintle/{name}.wasm"),
            (Language::Rust, true) => format!("target/pintle/{prefix}{name}{suffix}"),
            (_, false) => format!("dist/{name}.wasm"),
            (_, true) => format!("dist/{prefix}{name}{suffix}"),
        }
    }

    /// The commands that build it and run its own tests, as a shell takes them.
    #[must_use]
    pub const fn commands(&self) -> &'static [&'static str] {
        match (self.language, self.native) {
            (Language::Rust, false) => &["cargo test", "pintle plugin build ."],
            (Language::Rust, true) => &["cargo test", "pintle plugin build . --native"],
            (Language::C, false) => &["make test", "pintle plugin build ."],
            (Language::C, true) => &["make test", "make"],
            (Language::JavaScript, _) => &["npm ci", "npm test", "npm run build"],
            (Language::Python, _) => &[
                "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
                "python3 -m unittest",
                ".venv/bin/python build.py",
            ],
        }
    }

    /// Paths and texts, the placeholders filled in.
    fn files(&self) -> Result<Vec<(String, String)>, ProjectError> {
        check_name(&self.name)?;
        let own: &[&[Template]] = match (self.language, self.native) {
            (Language::Rust, _) => &[SHARED, files::RUST, RUST_SDK, WIT],
            (Language::C, true) => &[SHARED, files::C, C_SDK, WIT],
            (Language::C, false) => &[SHARED, files::C_WASM, C_SDK, WIT],
            (Language::JavaScript, false) => &[SHARED, files::JAVASCRIPT, WIT],
            (Language::Python, false) => &[SHARED, files::PYTHON, WIT],
            _ => return Err(ProjectError::Unsupported("--native is for rust and c")),
        };
        let files = own.iter().flat_map(|files| files.iter());
        Ok(files.map(|(path, text)| ((*path).to_owned(), self.filled_in(text))).collect())
    }

    /// What the README says of the folder `sdk`.
    const fn sdk(&self) -> &'static str {
        match (self.language, self.native) {
            (Language::Rust, _) => {
                "the crate `pintle-plugin-api` with the contract (`sdk/wit/pintle.wit`). `cargo doc --open` has its tutorial."
            }
            (Language::C, true) => {
                "the contract (`sdk/wit/pintle.wit` says what the calls mean), `include/pintle_plugin.h`, which is that contract as C, and `include/pintle_json.h`, which reads and writes its JSON."
            }
            (Language::C, false) => {
                "the contract (`sdk/wit/pintle.wit`), and `include/pintle_json.h`, which reads JSON. Who owns which memory is said at the head of `src/plugin.c`."
            }
            (Language::JavaScript | Language::Python, _) => "the contract, `sdk/wit/pintle.wit`.",
        }
    }

    /// Where a host interface is named besides.
    const fn import(&self) -> &'static str {
        match (self.language, self.native) {
            (Language::Rust, _) | (Language::C, true) => "",
            _ => ", and import it in `wit/world.wit`: `import pintle:plugin/kv@1.0.0;`",
        }
    }

    /// The built file as `plugin bundle` takes it.
    fn bundled(&self) -> String {
        let target = host_target().unwrap_or("TARGET");
        if self.native { format!("--lib {target}={}", self.built()) } else { self.built() }
    }

    fn filled_in(&self, text: &str) -> String {
        let build = self.commands().iter().map(|command| format!("    {command}\n")).collect::<String>();
        let native = |text: &'static str| if self.native { text } else { "" };
        let hash = native("\n\nThe report above ends with the library's SHA-256, which goes into `pintle.toml` first.");
        text.replace("{{name}}", &self.name)
            .replace("{{crate}}", &self.name.replace('-', "_"))
            .replace("{{pintle}}", env!("CARGO_PKG_VERSION"))
            .replace("{{file}}", &self.built())
            .replace("{{build}}", build.trim_end())
            .replace("{{hash}}", hash)
            .replace("{{sha256}}", native("# A native library has the server's rights: it loads only by its hash.\nsha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"\n"))
            .replace("{{trust}}", native("\n[trust]\nnative = true\n"))
            .replace("{{native}}", native(" --native"))
            .replace("{{import}}", self.import())
            .replace("{{bundled}}", &self.bundled())
            .replace("{{sdk}}", self.sdk())
    }
}

fn check_name(name: &str) -> Result<(), ProjectError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let hyphens = name.ends_with('-') || name.contains("--");
    // `test` and the like are no names of crates; the last is that of the SDK, on which the project depends.
    let reserved = ["test", "core", "std", "alloc", "sdk", "pintle-plugin-api"].contains(&name);
    if plain && !hyphens && !reserved && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= 64 {
        Ok(())
    } else {
        Err(ProjectError::Name(name.to_owned()))
    }
}

#[cfg(test)]
mod tests;
