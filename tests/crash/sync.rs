//! A hundred thousand accounts from a paged source, in a process that is killed midway and goes on: nobody is doubled, nobody
//! lost, and the process never holds them all. Then half of them vanish from the source, and it is killed while it removes
//! those: each is removed once, and nobody else.

use crate::child::{Acknowledged, Workload, Writer, acknowledged};
use crate::workload;
use async_trait::async_trait;
use pintle::app::Builder;
use pintle::clock::SystemClock;
use pintle::config::model::SyncEntry;
use pintle::config::{self, LoadOptions};
use pintle::flow::Core;
use pintle::flow::sync::records::{Run, SyncState, SyncedAccount};
use pintle::flow::sync::{self, Step};
use pintle::keys::{MasterKey, MasterKeyOrigin};
use pintle::plugin::{AccountSource, CallError};
use pintle::store::{Store, record, record::Record};
use pintle_plugin_api::{Account, AccountChange, CallContext, SourcePage};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const ACCOUNTS: u64 = 100_000;
/// Of an account: together far more than what the process may grow by.
const CLAIM_BYTES: usize = 1024;
/// Together some 100 MB, which would show in either.
const MOST_KB: u64 = 256 * 1024;
const MOST_GROWTH_KB: u64 = 64 * 1024;
/// Pages after which caches are warm.
const WARM: usize = 20;

/// Its cursor is the number of accounts that it gave; they are in no order of their ids.
struct Paged {
    accounts: u64,
    /// Every other one has vanished.
    half: bool,
}

#[async_trait]
impl AccountSource for Paged {
    async fn pull(&self, _call: &CallContext, cursor: Option<String>, limit: u32) -> Result<SourcePage, CallError> {
        let start = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let end = (start + u64::from(limit)).min(self.accounts);
        let numbers = (start..end).filter(|number| !self.half || number.is_multiple_of(2));
        let changes = numbers.map(|number| AccountChange::Upsert(account(number))).collect();
        Ok(SourcePage { changes, next: (end < self.accounts).then(|| end.to_string()), complete: end >= self.accounts })
    }
}

