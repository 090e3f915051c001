//! The process that writes, and how to start it.

use crate::{sessions, sync, workload};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

const WORKLOAD: &str = "PINTLE_CRASH_WORKLOAD";
const FOLDER: &str = "PINTLE_CRASH_FOLDER";
const OPERATIONS: &str = "PINTLE_CRASH_OPERATIONS";

/// What the process does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Workload {
    /// Commits of the store's.
    Commits,
    /// Logins, refreshes and revocations of a server on that store.
    Sessions,
    /// A sync of accounts.
    Sync,
}

/// Not a test of its own: the other process of those below.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let operations = std::env::var(OPERATIONS).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match std::env::var(WORKLOAD).unwrap().as_str() {
        "Commits" => runtime.block_on(write(folder, operations)),
        "Sessions" => runtime.block_on(sessions::write(folder, operations)),
        "Sync" => runtime.block_on(sync::write(folder, operations)),
        other => panic!("workload {other:?}"),
    }
}

/// Each task goes on after its last operation that the store holds, for so many operations.
async fn write(folder: &Path, operations: u64) {
    let store = Arc::new(workload::open(folder).unwrap());
    let acknowledged = Arc::new(Acknowledged::open(folder));
    let tasks: Vec<_> = (0..workload::TASKS)
        .map(|task| {
            let (store, acknowledged) = (store.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let done = workload::done(&store, task).await.unwrap();
                let acknowledge = |number: u64| acknowledged.add(&format!("{task} {number}"));
                // What a read shows is durable too.
                acknowledge(done);
                for number in done + 1..=done + operations {
                    workload::commit(&store, task, number).await.unwrap();
                    acknowledge(number);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// What the process tells the world, a line each.
pub struct Acknowledged(Mutex<std::fs::File>);

impl Acknowledged {
    pub fn open(folder: &Path) -> Self {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(acknowledged(folder)).unwrap();
        Self(Mutex::new(file))
    }

    pub fn add(&self, line: &str) {
        self.0.lock().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

pub fn acknowledged(folder: &Path) -> PathBuf {
    folder.join("acknowledged")
}

/// The number of the last acknowledged operation of each task, from the lines that the process wrote.
pub fn last_acknowledged(lines: &[u8]) -> Vec<u64> {
    let mut last = vec![0; workload::TASKS as usize];
    for line in String::from_utf8_lossy(lines).lines() {
        let (task, number) = line.split_once(' ').unwrap();
        last[task.parse::<usize>().unwrap()] = number.parse().unwrap();
    }
    last
}

/// The same, of a folder in which the process was killed.
pub fn acknowledged_in(folder: &Path) -> Vec<u64> {
    last_acknowledged(&std::fs::read(acknowledged(folder)).unwrap_or_default())
}

/// The process to start.
pub struct Writer<'a> {
    pub workload: Workload,
    pub folder: &'a Path,
    /// Of each task.
    pub operations: u64,
    /// Record into this file.
    pub log: Option<&'a Path>,
    /// Kill before this call that writes, creates, renames, removes or syncs.
    pub kill_at: Option<u64>,
}

impl Writer<'_> {
    pub fn start(&self) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child::writer", "--nocapture"]).stdout(Stdio::null()).stderr(Stdio::null());
        command
            .env(WORKLOAD, format!("{:?}", self.workload))
            .env(FOLDER, self.folder)
            .env(OPERATIONS, self.operations.to_string());
        command.env("LD_PRELOAD", recorder()).env("PINTLE_RECORD_FOLDER", self.folder);
        if let Some(log) = self.log {
            command.env("PINTLE_RECORD_LOG", log);
        }
        if let Some(kill_at) = self.kill_at {
            command.env("PINTLE_RECORD_KILL", kill_at.to_string());
        }
        command.spawn().unwrap()
    }

    /// Runs it; whether it came to its end.
    pub fn run(&self) -> bool {
        let status = self.start().wait().unwrap();
        assert!(status.success() || std::os::unix::process::ExitStatusExt::signal(&status) == Some(9), "{status}");
        status.success()
    }
}

/// The recorder's library, built once.
fn recorder() -> &'static Path {
    static RECORDER: OnceLock<PathBuf> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("crash/recorder.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("recorder-{}.so", std::process::id()));
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-o"]).arg(&library).arg(source);
        assert!(cc.status().expect("a C compiler, `cc`, builds the recorder").success());
        library
    })
}

/// A folder for the store, in memory where there is such a place: what is synced is recorded, not needed.
pub fn folder_in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}
