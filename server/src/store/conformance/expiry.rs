//! An expired record may go late and never early.

use super::{Batch, Check, Engine, Outcome, START, key};
use std::time::Duration;

const LIFE: Duration = Duration::from_secs(60);

pub(super) async fn run(engine: &dyn Engine) -> Outcome {
    expires(&Check::begin(engine, "a record expires at its time and not before")?).await?;
    renewed(&Check::begin(engine, "a sweep leaves alone what does not expire or was renewed")?).await?;
    swept(&Check::begin(engine, "sweeping step by step removes everything expired")?).await
}

async fn expires(check: &Check) -> Outcome {
    let end = Some(START.plus(LIFE));
    check.commit(Batch::new().put(key("a"), b"1".into(), end).put(key("b"), b"2".into(), None)).await?;
    let version = check.version("a").await?;
    check.clock.advance(LIFE - Duration::from_millis(1));
    check.same("swept too early", check.ok(check.store.sweep().await)?, 0)?;
    check.same("a, a moment before", check.value("a").await?, Some(b"1".into()))?;
    check.conflicts("absent, a moment before", Batch::new().expect_absent(key("a"))).await?;
    check.clock.advance(Duration::from_millis(1));
    check.same("a, at its end", check.value("a").await?, None)?;
    check.same("a scan", check.names("", None, 1).await?, vec!["b".into()])?;
    check.conflicts("present, once expired", Batch::new().expect_present(key("a"))).await?;
    check.conflicts("an expired version", Batch::new().expect_at(key("a"), version)).await?;
    check.commit(Batch::new().expect_absent(key("a")).put(key("a"), b"3".into(), None)).await?;
    check.holds(check.version("a").await? > version, || "a version came back".into())
}

async fn renewed(check: &Check) -> Outcome {
    let end = Some(START.plus(LIFE));
    let later = Some(START.plus(LIFE * 2));
    for name in ["a", "b", "c"] {
        check.commit(Batch::new().put(key(name), b"1".into(), end)).await?;
    }
    check.commit(Batch::new().put(key("a"), b"2".into(), later)).await?;
    check.clock.advance(LIFE);
    check.commit(Batch::new().expect_absent(key("b")).put(key("b"), b"2".into(), None)).await?;
    check.same("swept", check.ok(check.store.sweep().await)?, 1)?;
    check.same("left", check.names("", None, 9).await?, vec!["a".into(), "b".into()])?;
    check.clock.advance(LIFE);
    check.same("left later", check.names("", None, 9).await?, vec!["b".into()])
}

async fn swept(check: &Check) -> Outcome {
    let end = Some(START.plus(LIFE));
    for first in (0..3000).step_by(100) {
        let batch = (first..first + 100).fold(Batch::new(), |batch, number| {
            let end = end.filter(|_| number % 3 != 0);
            batch.put(key(&format!("{number:06}")), vec![0; 20], end)
        });
        check.commit(batch).await?;
    }
    check.clock.advance(LIFE);
    let mut swept = 0;
    for _ in 0..100 {
        let step = check.ok(check.store.sweep().await)?;
        check.holds(step <= 1024, || format!("one step removed {step}"))?;
        swept += step;
    }
    check.same("swept in all", swept, 2000)?;
    check.same("left", check.names("", None, 5000).await?.len(), 1000)
}
