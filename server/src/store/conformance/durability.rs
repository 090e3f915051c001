//! What outlives the store, and what may be seen before it does.

use super::{Batch, Check, Engine, Outcome, START, key};
use std::time::Duration;

pub(super) async fn run(engine: &dyn Engine) -> Outcome {
    reopened(engine, Check::begin(engine, "what was committed is there after opening again")?).await?;
    let check = Check::begin(engine, "what is not durable is not seen")?;
    unsynced(engine, check).await
}

async fn reopened(engine: &dyn Engine, check: Check) -> Outcome {
    let end = Some(START.plus(Duration::from_secs(60)));
    check.commit(Batch::new().put(key("a"), vec![7; 10_000], None).put(key("b"), b"2".into(), end)).await?;
    let a = check.get("a").await?;
    let gone = check.put("gone", b"1").await?;
    check.commit(Batch::new().delete(key("gone"))).await?;
    let Some(check) = check.reopen(engine)? else { return Ok(()) };
    check.holds(check.get("a").await? == a, || "a came back otherwise".into())?;
    check.same("a deleted record", check.value("gone").await?, None)?;
    let again = check.put("gone", b"1").await?;
    check.holds(again > gone, || format!("{again:?} came after {gone:?}"))?;
    check.same("b", check.value("b").await?, Some(b"2".into()))?;
    check.clock.advance(Duration::from_secs(60));
    check.same("b, expired", check.value("b").await?, None)
}

async fn unsynced(engine: &dyn Engine, check: Check) -> Outcome {
    check.put("changed", b"old").await?;
    check.put("deleted", b"old").await?;
    let Some(mut held) = engine.hold_syncs() else { return Ok(()) };
    let batch = Batch::new().put(key("changed"), b"new".into(), None).delete(key("deleted"));
    let batch = batch.put(key("added"), b"new".into(), None);
    let store = check.store.clone();
    let commit = tokio::spawn(async move { store.commit(batch).await });
    held.reached().await;
    let store = check.store.clone();
    let reads = tokio::spawn(async move { (store.get(&key("changed")).await, store.scan(&key(""), None, 9).await) });
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    check.holds(!commit.is_finished(), || "a commit returned before its sync".into())?;
    let early = reads.is_finished();
    drop(held);
    let (got, scanned) = check.ok(reads.await)?;
    let got = check.ok(got)?.map(|found| found.value);
    let scanned: Vec<_> = check.ok(scanned)?.into_iter().map(|(_, found)| found.value).collect();
    if early {
        check.same("a read before the sync", got, Some(b"old".into()))?;
        check.same("a scan before the sync", scanned, vec![b"old".into(), b"old".into()])?;
    }
    check.ok(check.ok(commit.await)?)?;
    check.same("a read after the sync", check.value("changed").await?, Some(b"new".into()))?;
    check.same("a scan after the sync", check.names("", None, 9).await?, vec!["added".into(), "changed".into()])
}
