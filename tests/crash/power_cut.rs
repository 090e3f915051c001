//! Power cuts at any moment, simulated over recorded writes and syncs.
//!
//! The recording has three processes, of which the first two are killed: what they had not synced is still unsynced when
//! the next one builds on it. `PINTLE_POWER_CUTS` sets the number of cuts.

use crate::child::{Workload, Writer, folder_in_memory, last_acknowledged};
use crate::disk::Disk;
use crate::record::{self, Call};
use crate::sessions;
use crate::workload::{mix, verify};
use std::path::Path;

struct Recording {
    workload: Workload,
    folder: tempfile::TempDir,
    calls: Vec<Call>,
}

/// `kills`: before which calls the first two processes are killed. Each process does `operations` of each task.
fn recording(workload: Workload, operations: u64, kills: [u64; 2]) -> Recording {
    let folder = folder_in_memory();
    let log_folder = tempfile::tempdir().unwrap();
    let log = log_folder.path().join("log");
    for kill_at in [Some(kills[0]), Some(kills[1]), None] {
        let ended = Writer { workload, folder: folder.path(), operations, log: Some(&log), kill_at }.run();
        assert_eq!(ended, kill_at.is_none(), "the process does fewer or more calls than the test assumes");
    }
    let calls = record::read(&log);
    Recording { workload, folder, calls }
}

/// When to cut: at any call, and every third time among the first calls of a process, which builds on what the one before
/// it did not sync.
fn moments(calls: &[Call], cuts: u64) -> Vec<usize> {
    let is_start = |call: &Call| matches!(call, Call::Open { path, .. } if path.ends_with("store/lock"));
    let starts: Vec<_> = (0..calls.len()).filter(|index| is_start(&calls[*index])).collect();
    let mut moments: Vec<_> = (0..cuts)
        .map(|cut| match cut % 3 {
            0 => starts[(mix(cut) % starts.len() as u64) as usize] + (mix(!cut) % 80) as usize,
            _ => (mix(cut) % calls.len() as u64) as usize,
        })
        .collect();
    moments.sort_unstable();
    moments
}

/// Cuts the power at some of the calls; returns what went wrong.
async fn cut(recording: &Recording, cuts: u64, data_syncs: bool) -> Vec<String> {
    let Recording { workload, folder, calls } = recording;
    let moments = moments(calls, cuts);
    let mut disk = Disk::new(folder.path(), data_syncs);
    let mut faults = Vec::new();
    let mut applied = 0;
    for (seed, moment) in (0..).zip(moments) {
        calls[applied..moment].iter().for_each(|call| disk.apply(call));
        applied = moment;
        let target = folder_in_memory();
        disk.cut(seed, target.path());
        if let Err(fault) = verify_apart(*workload, target.path(), &disk.acknowledged).await {
            faults.push(format!("cut {seed} at call {moment} of {}: {fault}", calls.len()));
        }
    }
    faults
}

/// sled may panic over what it finds.
async fn verify_apart(workload: Workload, folder: &Path, acknowledged: &[u8]) -> Result<(), String> {
    let (folder, acknowledged) = (folder.to_owned(), acknowledged.to_owned());
    let verified = tokio::spawn(async move {
        match workload {
            Workload::Commits => verify(&folder, &last_acknowledged(&acknowledged)).await,
            Workload::Sessions => sessions::verify(&folder, &acknowledged).await,
            Workload::Sync => panic!("of a sync nothing is acknowledged that could be verified here"),
        }
    });
    verified.await.map_err(|error| error.to_string()).flatten()
}

fn commits() -> Recording {
    recording(Workload::Commits, 250, [1500, 1000])
}

fn cuts() -> u64 {
    std::env::var("PINTLE_POWER_CUTS").map_or(150, |cuts| cuts.parse().unwrap())
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_power_cut_at_any_time() {
    let cuts = cuts();
    let recording = commits();
    let faults = cut(&recording, cuts, true).await;
    assert!(faults.is_empty(), "{} of {cuts} cuts lost something: {faults:#?}", faults.len());
    let acknowledged = recording.calls.iter().filter(|call| matches!(call, Call::Sync { data_only: true, .. })).count();
    assert!(acknowledged > 100, "only {acknowledged} groups were recorded");
}

/// The same test over a disk whose `fdatasync` does nothing, which is what sled alone would have.
#[tokio::test]
async fn without_the_committers_sync_the_test_would_fail() {
    let faults = cut(&commits(), 20, false).await;
    assert!(!faults.is_empty(), "20 cuts without any sync lost nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refresh_tokens_and_revocations_outlive_a_power_cut_at_any_time() {
    let cuts = cuts();
    let recording = recording(Workload::Sessions, 60, [600, 400]);
    let (live, ended) = sessions::acknowledged_in(recording.folder.path());
    assert!(live > 5 && ended > 30, "only {live} sessions were left, and only {ended} were revoked");
    let faults = cut(&recording, cuts, true).await;
    assert!(faults.is_empty(), "{} of {cuts} cuts lost something: {faults:#?}", faults.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_committers_sync_refresh_tokens_or_revocations_would_be_lost() {
    let faults = cut(&recording(Workload::Sessions, 60, [600, 400]), 20, false).await;
    assert!(!faults.is_empty(), "20 cuts without any sync lost nothing");
}
