//! What one run may not do to too many accounts.

use super::*;

#[tokio::test]
async fn a_run_that_would_remove_too_many_removes_none_unless_forced() {
    let fixture = Fixture::filled().await;
    fixture.forget(0..25);
    fixture.name(account("new"));
    let error = fixture.run(true, false).await.unwrap_err();
    assert!(matches!(error, SyncError::Refused { ended: 25, known: 240, .. }), "{error}");
    assert!(error.to_string().contains("25 of 240") && error.to_string().contains("10%"), "{error}");
    assert_eq!(fixture.known().await, MANY as u64 + 1);
    assert!(fixture.log_in("u000").await.is_ok());
    let (kept, _) = state(&fixture.app.core(), "erp").await.unwrap();
    assert!(kept.run.is_none() && kept.trouble.unwrap().why.contains("25 of 240"));
    // One less is within the limit.
    fixture.name(account("u000"));
    assert_eq!(fixture.run(true, false).await.unwrap().1.removed, 24);
    fixture.forget(25..120);
    assert_eq!(fixture.run(true, true).await.unwrap().1.removed, 95);
    assert!(state(&fixture.app.core(), "erp").await.unwrap().0.trouble.is_none());
}

#[tokio::test]
async fn deletions_that_are_named_are_guarded_too() {
    let fixture = Fixture::filled().await;
    let deletions = || (0..25).map(|number| AccountChange::Delete(format!("id-u{number:03}"))).collect::<Vec<_>>();
    *fixture.source.changes.lock().unwrap() = deletions();
    assert!(matches!(fixture.run(false, false).await, Err(SyncError::Refused { ended: 25, .. })));
    assert!(fixture.copy("u000").await.is_enabled());
    *fixture.source.changes.lock().unwrap() = deletions();
    assert_eq!(fixture.run(false, true).await.unwrap().1.removed, 25);
}

#[tokio::test]
async fn accounts_that_are_disabled_are_guarded_as_removed_ones_are() {
    let fixture = Fixture::filled().await;
    let token = fixture.log_in("u000").await.unwrap();
    let disabled = |names: std::ops::Range<usize>| {
        let one = |number| AccountChange::Upsert(Account { disabled: true, ..account(&format!("u{number:03}")) });
        names.map(one).collect::<Vec<_>>()
    };
    *fixture.source.changes.lock().unwrap() = disabled(0..25);
    let error = fixture.run(false, false).await.unwrap_err();
    assert!(matches!(error, SyncError::Refused { ended: 25, known: 240, .. }), "{error}");
    assert!(error.to_string().contains("remove or disable 25 of 240"), "{error}");
    assert!(fixture.refresh(&token).await.is_ok());
    *fixture.source.changes.lock().unwrap() = disabled(0..24);
    let (_, counts) = fixture.run(false, false).await.unwrap();
    assert_eq!(counts, Counts { disabled: 24, ..Counts::default() });
    assert_eq!(fixture.refresh(&token).await, refused());
    // Those that are disabled already, new ones and ones that come back end nothing.
    let mut changes = disabled(0..24);
    changes.extend(disabled(1000..1100));
    *fixture.source.changes.lock().unwrap() = changes;
    let (_, counts) = fixture.run(false, false).await.unwrap();
    assert_eq!(counts, Counts { added: 100, unchanged: 24, ..Counts::default() });
    *fixture.source.changes.lock().unwrap() = disabled(24..240);
    assert_eq!(fixture.run(false, true).await.unwrap().1.disabled, 216);
}

#[tokio::test]
async fn what_is_disabled_on_one_page_counts_on_the_next_and_with_the_gone() {
    let fixture = Fixture::filled().await;
    fixture.disable(90..100);
    fixture.disable(100..115);
    let error = fixture.run(true, false).await.unwrap_err();
    assert!(matches!(error, SyncError::Refused { ended: 25, .. }), "{error}");
    assert!(!fixture.copy("u099").await.is_enabled() && fixture.copy("u100").await.is_enabled());

    let fixture = Fixture::filled().await;
    fixture.disable(0..10);
    fixture.forget(200..215);
    let error = fixture.run(true, false).await.unwrap_err();
    assert!(matches!(error, SyncError::Refused { ended: 25, .. }), "{error}");
    assert!(fixture.copy("u200").await.is_enabled());
}

#[tokio::test]
async fn trying_again_does_not_do_bit_by_bit_what_is_refused_at_once() {
    let fixture = Fixture::filled().await;
    fixture.disable(0..10);
    fixture.forget(200..215);
    for _ in 0..3 {
        let error = fixture.run(true, false).await.unwrap_err();
        assert!(matches!(error, SyncError::Refused { ended: 25, .. }), "{error}");
    }
    // A run whose cursor is lost half way, too.
    fixture.source.failures.lock().unwrap().extend([PluginError::Invalid("too old".to_owned())]);
    assert!(matches!(fixture.run(false, false).await, Err(SyncError::Source { .. })));
    assert_eq!(fixture.state().await.ended_before, 10);
    assert_eq!(fixture.run(true, true).await.unwrap().1.removed, 15);
    assert_eq!(fixture.state().await.ended_before, 0);
    // A new run has a new count.
    fixture.forget(100..122);
    assert_eq!(fixture.run(true, false).await.unwrap().1.removed, 22);
}

#[tokio::test]
async fn a_full_run_that_was_refused_half_way_begins_anew_so_that_a_mapping_put_right_heals() {
    let fixture = Fixture::filled().await;
    fixture.disable(90..200);
    assert!(matches!(fixture.run(true, false).await, Err(SyncError::Refused { ended: 110, .. })));
    assert!(!fixture.copy("u099").await.is_enabled() && fixture.state().await.run.is_none());
    (90..200).for_each(|number| fixture.name(account(&format!("u{number:03}"))));
    assert_eq!(fixture.run(true, false).await.unwrap().1.changed, 10);
    assert!(fixture.copy("u099").await.is_enabled());
}

#[test]
fn a_run_that_an_earlier_version_began_is_read() {
    let counts: Counts = serde_json::from_str(r#"{"added":1,"changed":2,"unchanged":3,"removed":4}"#).unwrap();
    assert_eq!(counts, Counts { added: 1, changed: 2, disabled: 0, unchanged: 3, removed: 4 });
}
