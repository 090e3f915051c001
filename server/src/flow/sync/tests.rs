//! Runs on a wired server whose store is memory, against a source that says what it is told to.

use super::records::{Counts, RunKind, SyncedAccount, account_key};
use super::{PAGE, Step, SyncError, begin, find, permits, schedule, state, step};
use crate::app::{App, Builder};
use crate::clock::{ManualClock, UnixTime};
use crate::config::model::{Share, SyncEntry};
use crate::config::{self, LoadOptions};
use crate::flow::{Call, family, identity, token};
use crate::keys::{MasterKey, MasterKeyOrigin};
use crate::oauth::family::AccountRef;
use crate::oauth::params::Params;
use crate::plugin::{AccountSource, CallError, UserVerifier};
use crate::store::record;
use crate::test_store::TestStore;
use async_trait::async_trait;
use pintle_plugin_api::{
    Accepted, Account, AccountChange, CallContext, PluginError, SourcePage, VerifyOutcome, VerifyRequest,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

mod dry_run;
mod guard;

const NOW: UnixTime = UnixTime(1_800_000_000);
/// Of a full run, so that it takes three for the accounts of [`Fixture::filled`].
const OF_A_PAGE: usize = 100;
const MANY: usize = 240;

/// The cursor of a full run is `full:<accounts given>`, of a finished one `since`.
#[derive(Default)]
struct Scripted {
    accounts: Mutex<BTreeMap<String, Account>>,
    changes: Mutex<Vec<AccountChange>>,
    failures: Mutex<VecDeque<PluginError>>,
    asked: Mutex<Vec<Option<String>>>,
    /// So many pages, then one failure.
    fails_after: Mutex<Option<usize>>,
}

#[async_trait]
impl AccountSource for Scripted {
    async fn pull(&self, _call: &CallContext, cursor: Option<String>, limit: u32) -> Result<SourcePage, CallError> {
        assert_eq!(limit, PAGE);
        if let Some(left) = &mut *self.fails_after.lock().unwrap() {
            if *left == 0 {
                return Err(PluginError::Unavailable("down".to_owned()).into());
            }
            *left -= 1;
        }
        if let Some(error) = self.failures.lock().unwrap().pop_front() {
            return Err(error.into());
        }
        self.asked.lock().unwrap().push(cursor.clone());
        if cursor.as_deref() == Some("since") {
            let changes = std::mem::take(&mut *self.changes.lock().unwrap());
            return Ok(SourcePage { changes, next: Some("since".to_owned()), complete: true });
        }
        let given: usize = cursor.map_or(0, |cursor| cursor["full:".len()..].parse().unwrap());
        let accounts = self.accounts.lock().unwrap();
        let page: Vec<_> = accounts.values().skip(given).take(OF_A_PAGE).cloned().map(AccountChange::Upsert).collect();
        let end = given + page.len();
        let complete = end >= accounts.len();
        let next = if complete { "since".to_owned() } else { format!("full:{end}") };
        Ok(SourcePage { changes: page, next: Some(next), complete })
    }
}

/// Accepts everybody: what is refused the sync refuses.
struct Everybody;

#[async_trait]
impl UserVerifier for Everybody {
    async fn verify(&self, _call: &CallContext, request: VerifyRequest) -> Result<VerifyOutcome, CallError> {
        let account = account(&request.username.unwrap_or_default());
        Ok(VerifyOutcome::Accepted(Accepted { account, ..Accepted::default() }))
    }
}

fn account(name: &str) -> Account {
    Account { id: format!("id-{name}"), username: name.to_owned(), ..Account::default() }
}

fn reference(name: &str) -> AccountRef {
    AccountRef { backend: "erp".to_owned(), id: format!("id-{name}") }
}

struct Fixture {
    app: App,
    source: Arc<Scripted>,
    clock: Arc<ManualClock>,
    store: Arc<TestStore>,
    _folder: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config::load(&LoadOptions::default()).unwrap().config;
        config.data_dir = folder.path().into();
        config.chain.clear();
        config.clients[0].trusted = true;
        let clock = Arc::new(ManualClock::at(NOW));
        let (store, source) = (TestStore::new(clock.clone()), Arc::new(Scripted::default()));
        let entry = SyncEntry { refuse_removal_over: Share(1000), ..SyncEntry::new("erp".to_owned()) };
        let app = Builder::new(config)
            .clock(clock.clone())
            .store(store.clone())
            .master_key(MasterKey::new([7; 32]), MasterKeyOrigin::Env("TEST".to_owned()))
            .user_verifier("erp", Arc::new(Everybody))
            .account_source(entry, source.clone());
        Self { app: app.build().await.unwrap(), source, clock, store, _folder: folder }
    }

    /// With [`MANY`] accounts at the source, all of them synced.
    async fn filled() -> Self {
        let fixture = Self::new().await;
        for number in 0..MANY {
            fixture.name(account(&format!("u{number:03}")));
        }
        let ended = fixture.run(false, false).await.unwrap();
        assert_eq!(ended, (RunKind::Full, Counts { added: MANY as u64, ..Counts::default() }));
        fixture
    }

    fn name(&self, account: Account) {
        self.source.accounts.lock().unwrap().insert(account.id.clone(), account);
    }

    fn forget(&self, names: std::ops::Range<usize>) {
        let mut accounts = self.source.accounts.lock().unwrap();
        names.for_each(|number| drop(accounts.remove(&format!("id-u{number:03}"))));
    }

    fn disable(&self, names: std::ops::Range<usize>) {
        let mut accounts = self.source.accounts.lock().unwrap();
        names.for_each(|number| accounts.get_mut(&format!("id-u{number:03}")).unwrap().disabled = true);
    }

    fn source(&self) -> super::NamedSource {
        find(&self.app.core(), "erp").unwrap().clone()
    }

    async fn run(&self, full: bool, force: bool) -> Result<(RunKind, Counts), SyncError> {
        let run = begin(&self.app.core(), &self.source(), full).await?;
        loop {
            match step(&self.app.core(), &self.source(), run.number, force).await? {
                Step::Going(_) => {}
                Step::Ended(ended) => return Ok((ended.kind, ended.counts)),
                Step::Gone => panic!("the run is gone"),
            }
        }
    }

    async fn copy(&self, name: &str) -> SyncedAccount {
        let key = account_key(&reference(name));
        record::load::<SyncedAccount>(&*self.store, &key).await.unwrap().unwrap().value
    }

    async fn state(&self) -> super::SyncState {
        state(&self.app.core(), "erp").await.unwrap().0
    }

    async fn known(&self) -> u64 {
        self.state().await.known
    }

    async fn token(&self, form: &[(&str, &str)]) -> Result<String, String> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let call = Call::new("test".to_owned(), None);
        let answer = token::exchange(&self.app.core(), &call, None, &Params::parse(body.as_bytes()).unwrap()).await;
        let answer = answer.map_err(|error| error.code.as_str().to_owned())?;
        Ok(serde_json::to_value(answer).unwrap()["refresh_token"].as_str().unwrap().to_owned())
    }

    async fn log_in(&self, name: &str) -> Result<String, String> {
        self.token(&[("grant_type", "password"), ("username", name), ("password", "x")]).await
    }

    async fn refresh(&self, token: &str) -> Result<String, String> {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }
}

