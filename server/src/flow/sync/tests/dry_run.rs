//! The preview names what the run would do, and is of the run that there would be.

use super::super::preview::{self, Guard, PreviewPage, What};
use super::*;

impl Fixture {
    async fn first_page(&self, full: bool) -> PreviewPage {
        preview::page(&self.app.core(), &self.source(), full, None).await.unwrap()
    }

    /// Takes so many steps of the run.
    async fn begun(&self, full: bool, steps: usize) -> u64 {
        let run = begin(&self.app.core(), &self.source(), full).await.unwrap();
        for _ in 0..steps {
            let step = step(&self.app.core(), &self.source(), run.number, false).await;
            assert!(matches!(step, Ok(Step::Going(_))), "{step:?}");
        }
        run.number
    }
}

#[tokio::test]
async fn a_preview_changes_nothing_and_names_the_differences() {
    let fixture = Fixture::filled().await;
    fixture.name(Account { email: Some("a@b".to_owned()), ..account("u001") });
    fixture.name(account("u000-new"));
    let before = fixture.store.dump();
    let first = fixture.first_page(true).await;
    let named: Vec<_> = first.differences.iter().map(|d| (d.what, d.username.as_str(), d.fields.concat())).collect();
    let expected = [(What::Add, "u000-new", String::new()), (What::Change, "u001", "email".to_owned())];
    assert_eq!((named, first.seen.len()), (expected.to_vec(), OF_A_PAGE));
    assert_eq!((first.kind, first.next.as_deref()), (RunKind::Full, Some("full:100")));
    assert_eq!(fixture.store.dump(), before);
}

#[tokio::test]
async fn an_account_that_would_be_disabled_is_told_apart() {
    let fixture = Fixture::filled().await;
    fixture.disable(1..2);
    let page = fixture.first_page(true).await;
    assert_eq!((page.differences.len(), page.differences[0].what), (1, What::Disable));
    assert_eq!(page.differences[0].fields, ["disabled"]);
    fixture.run(true, false).await.unwrap();
    fixture.name(account("u001"));
    assert_eq!(fixture.first_page(true).await.differences[0].what, What::Change);
}

#[tokio::test]
async fn the_preview_is_of_a_full_run_where_one_is_due() {
    let fixture = Fixture::filled().await;
    assert_eq!(fixture.first_page(false).await.kind, RunKind::Incremental);
    fixture.clock.advance(Duration::from_secs(24 * 3600));
    let page = fixture.first_page(false).await;
    assert_eq!((page.kind, page.seen.len(), page.goes_on), (RunKind::Full, OF_A_PAGE, None));
    assert_eq!(fixture.run(false, false).await.unwrap().0, RunKind::Full);
}

#[tokio::test]
async fn the_preview_goes_on_with_the_run_in_progress() {
    let fixture = Fixture::filled().await;
    fixture.disable(0..10);
    fixture.forget(200..203);
    let number = fixture.begun(true, 1).await;
    let page = fixture.first_page(false).await;
    let guard = Guard { ended_before: 10, known_before: 240, most: Share(1000) };
    assert_eq!((page.kind, page.goes_on, page.guard), (RunKind::Full, Some(number), Some(guard)));
    assert_eq!((page.seen[0].as_str(), page.next.as_deref()), ("id-u100", Some("full:200")));
    assert!(!guard.refuses(14) && guard.refuses(15) && !guard.refuses(0));
    // All pages are there, and then it is decided.
    fixture.begun(false, 2).await;
    let page = fixture.first_page(false).await;
    assert_eq!((page.goes_on, page.guard.is_some(), page.seen.len(), page.next), (Some(number), true, 0, None));
    fixture.begun(false, 1).await;
    assert_eq!(fixture.first_page(false).await.guard, None);
}

#[tokio::test]
async fn the_preview_of_a_full_run_does_not_go_on_with_an_incremental_one() {
    let fixture = Fixture::filled().await;
    let number = fixture.begun(false, 0).await;
    assert_eq!(fixture.first_page(false).await.goes_on, Some(number));
    let page = fixture.first_page(true).await;
    assert_eq!((page.kind, page.goes_on, page.seen.len()), (RunKind::Full, None, OF_A_PAGE));
}
