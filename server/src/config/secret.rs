//! Where secrets come from, and fetching them.

use super::model::SecretSource;
use super::read::{Node, Table, kind};
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// A longer file is no secret but a mistake.
const MAX_BYTES: u64 = 64 * 1024;

/// Which sources a key takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// `value`, `file`, `env`, `hash`.
    All,
    /// `value`, `file`, `env`.
    Readable,
    /// `file`, `env`.
    FileOrEnv,
}

impl Allowed {
    const fn expected(self) -> &'static str {
        match self {
            Self::All => "one of { file = \"…\" }, { env = \"…\" }, { hash = \"…\" } and { value = \"…\" }",
            Self::Readable => "one of { file = \"…\" }, { env = \"…\" } and { value = \"…\" }",
            Self::FileOrEnv => "{ file = \"…\" } or { env = \"…\" }",
        }
    }
}

/// Reads a [`SecretSource`]. Nothing of it is ever shown, as a secret may stand at the wrong place.
pub(super) fn source(node: &Node<'_>, allowed: Allowed) -> Option<SecretSource> {
    if !matches!(node.value, figment::value::Value::Dict(..)) {
        return node.refuse(kind(node.value), allowed.expected(), None);
    }
    let sources = node.table(|table| sources(table, allowed))?;
    if !node.context.report.is_sound(&node.path) {
        return None;
    }
    match <[SecretSource; 1]>::try_from(sources) {
        Ok([source]) => Some(source),
        Err(sources) if sources.is_empty() => node.refuse("an empty table", allowed.expected(), None),
        Err(sources) => node.refuse(format!("{} sources at once", sources.len()), allowed.expected(), None),
    }
}

fn sources(table: &mut Table<'_>, allowed: Allowed) -> Vec<SecretSource> {
    let mut sources = vec![
        table.optional("file", |node| node.file().map(SecretSource::File)),
        table.optional("env", |node| node.checked(VARIABLE, check_variable).map(SecretSource::Env)),
    ];
    if allowed == Allowed::All {
        sources.push(table.optional("hash", |node| hash(node).map(SecretSource::Hash)));
    }
    if allowed != Allowed::FileOrEnv {
        sources.push(table.optional("value", |node| value(node).map(SecretSource::Value)));
    }
    sources.into_iter().flatten().collect()
}

const VARIABLE: &str = "the name of an environment variable";

fn check_variable(name: &str) -> Result<(), Option<String>> {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') { Ok(()) } else { Err(None) }
}

fn hash(node: &Node<'_>) -> Option<String> {
    const HASH: &str = "an Argon2 hash in PHC form, such as \"$argon2id$v=19$m=19456,t=2,p=1$…$…\"";
    let text = node.secret_text(HASH)?;
    let parsed = argon2::PasswordHash::new(&text);
    let complete = parsed
        .is_ok_and(|hash| hash.algorithm.as_str().starts_with("argon2") && hash.salt.is_some() && hash.hash.is_some());
    if complete { Some(text) } else { node.refuse("another string", HASH, None) }
}

fn value(node: &Node<'_>) -> Option<Zeroizing<String>> {
    const VALUE: &str = "printable ASCII, at least one character (RFC 6749 appendix A.2)";
    let text = Zeroizing::new(node.secret_text(VALUE)?);
    // VSCHAR: what every client can send.
    let good = !text.is_empty() && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    let found = if text.is_empty() { "an empty string" } else { "a string with other characters" };
    if good { Some(text) } else { node.refuse(found, VALUE, None) }
}

/// Why a secret could not be fetched. It holds no part of the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the file {file}: {cause}; let the server's user read it, or name another")]
    File {
        /// The file.
        file: String,
        /// The system's answer.
        cause: std::io::Error,
    },
    /// The environment has no such variable.
    #[error("the environment variable {variable} is not set; set it for the server, or give a file")]
    Unset {
        /// Its name.
        variable: String,
    },
    /// There is nothing in it.
    #[error("{origin} is empty; the secret belongs there")]
    Empty {
        /// The file or variable.
        origin: String,
    },
    /// Over 64 KiB.
    #[error("the file {file} is longer than {MAX_BYTES} bytes: name the one with the secret")]
    TooLong {
        /// The file.
        file: String,
    },
    /// A hash stands for a secret but is none.
    #[error("a hash cannot be turned into the secret")]
    Hash,
}

/// A fetched secret.
pub struct Secret {
    /// Its bytes, at least one; a file's trailing line end is removed.
    pub bytes: Zeroizing<Vec<u8>>,
    /// What the operator should know: others may read the file.
    pub warning: Option<String>,
}

