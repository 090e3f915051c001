//! What the writing process does, computable from how far it came: that is how a test knows what must be there.
//!
//! Each task commits its operations in order, one at a time. Operation n sets the task's counter to n and changes one
//! or two other records of the task in the same batch. So the counter tells which operations the disk holds, and all of the
//! task's records must be as they are after exactly those.

use pintle::clock::SystemClock;
use pintle::store::sled::{OpenError, SledOptions, SledStore};
use pintle::store::{Batch, CommitError, Key, Store};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub const TASKS: u64 = 4;
const RECORDS: u64 = 40;

/// A fixed pseudo-random function (SplitMix64).
pub fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// What operation `number` of `task` leaves under each key it touches.
pub fn operation(task: u64, number: u64) -> BTreeMap<String, Option<Vec<u8>>> {
    let random = mix(task << 32 | number);
    // Large values lie side by side: sled's leaves take 16 entries, however large.
    let (record, bytes) = match random % 64 {
        0 => (random >> 8 & 7, 65_536),
        1..6 => (random >> 8 & 7, 20_000),
        6..12 => (8 + (random >> 8) % RECORDS, 3_000),
        _ => (8 + (random >> 8) % RECORDS, 250),
    };
    let filler = |bytes| (0..bytes).map(|index| (random >> (index % 56)) as u8).collect::<Vec<_>>();
    let name = |record: u64| format!("{task}/record{record:02}");
    let mut changes = BTreeMap::from([(name(record), Some(filler(bytes)))]);
    let other = name(8 + (random >> 16) % RECORDS);
    changes.insert(other, (random >> 24).is_multiple_of(3).then(|| filler(100)));
    changes.insert(format!("{task}/counter"), Some(number.to_le_bytes().to_vec()));
    changes
}

/// Opens the store. While another test starts a process, that one has a copy of every lock of this one between its fork
/// and its exec: a store that was just closed may be in use for so long.
pub fn open(folder: &Path) -> Result<SledStore, String> {
    let mut tries = 0;
    loop {
        let options = SledOptions { path: folder.join("store"), cache_mib: 8 };
        match SledStore::open(options, Arc::new(SystemClock::new())) {
            Err(OpenError::InUse { .. }) if tries < 500 => tries += 1,
            opened => return opened.map_err(|error| error.to_string()),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn key(name: &str) -> Key {
    Key::new(name.as_bytes())
}

/// How many operations of `task` the store holds.
pub async fn done(store: &SledStore, task: u64) -> Result<u64, String> {
    let counter = store.get(&key(&format!("{task}/counter"))).await.map_err(|error| error.to_string())?;
    Ok(counter.map_or(0, |found| u64::from_le_bytes(found.value.try_into().unwrap())))
}

pub async fn commit(store: &SledStore, task: u64, number: u64) -> Result<(), CommitError> {
    let batch = operation(task, number).into_iter().fold(Batch::new(), |batch, (name, value)| match value {
        Some(value) => batch.put(key(&name), value, None),
        None => batch.delete(key(&name)),
    });
    store.commit(batch).await.map(drop)
}

/// Opens the store and compares it with what was acknowledged: for each task, the number of its last operation.
pub async fn verify(folder: &Path, acknowledged: &[u64]) -> Result<(), String> {
    let store = open(folder)?;
    for (task, acknowledged) in (0..TASKS).zip(acknowledged) {
        let done = done(&store, task).await?;
        if done < *acknowledged || done > acknowledged + 1 {
            return Err(format!("task {task} has {done} operations, {acknowledged} were acknowledged"));
        }
        let mut expected = BTreeMap::new();
        for number in 1..=done {
            expected.extend(operation(task, number));
        }
        expected.retain(|_, value| value.is_some());
        let found = store.scan(&key(&format!("{task}/")), None, usize::MAX).await.map_err(|error| error.to_string())?;
        let found = found.into_iter().map(|(key, found)| (key.as_bytes().to_vec(), Some(found.value)));
        if !found.eq(expected.into_iter().map(|(name, value)| (name.into_bytes(), value))) {
            return Err(format!("the records of task {task} are not those after {done} operations"));
        }
    }
    commit(&store, TASKS, 1).await.map_err(|error| error.to_string())
}
