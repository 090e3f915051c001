//! A hundred thousand accounts from a paged source, in a process that is killed midway and goes on: nobody is doubled, nobody
//! lost, and the process never holds them all.

use crate::child::{Acknowledged, Workload, Writer, acknowledged};
use crate::workload;
use async_trait::async_trait;
use pintle::app::Builder;
use pintle::clock::SystemClock;
use pintle::config::model::SyncEntry;
use pintle::config::{self, LoadOptions};
use pintle::flow::Core;
use pintle::flow::sync::records::SyncedAccount;
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
struct Paged(u64);

#[async_trait]
impl AccountSource for Paged {
    async fn pull(&self, _call: &CallContext, cursor: Option<String>, limit: u32) -> Result<SourcePage, CallError> {
        let start = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let end = (start + u64::from(limit)).min(self.0);
        let changes = (start..end).map(|number| AccountChange::Upsert(account(number))).collect();
        Ok(SourcePage { changes, next: (end < self.0).then(|| end.to_string()), complete: end >= self.0 })
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

/// Syncs `accounts` to the end, and says after each page how far it is and what memory that took.
pub async fn write(folder: &Path, accounts: u64) {
    let mut config = config::load(&LoadOptions::default()).unwrap().config;
    config.data_dir = folder.into();
    let app = Builder::new(config)
        .clock(Arc::new(SystemClock::new()))
        .store(Arc::new(workload::open(folder).unwrap()))
        .master_key(MasterKey::new([7; 32]), MasterKeyOrigin::Env("TEST".to_owned()))
        .account_source(SyncEntry::new("erp".to_owned()), Arc::new(Paged(accounts)));
    let app = app.build().await.unwrap();
    let said = Acknowledged::open(folder);
    run(&app.core(), |pages| said.add(&format!("{pages} {}", peak_kb()))).await;
}

async fn run(core: &Core, said: impl Fn(u64)) {
    let source = sync::find(core, "erp").unwrap();
    let run = sync::begin(core, source, false).await.unwrap();
    loop {
        match sync::step(core, source, run.number, false).await.unwrap() {
            Step::Going(run) => said(run.pages),
            Step::Ended(_) => return,
            Step::Gone => panic!("the run is gone"),
        }
    }
}

/// Pages and peaks, as the processes said them.
fn said(folder: &Path) -> Vec<(u64, u64)> {
    let text = std::fs::read_to_string(acknowledged(folder)).unwrap_or_default();
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let pair = |line: &str| line.split_once(' ').map(|(pages, peak)| (pages.parse().unwrap(), peak.parse().unwrap()));
    complete.lines().map(|line| pair(line).unwrap()).collect()
}

/// Kills a process once it has said that it is `pages` far.
fn kill_at(writer: &Writer<'_>, pages: u64) {
    let mut child = writer.start();
    while said(writer.folder).last().is_none_or(|(reached, _)| *reached < pages) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before page {pages}");
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
        kill_at(&writer, pages);
    }
    let before = said(folder.path()).len();
    assert!(writer.run());
    let last: Vec<_> = said(folder.path()).split_off(before);
    assert!(last[0].0 > 120 && last[0].0 < 130, "it goes on where it was: {:?}", last[0]);
    let (warm, peak) = (last[WARM].1, last.last().unwrap().1);
    assert!(peak < MOST_KB && peak - warm < MOST_GROWTH_KB, "{warm} kB after {WARM} pages, {peak} kB at the end");

    let store = workload::open(folder.path()).unwrap();
    let (mut count, mut sum, mut after) = (0, 0_u64, None);
    loop {
        let found = store.scan(&SyncedAccount::key(&[b"erp"]), after.as_ref(), 1000).await.unwrap();
        let Some((last, _)) = found.last() else { break };
        after = Some(last.clone());
        for (_, row) in &found {
            let copy = record::decode::<SyncedAccount>(&row.value).unwrap();
            let number: u64 = copy.account.username["user".len()..].parse().unwrap();
            assert!(copy.is_enabled() && copy.seen_in == 1 && copy.account == account(number));
            (count, sum) = (count + 1, sum + number);
        }
    }
    // Ids are keys, so nobody is there twice; with the sum nobody is missing.
    assert_eq!((count, sum), (ACCOUNTS, ACCOUNTS * (ACCOUNTS - 1) / 2));
    let state = record::load::<sync::records::SyncState>(&store, &sync::records::state_key("erp")).await.unwrap();
    let state = state.unwrap().value;
    let counts = state.last.unwrap().counts;
    assert_eq!((state.known, counts.added, counts.changed, counts.unchanged), (ACCOUNTS, ACCOUNTS, 0, 0));
}
