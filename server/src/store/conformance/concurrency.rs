//! What many callers at once may rely on.

use super::{Batch, Check, CommitError, Engine, Outcome, key};
use std::sync::Arc;
use tokio::task::JoinSet;

const RACERS: u32 = 32;

pub(super) async fn run(engine: &dyn Engine) -> Outcome {
    let check = Check::begin(engine, "of 32 commits at one version exactly one wins")?;
    for _ in 0..10 {
        race(&check, false).await?;
        race(&check, true).await?;
    }
    count(Arc::new(Check::begin(engine, "read-modify-writes are linearizable")?)).await?;
    pairs(Arc::new(Check::begin(engine, "a batch is seen whole or not at all")?)).await
}

async fn race(check: &Check, from_absent: bool) -> Outcome {
    let before = if from_absent {
        check.commit(Batch::new().delete(key("a"))).await?;
        None
    } else {
        Some(check.put("a", b"start").await?)
    };
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let store = check.store.clone();
        let batch = Batch::new().expect_as_loaded(key("a"), before).put(key("a"), racer.to_be_bytes().into(), None);
        racers.spawn(async move { (racer, store.commit(batch).await) });
    }
    let mut winners = Vec::new();
    while let Some(joined) = racers.join_next().await {
        match check.ok(joined)? {
            (racer, Ok(_)) => winners.push(racer),
            (_, Err(CommitError::Conflict)) => {}
            (racer, Err(error)) => return check.ok(Err(format!("racer {racer}: {error}"))),
        }
    }
    check.same("the number of winners", winners.len(), 1)?;
    check.same("the value", check.value("a").await?, Some(winners[0].to_be_bytes().into()))
}

fn number(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(u32::MAX, u32::from_be_bytes)
}

/// Adds 1 to `a`; returns what it wrote.
async fn increment(check: &Check) -> Outcome<u32> {
    loop {
        let found = check.get("a").await?;
        let next = found.as_ref().map_or(0, |found| number(&found.value)) + 1;
        let loaded = found.map(|found| found.version);
        let batch = Batch::new().expect_as_loaded(key("a"), loaded).put(key("a"), next.to_be_bytes().into(), None);
        match check.store.commit(batch).await {
            Ok(_) => return Ok(next),
            Err(CommitError::Conflict) => {}
            Err(error) => return check.ok(Err(error)),
        }
    }
}

async fn count(check: Arc<Check>) -> Outcome {
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let check = check.clone();
        tasks.spawn(async move {
            for _ in 0..25 {
                let written = increment(&check).await?;
                let seen = check.value("a").await?.map_or(0, |bytes| number(&bytes));
                check.holds(seen >= written, || format!("{seen} was read after {written} was committed"))?;
            }
            Ok(())
        });
    }
    while let Some(joined) = tasks.join_next().await {
        check.ok(joined)??;
    }
    check.same("the count", check.value("a").await?, Some(200_u32.to_be_bytes().into()))
}

async fn pairs(check: Arc<Check>) -> Outcome {
    check.commit(Batch::new().put(key("p/a"), vec![0], None).put(key("p/b"), vec![0], None)).await?;
    let writer = check.clone();
    let writer = tokio::spawn(async move {
        for round in 1..=200_u8 {
            let pair = Batch::new().put(key("p/a"), vec![round], None).put(key("p/b"), vec![round], None);
            let pair = if round % 2 == 0 { pair.put(key("p/c"), vec![round], None) } else { pair.delete(key("p/c")) };
            writer.commit(pair).await?;
        }
        Ok::<_, super::Violation>(())
    });
    let mut last = 0;
    while !writer.is_finished() {
        let seen = check.ok(check.store.scan(&key("p/"), None, 9).await)?;
        let rounds: Vec<u8> = seen.iter().filter_map(|(_, found)| found.value.first().copied()).collect();
        let first = check.ok(rounds.first().copied().ok_or("a scan saw nothing"))?;
        let expected = if first > 0 && first.is_multiple_of(2) { vec![first; 3] } else { vec![first; 2] };
        check.same("what a scan saw", rounds, expected)?;
        check.holds(first >= last, || format!("{first} was read after {last}"))?;
        last = first;
        tokio::task::yield_now().await;
    }
    check.ok(writer.await)?
}