fn refused() -> Result<String, String> {
    Err("invalid_grant".to_owned())
}

#[tokio::test]
async fn a_full_run_names_all_and_those_that_follow_what_has_changed() {
    let fixture = Fixture::filled().await;
    let changed = Account { groups: vec!["boss".to_owned()], ..account("u001") };
    *fixture.source.changes.lock().unwrap() = vec![
        AccountChange::Upsert(changed.clone()),
        AccountChange::Upsert(account("new")),
        AccountChange::Upsert(account("u002")),
        AccountChange::Delete("id-u003".to_owned()),
        AccountChange::Upsert(account("u003")),
        AccountChange::Delete("id-u004".to_owned()),
    ];
    let (kind, counts) = fixture.run(false, false).await.unwrap();
    assert_eq!(
        (kind, counts),
        (RunKind::Incremental, Counts { added: 1, changed: 1, disabled: 0, unchanged: 2, removed: 1 })
    );
    assert_eq!(fixture.copy("u001").await.account, changed);
    assert_eq!((fixture.copy("u004").await.gone_at, fixture.known().await), (Some(NOW), MANY as u64));
    // Nobody is gone for not being named.
    assert!(fixture.copy("u200").await.is_enabled());
    assert_eq!(fixture.run(true, false).await.unwrap().0, RunKind::Full);
}