fn account(number: u64) -> Account {
    Account {
        id: format!("{:016x}-{number}", workload::mix(number)),
        username: format!("user{number}"),
        claims_json: format!(r#"{{"note":"{}"}}"#, "x".repeat(CLAIM_BYTES)),
        ..Account::default()
    }
}

/// The most memory that this process has had, in kB.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// Syncs `accounts` to the end, and says after each step how far it is and what memory that took. Once a run has come to its
/// end half of them are gone.
pub async fn write(folder: &Path, accounts: u64) {
    let mut config = config::load(&LoadOptions::default()).unwrap().config;
    config.data_dir = folder.into();
    let store = workload::open(folder).unwrap();
    let half = state(&store).await.is_some_and(|state| state.last.is_some());
    let app = Builder::new(config)
        .clock(Arc::new(SystemClock::new()))
        .store(Arc::new(store))
        .master_key(MasterKey::new([7; 32]), MasterKeyOrigin::Env("TEST".to_owned()))
        .account_source(SyncEntry::new("erp".to_owned()), Arc::new(Paged { accounts, half }));
    let app = app.build().await.unwrap();
    let said = Acknowledged::open(folder);
    run(&app.core(), |run| said.add(&format!("{} {} {}", run.pages, peak_kb(), run.counts.removed))).await;
}

async fn state(store: &dyn Store) -> Option<SyncState> {
    let loaded = record::load::<SyncState>(store, &sync::records::state_key("erp")).await.unwrap();
    loaded.map(|loaded| loaded.value)
}

/// By force, as half of them are more than a run may remove.
async fn run(core: &Core, said: impl Fn(&Run)) {
    let source = sync::find(core, "erp").unwrap();
    let run = sync::begin(core, source, true).await.unwrap();
    loop {
        match sync::step(core, source, run.number, true).await.unwrap() {
            Step::Going(run) => said(&run),
            Step::Ended(_) => return,
            Step::Gone => panic!("the run is gone"),
        }
    }
}

/// What a process said after a step.
#[derive(Clone, Copy, Debug)]
struct Said {
    pages: u64,
    peak_kb: u64,
    removed: u64,
}

/// In the order in which the processes said it.
fn said(folder: &Path) -> Vec<Said> {
    let text = std::fs::read_to_string(acknowledged(folder)).unwrap_or_default();
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |line: &str| {
        let figures: Vec<u64> = line.split(' ').map(|figure| figure.parse().unwrap()).collect();
        Said { pages: figures[0], peak_kb: figures[1], removed: figures[2] }
    };
    complete.lines().map(parse).collect()
}

/// Kills a process once what it said is as far as that.
fn kill_at(writer: &Writer<'_>, is_there: impl Fn(&Said) -> bool) {
    let (before, mut child) = (said(writer.folder).len(), writer.start());
    while said(writer.folder).split_off(before).last().is_none_or(|said| !is_there(said)) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before that");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_hundred_thousand_accounts_are_synced_once_each_however_often_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let writer =
        Writer { workload: Workload::Sync, folder: folder.path(), operations: ACCOUNTS, log: None, kill_at: None };
    for pages in [15, 60, 120] {
        kill_at(&writer, |said| said.pages >= pages);
    }
    let before = said(folder.path()).len();
    assert!(writer.run());
    let last = said(folder.path()).split_off(before);
    assert!(last[0].pages > 120 && last[0].pages < 130, "it goes on where it was: {:?}", last[0]);
    let (warm, peak) = (last[WARM].peak_kb, last.last().unwrap().peak_kb);
    assert!(peak < MOST_KB && peak - warm < MOST_GROWTH_KB, "{warm} kB after {WARM} pages, {peak} kB at the end");
    let all = |copy: &SyncedAccount, _: u64| copy.is_enabled() && copy.seen_in == 1;
    let state = check(folder.path(), all).await;
    let counts = state.last.unwrap().counts;
    assert_eq!((state.known, counts.added, counts.changed, counts.unchanged), (ACCOUNTS, ACCOUNTS, 0, 0));

    for removed in [5_000, 20_000, 40_000] {
        kill_at(&writer, |said| said.removed >= removed);
    }
    let before = said(folder.path()).len();
    assert!(writer.run());
    let last = said(folder.path()).split_off(before);
    assert!(last[0].removed >= 40_000 && last[0].removed < 42_000, "it goes on where it was: {:?}", last[0]);
    assert!(last.iter().all(|said| said.peak_kb < MOST_KB), "{:?}", last.last());
    let even = |copy: &SyncedAccount, number: u64| {
        copy.is_enabled() == number.is_multiple_of(2) && copy.gone_at.is_none() == number.is_multiple_of(2)
    };
    let state = check(folder.path(), even).await;
    let counts = state.last.unwrap().counts;
    let half = ACCOUNTS / 2;
    assert_eq!((state.known, counts.removed, counts.unchanged, counts.added), (half, half, half, 0));
}

/// Every account is there once, as it was given and as `is_right` says; the state of the sync.
async fn check(folder: &Path, is_right: impl Fn(&SyncedAccount, u64) -> bool) -> SyncState {
    let store = workload::open(folder).unwrap();
    let (mut count, mut sum, mut after) = (0, 0_u64, None);
    loop {
        let found = store.scan(&SyncedAccount::key(&[b"erp"]), after.as_ref(), 1000).await.unwrap();
        let Some((last, _)) = found.last() else { break };
        after = Some(last.clone());
        for (_, row) in &found {
            let copy = record::decode::<SyncedAccount>(&row.value).unwrap();
            let number: u64 = copy.account.username["user".len()..].parse().unwrap();
            assert!(copy.account == account(number) && is_right(&copy, number), "{number}");
            (count, sum) = (count + 1, sum + number);
        }
    }
    // Ids are keys, so nobody is there twice; with the sum nobody is missing.
    assert_eq!((count, sum), (ACCOUNTS, ACCOUNTS * (ACCOUNTS - 1) / 2));
    state(&store).await.unwrap()
}