/// Fetches the secret that a key names.
///
/// # Errors
/// The file or variable is missing, unreadable, empty or too long, or the source is a hash.
pub fn resolve(source: &SecretSource, environment: &[(String, String)]) -> Result<Secret, SecretError> {
    match source {
        SecretSource::Value(value) => Ok(Secret { bytes: Zeroizing::new(value.as_bytes().to_vec()), warning: None }),
        SecretSource::File(path) => from_file(path),
        SecretSource::Env(variable) => match environment.iter().find(|(name, _)| name == variable) {
            None => Err(SecretError::Unset { variable: variable.clone() }),
            Some((_, text)) if text.is_empty() => {
                Err(SecretError::Empty { origin: format!("the environment variable {variable}") })
            }
            Some((_, text)) => Ok(Secret { bytes: Zeroizing::new(text.as_bytes().to_vec()), warning: None }),
        },
        SecretSource::Hash(_) => Err(SecretError::Hash),
    }
}

fn from_file(path: &Path) -> Result<Secret, SecretError> {
    let file = path.display().to_string();
    let mut bytes = match read_at_most(path) {
        Ok(bytes) => bytes,
        Err(cause) => return Err(SecretError::File { file, cause }),
    };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SecretError::TooLong { file });
    }
    let end = [b"\r\n".as_slice(), b"\n"].into_iter().find(|end| bytes.ends_with(end)).map_or(0, <[u8]>::len);
    let length = bytes.len() - end;
    bytes.truncate(length);
    if bytes.is_empty() {
        return Err(SecretError::Empty { origin: format!("the file {file}") });
    }
    let warning = others_may_read(path)
        .then(|| format!("every user of this machine may read the file {file}; run chmod o-r on it"));
    Ok(Secret { bytes, warning })
}

fn read_at_most(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let file = std::fs::File::open(path)?;
    // All at once: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 1));
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether the file's mode lets every user of the machine read it.
pub(super) fn others_may_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    fn fetched(source: &SecretSource) -> Result<Secret, String> {
        let environment = [("SET".to_owned(), "abc\n".to_owned()), ("EMPTY".to_owned(), String::new())];
        resolve(source, &environment).map_err(|error| error.to_string())
    }

    fn file(folder: &tempfile::TempDir, text: &[u8], mode: u32) -> SecretSource {
        let path = folder.path().join("secret");
        write(&path, text).unwrap();
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        SecretSource::File(path)
    }

    #[test]
    fn one_line_end_is_dropped_from_a_file_and_none_from_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        for (text, expected) in [("abc\n", "abc"), ("abc\r\n", "abc"), ("abc\n\n", "abc\n"), (" abc", " abc")] {
            let secret = fetched(&file(&folder, text.as_bytes(), 0o600)).unwrap();
            assert_eq!(secret.bytes.as_slice(), expected.as_bytes());
            assert_eq!(secret.warning, None);
        }
        assert_eq!(fetched(&SecretSource::Env("SET".to_owned())).unwrap().bytes.as_slice(), b"abc\n");
        assert_eq!(fetched(&SecretSource::Value("v".to_owned().into())).unwrap().bytes.as_slice(), b"v");
    }

    #[test]
    fn a_file_that_everybody_may_read_gets_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let secret = fetched(&file(&folder, b"abc", 0o644)).unwrap();
        assert!(secret.warning.unwrap().starts_with("every user of this machine may read the file"));
    }

    #[test]
    fn a_secret_that_is_missing_empty_or_endless_is_an_error_that_names_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let unset = fetched(&SecretSource::Env("UNSET".to_owned())).err().unwrap();
        assert_eq!(unset, "the environment variable UNSET is not set; set it for the server, or give a file");
        let empty = fetched(&SecretSource::Env("EMPTY".to_owned())).err().unwrap();
        assert_eq!(empty, "the environment variable EMPTY is empty; the secret belongs there");
        let path = folder.path().join("secret").display().to_string();
        let missing = fetched(&SecretSource::File(folder.path().join("secret"))).err().unwrap();
        let expected = format!(
            "cannot read the file {path}: No such file or directory (os error 2); let the server's user read it, or name \
             another"
        );
        assert_eq!(missing, expected);
        let blank = fetched(&file(&folder, b"\n", 0o600)).err().unwrap();
        assert_eq!(blank, format!("the file {path} is empty; the secret belongs there"));
        let long = fetched(&file(&folder, &vec![b'a'; 64 * 1024 + 1], 0o600)).err().unwrap();
        assert_eq!(long, format!("the file {path} is longer than 65536 bytes: name the one with the secret"));
        let hash = fetched(&SecretSource::Hash("$argon2id$".to_owned())).err().unwrap();
        assert_eq!(hash, "a hash cannot be turned into the secret");
    }
}