#[tokio::test]
async fn an_account_that_vanished_is_logged_out_and_kept_out_until_it_comes_back() {
    let fixture = Fixture::filled().await;
    let (gone, stays) = (fixture.log_in("u000").await.unwrap(), fixture.log_in("u200").await.unwrap());
    fixture.forget(0..3);
    let (_, counts) = fixture.run(true, false).await.unwrap();
    assert_eq!(counts, Counts { unchanged: MANY as u64 - 3, removed: 3, ..Counts::default() });
    assert_eq!(fixture.refresh(&gone).await, refused());
    assert_eq!(fixture.log_in("u000").await, refused());
    assert!(fixture.refresh(&stays).await.is_ok() && fixture.log_in("u200").await.is_ok());
    assert!(fixture.log_in("never-named").await.is_ok());
    fixture.name(account("u000"));
    let (_, counts) = fixture.run(true, false).await.unwrap();
    assert_eq!((counts.added, counts.removed), (1, 0));
    // The removal has ended the token for good.
    assert_eq!(fixture.refresh(&gone).await, refused());
    assert!(fixture.log_in("u000").await.is_ok());
}

#[tokio::test]
async fn tokens_end_in_the_commit_that_removes() {
    let fixture = Fixture::filled().await;
    fixture.log_in("u000").await.unwrap();
    let epoch = async || {
        let key = crate::flow::records::identity_key(&reference("u000"));
        record::load::<crate::flow::records::Identity>(&*fixture.store, &key).await.unwrap().unwrap().value.epoch
    };
    fixture.forget(0..1);
    let run = begin(&fixture.app.core(), &fixture.source(), true).await.unwrap();
    while fixture.copy("u000").await.is_enabled() {
        assert_eq!(epoch().await, 0);
        assert!(matches!(step(&fixture.app.core(), &fixture.source(), run.number, false).await, Ok(Step::Going(_))));
    }
    assert_eq!(epoch().await, 1);
}

#[tokio::test]
async fn a_disabled_account_is_logged_out_and_one_that_is_enabled_again_may_return() {
    let fixture = Fixture::filled().await;
    let token = fixture.log_in("u005").await.unwrap();
    let disabled = Account { disabled: true, ..account("u005") };
    *fixture.source.changes.lock().unwrap() = vec![AccountChange::Upsert(disabled)];
    fixture.run(false, false).await.unwrap();
    assert_eq!((fixture.refresh(&token).await, fixture.log_in("u005").await), (refused(), refused()));
    *fixture.source.changes.lock().unwrap() = vec![AccountChange::Upsert(account("u005"))];
    fixture.run(false, false).await.unwrap();
    assert_eq!(fixture.refresh(&token).await, refused());
    assert!(fixture.log_in("u005").await.is_ok());
}

#[tokio::test]
async fn a_login_that_the_removal_overtakes_ends_with_it() {
    let fixture = Fixture::filled().await;
    // The removal commits between a login's identity and its tokens.
    let identity = identity::ensure(&fixture.app.core(), &reference("u000"), &account("u000")).await.unwrap();
    fixture.forget(0..1);
    fixture.run(true, false).await.unwrap();
    assert!(!permits(&fixture.app.core(), &reference("u000")).await.unwrap());
    let subject = crate::oauth::family::Subject {
        sub: identity.sub,
        account: reference("u000"),
        username: "u000".to_owned(),
        auth_time: NOW,
        amr: Vec::new(),
        acr: None,
        epoch: identity.epoch,
    };
    let client = fixture.app.config().clients[0].id.clone();
    let core = fixture.app.core();
    let standing = family::standing(&core, family::Freshness::LastSeen, &client, Some(&subject), None);
    let (standing, _) = standing.await.unwrap();
    assert_ne!(standing.subject_epoch, Some(subject.epoch));
    assert!(!standing.account_enabled);
}

#[tokio::test]
async fn a_run_that_was_cut_off_goes_on_where_it_was() {
    let fixture = Fixture::filled().await;
    fixture.forget(0..10);
    fixture.source.asked.lock().unwrap().clear();
    *fixture.source.fails_after.lock().unwrap() = Some(2);
    assert!(matches!(fixture.run(true, false).await, Err(SyncError::Source { .. })));
    *fixture.source.fails_after.lock().unwrap() = None;
    let (_, counts) = fixture.run(true, false).await.unwrap();
    assert_eq!(counts, Counts { unchanged: MANY as u64 - 10, removed: 10, ..Counts::default() });
    let asked: Vec<_> = fixture.source.asked.lock().unwrap().iter().map(|at| at.clone().unwrap_or_default()).collect();
    assert_eq!(asked, ["", "full:100", "full:200"]);
}

