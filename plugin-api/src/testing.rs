//! A small host for a plugin's unit tests. It grants everything, keeps everything in memory, and signs with a checksum
//! that only it knows how to compare: good enough to see that a signature is checked, and for nothing else.

use crate::kinds::Host;
use crate::types::{Account, AccountVerdict, Attr, HttpRequest, HttpResponse, Manifest, PluginError};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// What stands for the network: from a request to its answer.
pub type FakeNetwork = Box<dyn Fn(&HttpRequest) -> Result<HttpResponse, PluginError> + Send + Sync>;

/// See the module. The clock stands still until the test moves it.
#[derive(Default)]
pub struct FakeHost {
    /// What `accounts.lookup` and `accounts.verify` know: an account and its password.
    pub accounts: Vec<(Account, String)>,
    /// What `config.json` answers.
    pub config: String,
    /// Milliseconds, for both clocks.
    pub now_ms: AtomicU64,
    /// What `secrets.get` answers.
    pub secrets: BTreeMap<String, String>,
    /// What `http.send` answers; without it, that nothing is granted.
    pub network: Option<FakeNetwork>,
    failure: Option<PluginError>,
    kv: Mutex<BTreeMap<String, (Vec<u8>, u64)>>,
    lines: Mutex<Vec<String>>,
    randoms: AtomicU64,
}

impl FakeHost {
    /// With one account `ann` (id 7, groups `staff` and `admins`) whose password is `correct horse`, and a disabled one,
    /// `bob`, with the same password.
    #[must_use]
    pub fn with_ann_and_bob() -> Self {
        let groups = || vec!["staff".to_owned(), "admins".to_owned()];
        let ann = Account { id: "7".to_owned(), username: "ann".to_owned(), groups: groups(), ..Account::default() };
        let bob = Account { id: "8".to_owned(), username: "bob".to_owned(), disabled: true, ..Account::default() };
        let accounts = vec![(ann, "correct horse".to_owned()), (bob, "correct horse".to_owned())];
        Self { accounts, ..Self::default() }
    }

    /// The same host, whose `kv`, `crypto` and `accounts` answer `failure`.
    #[must_use]
    pub fn failing(self, failure: PluginError) -> Self {
        Self { failure: Some(failure), ..self }
    }

    /// The same host with one more secret.
    #[must_use]
    pub fn with_secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same host, whose `http.send` answers as `network` does.
    #[must_use]
    pub fn with_network(
        self,
        network: impl Fn(&HttpRequest) -> Result<HttpResponse, PluginError> + Send + Sync + 'static,
    ) -> Self {
        Self { network: Some(Box::new(network)), ..self }
    }

    /// The messages logged so far.
    pub fn lines(&self) -> Vec<String> {
        locked(&self.lines).clone()
    }

    fn granted(&self) -> Result<(), PluginError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn checksum(key_id: &str, alg: &str, input: &[u8]) -> Vec<u8> {
        let word = |round: u8| {
            let mut hasher = DefaultHasher::new();
            ("fake", round, key_id, alg, input).hash(&mut hasher);
            hasher.finish().to_be_bytes()
        };
        (0..8).flat_map(word).collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host for FakeHost {
    fn log(&self, _level: u8, message: &str, _fields: &[Attr]) {
        locked(&self.lines).push(message.to_owned());
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn monotonic_ms(&self) -> u64 {
        self.now_ms()
    }

    fn random(&self, count: u32) -> Vec<u8> {
        let seed = self.randoms.fetch_add(1, Ordering::Relaxed);
        (0..u64::from(count)).map(|at| (seed.wrapping_mul(31).wrapping_add(at * 7)) as u8).collect()
    }

    fn config_json(&self) -> String {
        self.config.clone()
    }

    fn kv_get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, PluginError> {
        self.granted()?;
        Ok(locked(&self.kv).get(key).cloned())
    }

    fn kv_put(&self, key: &str, value: &[u8], _: Option<u32>, if_version: Option<u64>) -> Result<u64, PluginError> {
        self.granted()?;
        let mut kv = locked(&self.kv);
        let version = kv.get(key).map_or(0, |(_, version)| *version);
        if if_version.is_some_and(|expected| expected != version) {
            return Err(PluginError::Invalid("conflict".to_owned()));
        }
        kv.insert(key.to_owned(), (value.to_vec(), version + 1));
        Ok(version + 1)
    }

    fn kv_delete(&self, key: &str) -> Result<(), PluginError> {
        self.granted()?;
        locked(&self.kv).remove(key);
        Ok(())
    }

    fn password_verify(&self, phc: &str, password: &[u8]) -> Result<bool, PluginError> {
        self.granted()?;
        Ok(phc.as_bytes() == [b"plain:", password].concat())
    }

    fn sign(&self, key_id: &str, alg: &str, input: &[u8]) -> Result<Vec<u8>, PluginError> {
        self.granted()?;
        Ok(Self::checksum(key_id, alg, input))
    }

    fn verify(&self, key_id: &str, alg: &str, input: &[u8], signature: &[u8]) -> Result<bool, PluginError> {
        self.granted()?;
        Ok(Self::checksum(key_id, alg, input) == signature)
    }

    fn account_lookup(&self, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        self.granted()?;
        let matches = |account: &Account| match by {
            "id" => account.id == value,
            "username" => account.username == value,
            _ => false,
        };
        Ok(self.accounts.iter().map(|(account, _)| account).find(|account| matches(account)).cloned())
    }

    fn account_verify(&self, username: &str, password: &[u8]) -> Result<AccountVerdict, PluginError> {
        self.granted()?;
        Ok(match self.accounts.iter().find(|(account, _)| account.username == username) {
            None => AccountVerdict::UnknownUser,
            Some((account, right)) if right.as_bytes() == password && !account.disabled => {
                AccountVerdict::Accepted(account.clone())
            }
            Some(_) => AccountVerdict::Rejected,
        })
    }

    fn secret(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, PluginError> {
        self.granted()?;
        let unknown = || PluginError::Denied(format!("there is no secret `{name}`"));
        self.secrets.get(name).map(|secret| Zeroizing::new(secret.as_bytes().to_vec())).ok_or_else(unknown)
    }

    fn http_send(&self, request: &HttpRequest) -> Result<HttpResponse, PluginError> {
        self.granted()?;
        match &self.network {
            Some(answer) => answer(request),
            None => Err(PluginError::Denied("no network is granted".to_owned())),
        }
    }
}

/// The lines of `plugin.toml` that say what `manifest` says and that `text` lacks.
#[must_use]
pub fn missing_from_plugin_toml(text: &str, manifest: &Manifest) -> Vec<String> {
    let expected = [
        format!("name = {:?}", manifest.name),
        format!("version = {:?}", manifest.version),
        format!("kinds = {:?}", manifest.kinds),
        format!("wants = {:?}", manifest.wants),
        format!("self_contained = {:?}", manifest.self_contained),
    ];
    expected.into_iter().filter(|line| !text.lines().any(|found| found == line)).collect()
}
