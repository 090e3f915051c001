//! The master key: 32 bytes that every other key is sealed under, from a file, the environment, or made at first start.

use super::KeyError;
use crate::config::model::SecretSource;
use crate::entropy::{self, Entropy};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The name of the generated file in the data folder.
pub const MASTER_KEY_FILE: &str = "master.key";

/// Permission bits that a file named by the operator must not have: the group may read it, as mounted secrets are.
const OPEN_TO_OTHERS: u32 = 0o027;

/// The same for the generated file, which nobody but the server needs.
const OPEN_TO_ANYONE: u32 = 0o077;

/// Where the master key came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterKeyOrigin {
    /// The file of `keys.master`.
    File(PathBuf),
    /// The environment variable of `keys.master`.
    Env(String),
    /// The file beside the data: who steals the data folder has the keys too, which is worth a warning.
    DataDir {
        /// The file.
        path: PathBuf,
        /// Whether it was made just now.
        generated: bool,
    },
}

/// The master key. Its `Debug` shows nothing of it.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl MasterKey {
    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The master key from `source`, whose variable is looked up in `environment`, or else from [`MASTER_KEY_FILE`] in
    /// `data_dir`; `None` where that is not there.
    ///
    /// # Errors
    /// When it cannot be read, is no key, or is open to others.
    pub fn find(
        source: Option<&SecretSource>,
        data_dir: &Path,
        environment: &[(String, String)],
    ) -> Result<Option<(Self, MasterKeyOrigin)>, KeyError> {
        match source {
            Some(SecretSource::File(path)) => {
                Ok(Some((read(path, OPEN_TO_OTHERS)?, MasterKeyOrigin::File(path.clone()))))
            }
            Some(SecretSource::Env(name)) => {
                let variable = environment.iter().find(|(variable, _)| variable == name);
                let (_, text) = variable.ok_or_else(|| KeyError::MasterUnset(name.clone()))?;
                let key = parse(text).ok_or_else(|| malformed(format!("environment variable {name}")))?;
                Ok(Some((key, MasterKeyOrigin::Env(name.clone()))))
            }
            Some(SecretSource::Value(_) | SecretSource::Hash(_)) => Err(KeyError::MasterInline),
            None => beside_data(data_dir),
        }
    }

    /// Makes a master key in `data_dir`, readable by its owner only, unless there is one: then that counts.
    ///
    /// # Errors
    /// When it cannot be written or read back.
    pub fn generate(data_dir: &Path, entropy: &dyn Entropy) -> Result<(Self, MasterKeyOrigin), KeyError> {
        let path = data_dir.join(MASTER_KEY_FILE);
        let unwritable = |cause| KeyError::MasterUnwritable { path: path.clone(), cause };
        DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(unwritable)?;
        let generated = generate(&path, entropy).map_err(unwritable)?;
        Ok((read(&path, OPEN_TO_ANYONE)?, MasterKeyOrigin::DataDir { path, generated }))
    }

    /// A key for one purpose (HKDF-SHA-256, RFC 5869).
    pub(super) fn derive(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let failed = |_| KeyError::Crypto("derive a key from the master key");
        let mut derived = Zeroizing::new([0; 32]);
        Salt::new(HKDF_SHA256, b"pintle master key")
            .extract(self.0.as_slice())
            .expand(&[b"v1 ", purpose.as_bytes()], HKDF_SHA256)
            .and_then(|okm| okm.fill(derived.as_mut_slice()))
            .map_err(failed)?;
        Ok(derived)
    }

    /// What may be known of the key: tells one master key from another, in 16 hex digits.
    pub(super) fn fingerprint(&self) -> Result<String, KeyError> {
        let derived = self.derive("fingerprint")?;
        Ok(derived[..8].iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn malformed(place: String) -> KeyError {
    KeyError::MasterMalformed { place }
}

/// 32 bytes as hex, base64 or base64url, padded or not, with white space around.
fn parse(text: &str) -> Option<MasterKey> {
    let text = text.trim();
    let bytes = Zeroizing::new(match text.len() {
        64 => text.as_bytes().chunks(2).map(hex_byte).collect::<Option<Vec<_>>>(),
        _ => [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|form| form.decode(text).ok()),
    }?);
    bytes.as_slice().try_into().ok().map(MasterKey::new)
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let value = digits.iter().try_fold(0, |value, &digit| Some(16 * value + char::from(digit).to_digit(16)?))?;
    u8::try_from(value).ok()
}

fn read(path: &Path, forbidden: u32) -> Result<MasterKey, KeyError> {
    let unreadable = |cause| KeyError::MasterUnreadable { path: path.to_owned(), cause };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & forbidden != 0 {
        return Err(KeyError::MasterExposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(Vec::with_capacity(256));
    file.take(256).read_to_end(&mut text).map_err(unreadable)?;
    std::str::from_utf8(&text).ok().and_then(parse).ok_or_else(|| malformed(path.display().to_string()))
}

fn beside_data(data_dir: &Path) -> Result<Option<(MasterKey, MasterKeyOrigin)>, KeyError> {
    let path = data_dir.join(MASTER_KEY_FILE);
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // Anything else, a dangling link too, is for `read` to report: a key is never replaced.
        _ => Ok(Some((read(&path, OPEN_TO_ANYONE)?, MasterKeyOrigin::DataDir { path, generated: false }))),
    }
}

/// Writes a new key so that after a power cut there is the whole file or none. False where another process was first,
/// whose key then counts.
fn generate(path: &Path, entropy: &dyn Entropy) -> io::Result<bool> {
    let key = Zeroizing::new(entropy::array::<32>(entropy));
    let text = Zeroizing::new(STANDARD.encode(key.as_slice()) + "\n");
    let suffix = u64::from_ne_bytes(entropy::array(entropy));
    let temporary = path.with_extension(format!("{suffix:016x}.tmp"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let placed = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| place(&temporary, path));
    if !matches!(placed, Ok(true)) {
        let _ = fs::remove_file(&temporary);
    }
    let placed = placed?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(placed)
}

/// Gives the finished file its name unless the name is taken, which `rename` alone would not notice.
fn place(temporary: &Path, path: &Path) -> io::Result<bool> {
    match fs::hard_link(temporary, path) {
        Ok(()) => fs::remove_file(temporary).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // A file system without hard links.
        Err(_) => fs::rename(temporary, path).map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";

    fn load(source: Option<&SecretSource>, data_dir: &Path) -> Result<(MasterKey, MasterKeyOrigin), KeyError> {
        let environment = [("KEY".to_owned(), HEX.to_owned())];
        let found = MasterKey::find(source, data_dir, &environment)?;
        found.map_or_else(|| MasterKey::generate(data_dir, &SystemEntropy), Ok)
    }

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn hex_base64_and_base64url_give_the_same_key() {
        let bytes: [u8; 32] = [0xFB; 32];
        let forms = ["fb".repeat(32), STANDARD.encode(bytes), STANDARD_NO_PAD.encode(bytes), URL_SAFE.encode(bytes)];
        for form in forms.iter().chain([&format!(" {}\r\n", URL_SAFE_NO_PAD.encode(bytes))]) {
            assert_eq!(*parse(form).unwrap().0, bytes, "{form}");
        }
    }

    #[test]
    fn what_is_not_32_bytes_is_no_key() {
        let cases = [
            "",
            "secret",
            &"0".repeat(63),
            &"+f".repeat(32),
            &"g".repeat(64),
            &"é".repeat(32),
            &STANDARD.encode([0; 31]),
        ];
        for text in cases.into_iter().chain([STANDARD.encode([0; 33]).as_str()]) {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_missing_file_is_made_for_its_owner_only_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("new/data");
        let (first, origin) = load(None, &data_dir).unwrap();
        let path = data_dir.join(MASTER_KEY_FILE);
        assert_eq!(origin, MasterKeyOrigin::DataDir { path: path.clone(), generated: true });
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (second, origin) = load(None, &data_dir).unwrap();
        assert_eq!(origin, MasterKeyOrigin::DataDir { path, generated: false });
        assert_eq!(*first.0, *second.0);
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn of_two_that_generate_at_once_the_first_key_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(MASTER_KEY_FILE);
        assert!(generate(&path, &SystemEntropy).unwrap());
        let before = fs::read(&path).unwrap();
        assert!(!generate(&path, &SystemEntropy).unwrap());
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let given = dir.path().join("given");
        for (mode, ok) in [(0o600, true), (0o440, true), (0o644, false), (0o660, false), (0o602, false)] {
            write(&given, HEX, mode);
            assert_eq!(load(Some(&SecretSource::File(given.clone())), dir.path()).is_ok(), ok, "{mode:o}");
        }
        let path = dir.path().join(MASTER_KEY_FILE);
        write(&path, HEX, 0o640);
        let error = load(None, dir.path()).unwrap_err().to_string();
        assert!(error.contains("mode 640") && error.contains(&format!("chmod 600 {}", path.display())), "{error}");
    }

    #[test]
    fn the_environment_may_hold_the_key_and_the_configuration_may_not() {
        let dir = tempfile::tempdir().unwrap();
        let (_, origin) = load(Some(&SecretSource::Env("KEY".into())), dir.path()).unwrap();
        assert_eq!(origin, MasterKeyOrigin::Env("KEY".into()));
        let unset = load(Some(&SecretSource::Env("OTHER".into())), dir.path()).unwrap_err();
        assert!(matches!(unset, KeyError::MasterUnset(name) if name == "OTHER"));
        let inline = SecretSource::Value(Zeroizing::new(HEX.into()));
        assert!(matches!(load(Some(&inline), dir.path()), Err(KeyError::MasterInline)));
    }

    #[test]
    fn a_damaged_file_is_named_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(MASTER_KEY_FILE);
        write(&path, "", 0o600);
        let error = load(None, dir.path()).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()) && error.contains("32 bytes"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn keys_for_two_purposes_differ_and_nothing_is_printed() {
        let (key, _) = load(Some(&SecretSource::Env("KEY".into())), Path::new(".")).unwrap();
        assert_ne!(*key.derive("a").unwrap(), *key.derive("b").unwrap());
        assert_eq!(key.fingerprint().unwrap().len(), 16);
        assert_eq!(format!("{key:?}"), "MasterKey(…)");
    }
}
