//! SIGKILL at any moment.

use crate::child::{Workload, Writer, acknowledged_in, folder_in_memory};
use crate::workload::{mix, verify};
use std::path::Path;
use std::time::Duration;

async fn check(folder: &Path, when: &str) {
    let acknowledged = acknowledged_in(folder);
    if let Err(error) = verify(folder, &acknowledged).await {
        panic!("killed {when}: {error}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..16 {
        let mut child = Writer {
            workload: Workload::Commits,
            folder: folder.path(),
            operations: u64::MAX / 2,
            log: None,
            kill_at: None,
        }
        .start();
        let after = Duration::from_millis(5 + mix(round) % 200);
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
        check(folder.path(), &format!("after {after:?}")).await;
    }
    assert!(acknowledged_in(folder.path()).iter().all(|number| *number > 20), "the writers hardly wrote");
}

/// From the first call on an empty folder until commits are under way.
#[tokio::test]
async fn a_kill_at_any_call_of_the_first_open_is_survived() {
    let mut completed = 0;
    for call in 0..60 {
        let folder = folder_in_memory();
        let writer = Writer {
            workload: Workload::Commits,
            folder: folder.path(),
            operations: 5,
            log: None,
            kill_at: Some(call),
        };
        completed += u32::from(writer.run());
        check(folder.path(), &format!("at call {call} of the first open")).await;
    }
    assert_eq!(completed, 0, "60 calls are more than what a writer makes: count again");
}

/// Each kill leaves its traces to the next open.
#[tokio::test]
async fn kills_at_any_call_of_later_opens_are_survived() {
    let folder = folder_in_memory();
    assert!(
        Writer { workload: Workload::Commits, folder: folder.path(), operations: 300, log: None, kill_at: None }.run()
    );
    for call in 0..40 {
        Writer { workload: Workload::Commits, folder: folder.path(), operations: 5, log: None, kill_at: Some(call) }
            .run();
        if call % 4 == 3 {
            check(folder.path(), &format!("at call {call} of an open")).await;
        }
    }
}
