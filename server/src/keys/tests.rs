//! The key ring over a store: first start, rotation, faults, and verification by an independent library.

mod configuration;
mod rotation;

use super::*;
use crate::clock::ManualClock;
use crate::entropy::SystemEntropy;
use crate::store::memory::MemoryStore;
use crate::store::{Key, StoreError, StoreStats, Version, Versioned};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::jwk::{JwkSet, ThumbprintHash};
use std::collections::BTreeSet;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The memory engine, yielding at every call, so that tasks on one thread interleave.
struct Yielding(MemoryStore);

impl Yielding {
    async fn records(&self, table: &str) -> Vec<(Key, Versioned)> {
        self.0.scan(&Key::new(table.as_bytes()), None, 100).await.unwrap()
    }

    async fn edit(&self, table: &str, change: impl Fn(&mut Vec<u8>)) {
        let (key, mut record) = self.records(table).await.pop().unwrap();
        change(&mut record.value);
        self.0.commit(Batch::new().put(key, record.value, None)).await.unwrap();
    }

    async fn text(&self) -> String {
        let records = self.records("").await;
        records.iter().map(|(_, record)| String::from_utf8_lossy(&record.value)).collect()
    }
}

#[async_trait]
impl Store for Yielding {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        tokio::task::yield_now().await;
        self.0.get(key).await
    }

    async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        self.0.scan(prefix, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version, CommitError> {
        tokio::task::yield_now().await;
        self.0.commit(batch).await
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        self.0.sweep().await
    }

    fn stats(&self) -> StoreStats {
        self.0.stats()
    }
}

struct Bench {
    store: Arc<Yielding>,
    clock: Arc<ManualClock>,
    options: KeyOptions,
}

impl Bench {
    fn new(algorithms: &[Algorithm]) -> Self {
        let options =
            KeyOptions { algorithms: algorithms.to_vec(), rotate_every: 90 * DAY, publish_before: DAY, retain: HOUR };
        let clock = Arc::new(ManualClock::at(UnixTime(1_800_000_000)));
        Self { store: Arc::new(Yielding(MemoryStore::new(clock.clone()))), clock, options }
    }

    async fn open_with(&self, master: u8) -> Result<KeyRing, KeyError> {
        let (store, clock, entropy) = (self.store.clone(), self.clock.clone(), Arc::new(SystemEntropy));
        KeyRing::open(store, &MasterKey::new([master; 32]), self.options.clone(), clock, entropy).await
    }

    async fn open(&self) -> KeyRing {
        self.open_with(1).await.unwrap()
    }

    async fn advance(&self, ring: &KeyRing, by: Duration) {
        self.clock.advance(by);
        ring.tick().await.unwrap();
    }
}

fn states(ring: &KeyRing) -> Vec<KeyState> {
    ring.list().iter().map(|key| key.state).collect()
}

fn published(ring: &KeyRing) -> BTreeSet<String> {
    let set: JwkSet = serde_json::from_str(&ring.jwks()).unwrap();
    set.keys.into_iter().map(|key| key.common.key_id.unwrap()).collect()
}

fn ed(ring: &KeyRing) -> String {
    ring.current(Algorithm::EdDsa).unwrap()
}

/// A JWT signed by the ring's current key, as the independent library takes it.
fn token(ring: &KeyRing, algorithm: Algorithm) -> String {
    let kid = ring.current(algorithm).unwrap();
    let header = serde_json::json!({ "typ": "at+jwt", "alg": algorithm.name(), "kid": kid });
    let claims = serde_json::json!({ "iss": "https://id.example", "aud": "api", "sub": "1", "exp": 4_102_444_800_u64 });
    let input = [header, claims].map(|part| BASE64URL.encode(part.to_string())).join(".");
    let signature = ring.sign(&kid, algorithm, input.as_bytes()).unwrap();
    format!("{input}.{}", BASE64URL.encode(signature))
}

/// Verified with nothing but the JWK set.
fn verified_elsewhere(jwks: &str, token: &str) -> bool {
    let set: JwkSet = serde_json::from_str(jwks).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let Some(key) = set.find(header.kid.as_deref().unwrap()) else { return false };
    let algorithm = key.common.key_algorithm.unwrap().to_string().parse().unwrap();
    let mut validation = jsonwebtoken::Validation::new(algorithm);
    validation.set_audience(&["api"]);
    let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
    jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).is_ok()
}

#[tokio::test]
async fn an_independent_library_verifies_all_three_algorithms_from_the_jwk_set() {
    let algorithms = [Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Es256];
    let ring = Bench::new(&algorithms).open().await;
    let set: JwkSet = serde_json::from_str(&ring.jwks()).unwrap();
    assert_eq!(set.keys.len(), 3);
    for key in &set.keys {
        assert_eq!(key.common.key_id.as_deref(), Some(key.thumbprint(ThumbprintHash::SHA256).as_str()));
        assert_eq!(serde_json::to_value(key).unwrap()["use"], "sig");
    }
    for algorithm in algorithms {
        let token = token(&ring, algorithm);
        assert!(verified_elsewhere(&ring.jwks(), &token), "{algorithm:?}");
        let (input, signature) = token.rsplit_once('.').unwrap();
        let (claims_at, changed) = (input.find('.').unwrap() + 2, signature);
        let forged = format!("{}x{}.{changed}", &input[..claims_at], &input[claims_at + 1..]);
        assert!(!verified_elsewhere(&ring.jwks(), &forged), "{algorithm:?}");
    }
}