#[tokio::test]
async fn a_run_that_the_store_cut_off_between_the_batches_of_a_page_counts_nobody_twice() {
    let fixture = Fixture::new().await;
    for number in 0..MANY {
        fixture.name(account(&format!("u{number:03}")));
    }
    let core = &fixture.app.core();
    let run = begin(core, &fixture.source(), true).await.unwrap();
    // A batch of the first page, without the cursor: what a crash between two batches leaves.
    let page = super::pull(core, &fixture.source(), None).await.unwrap();
    let (state_before, version) = state(core, "erp").await.unwrap();
    let at = super::step::At { core, source: &fixture.source(), state: state_before, version };
    at.part_of(run.clone(), page, 40).await.unwrap();
    let (_, counts) = fixture.run(false, false).await.unwrap();
    assert_eq!(counts, Counts { added: MANY as u64, ..Counts::default() });
    assert_eq!(fixture.known().await, MANY as u64);
}

#[tokio::test]
async fn a_cursor_that_the_source_does_not_take_leads_to_a_full_run() {
    let fixture = Fixture::filled().await;
    fixture.source.failures.lock().unwrap().push_back(PluginError::Invalid("too old".to_owned()));
    assert!(fixture.run(false, false).await.is_err());
    assert_eq!(fixture.run(false, false).await.unwrap().0, RunKind::Full);
}

#[tokio::test]
async fn the_schedule_waits_longer_after_each_failure_and_asks_for_all_now_and_then() {
    let fixture = Fixture::filled().await;
    let tick = async || schedule::tick(&fixture.app.core(), &fixture.source()).await.unwrap();
    let asked = || fixture.source.asked.lock().unwrap().len();
    let before = asked();
    assert_eq!(tick().await, Duration::from_secs(60));
    assert_eq!(asked(), before);
    fixture.clock.advance(Duration::from_secs(600));
    tick().await;
    assert_eq!(asked(), before + 1, "an incremental run");
    fixture.clock.advance(Duration::from_secs(600));
    *fixture.source.fails_after.lock().unwrap() = Some(0);
    assert_eq!(tick().await, Duration::from_secs(30));
    fixture.clock.advance(Duration::from_secs(30));
    assert_eq!(tick().await, Duration::from_secs(60));
    fixture.clock.advance(Duration::from_secs(59));
    *fixture.source.fails_after.lock().unwrap() = None;
    assert_eq!(tick().await, Duration::from_secs(1));
    assert_eq!(asked(), before + 1, "it waits");
    for failures in [3, 40] {
        let (mut state, _) = state(&fixture.app.core(), "erp").await.unwrap();
        state.trouble.as_mut().unwrap().failures = failures;
        let due = schedule::due_at(&fixture.source(), &state);
        let at = state.trouble.unwrap().at;
        assert_eq!(at.until(due), Duration::from_secs(if failures == 3 { 120 } else { 3600 }));
    }
    fixture.clock.advance(Duration::from_secs(24 * 3600));
    tick().await;
    assert_eq!(state(&fixture.app.core(), "erp").await.unwrap().0.last.unwrap().kind, RunKind::Incremental);
    fixture.clock.advance(Duration::from_secs(600));
    tick().await;
    assert_eq!(state(&fixture.app.core(), "erp").await.unwrap().0.last.unwrap().kind, RunKind::Full);
}

#[tokio::test]
async fn a_page_that_leads_nowhere_or_names_nobody_is_a_failure() {
    for page in [
        SourcePage { complete: false, ..SourcePage::default() },
        SourcePage {
            changes: vec![AccountChange::Upsert(Account::default())],
            complete: true,
            ..SourcePage::default()
        },
        SourcePage { next: Some("x".repeat(20_000)), complete: true, ..SourcePage::default() },
    ] {
        assert!(super::checked(page, None).is_err());
    }
    let same = SourcePage { next: Some("a".to_owned()), ..SourcePage::default() };
    assert!(super::checked(same.clone(), Some("a")).is_err() && super::checked(same, Some("b")).is_ok());
}