#[tokio::test]
async fn only_the_configured_algorithms_get_keys_and_a_key_serves_only_its_own() {
    let ring = Bench::new(&[Algorithm::EdDsa]).open().await;
    let id = ed(&ring);
    assert_eq!(ring.list().len(), 1);
    assert_eq!(ring.current(Algorithm::Rs256), None);
    assert!(matches!(ring.sign(&id, Algorithm::Es256, b"x"), Err(KeyError::WrongAlgorithm { .. })));
    assert!(matches!(ring.sign("none", Algorithm::EdDsa, b"x"), Err(KeyError::UnknownKey(_))));
    let signature = ring.sign(&id, Algorithm::EdDsa, b"x").unwrap();
    assert!(ring.verify(&id, Algorithm::EdDsa, b"x", &signature));
    assert!(!ring.verify(&id, Algorithm::Es256, b"x", &signature));
    assert!(!ring.verify("none", Algorithm::EdDsa, b"x", &signature));
    assert!(matches!(ring.rotate(Some(Algorithm::Rs256), false).await, Err(KeyError::NotConfigured("RS256"))));
}

#[tokio::test]
async fn without_algorithms_there_are_macs_and_an_empty_jwk_set() {
    let ring = Bench::new(&[]).open().await;
    assert_eq!(&*ring.jwks(), r#"{"keys":[]}"#);
    assert!(ring.mac_matches("d", &[b"x"], &ring.mac("d", &[b"x"])[..16]));
}

#[tokio::test]
async fn the_keys_are_the_same_after_a_restart() {
    let bench = Bench::new(&[Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Es256]);
    let (first, second) = (bench.open().await, bench.open().await);
    assert_eq!(first.list(), second.list());
    assert_eq!(first.jwks(), second.jwks());
    assert_eq!(first.mac("d", &[b"x"]), second.mac("d", &[b"x"]));
    assert!(verified_elsewhere(&first.jwks(), &token(&second, Algorithm::Rs256)));
}

#[tokio::test]
async fn two_servers_that_start_at_once_end_with_the_same_keys() {
    for _ in 0..20 {
        let bench = Bench::new(&[Algorithm::EdDsa, Algorithm::Es256]);
        let (first, second, third) = tokio::join!(bench.open(), bench.open(), bench.open());
        assert_eq!(first.list().len(), 2);
        for other in [second, third] {
            assert_eq!(first.jwks(), other.jwks());
            assert_eq!(first.mac("d", &[b"x"]), other.mac("d", &[b"x"]));
        }
    }
}

#[tokio::test]
async fn another_master_key_is_named_as_the_fault_and_changes_nothing() {
    let bench = Bench::new(&[Algorithm::EdDsa]);
    let before = bench.open().await.list();
    let error = bench.open_with(2).await.unwrap_err();
    assert!(matches!(&error, KeyError::MasterDiffers { expected, given } if expected != given), "{error}");
    assert!(error.to_string().contains("master.key"), "{error}");
    assert_eq!(bench.open().await.list(), before);
}

#[tokio::test]
async fn a_damaged_record_is_named_and_never_replaced() {
    for (table, changed) in [("mac-key", "sealed\":\""), ("signing-keys", "sealed\":\""), ("signing-keys", "{\"keys")] {
        let bench = Bench::new(&[Algorithm::EdDsa]);
        bench.open().await;
        bench
            .store
            .edit(table, |value| {
                let text = String::from_utf8_lossy(value).into_owned();
                let at = text.rfind(changed).unwrap() + changed.len();
                value[at] = if value[at] == b'A' { b'B' } else { b'A' };
            })
            .await;
        let before = bench.store.text().await;
        let error = bench.open_with(1).await.unwrap_err();
        assert!(matches!(error, KeyError::Damaged { .. }), "{table}: {error}");
        assert_eq!(bench.store.text().await, before);
    }
}

#[tokio::test]
async fn a_sealed_key_cannot_be_moved_to_another_id() {
    let bench = Bench::new(&[Algorithm::EdDsa]);
    let id = ed(&bench.open().await);
    bench
        .store
        .edit("signing-keys", |value| {
            *value = String::from_utf8_lossy(value).replace(&id, &id.chars().rev().collect::<String>()).into_bytes();
        })
        .await;
    assert!(matches!(bench.open_with(1).await, Err(KeyError::Damaged { .. })));
}

#[tokio::test]
async fn nothing_secret_is_stored_readable_or_printed() {
    let bench = Bench::new(&[Algorithm::EdDsa, Algorithm::Rs256]);
    let ring = bench.open().await;
    let stored = bench.store.text().await;
    // How the DER of such keys begins in base64, long enough that no sealed key does so by chance.
    for der in ["MIIEvA", "MIIEvQ", "MIIEvg", "MIIEoA", "MIIEow", "MIIEpA", "MIIEpQ", "MC4CAQ", "MFECAQ", "MFMCAQ"] {
        assert!(!stored.contains(der), "{der}");
    }
    let printed = format!("{ring:?}");
    assert!(printed.contains(&ed(&ring)) && !printed.to_lowercase().contains("priv"), "{printed}");
    let json = serde_json::to_value(ring.list()).unwrap();
    assert_eq!((&json[0]["algorithm"], &json[0]["state"]), (&"EdDSA".into(), &"current".into()));
}

#[tokio::test]
async fn the_jwk_set_is_cached_for_less_than_the_lead_of_a_key() {
    let mut bench = Bench::new(&[Algorithm::EdDsa]);
    assert_eq!(bench.open().await.jwks_max_age(), HOUR);
    bench.options.publish_before = 10 * MINUTE;
    assert_eq!(bench.open().await.jwks_max_age(), 5 * MINUTE);
    bench.options.publish_before = Duration::ZERO;
    assert_eq!(bench.open().await.jwks_max_age(), Duration::ZERO);
    let unsigned = Bench::new(&[]).open().await;
    assert_eq!(unsigned.jwks_max_age(), Duration::ZERO, "the first key will sign at once");
}
