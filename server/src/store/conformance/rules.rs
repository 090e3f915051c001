//! What a single caller may rely on.

use super::{Batch, Check, CommitError, Engine, Outcome, key};
use crate::store::{Key, MAX_KEY_BYTES, MAX_VALUE_BYTES};

pub(super) async fn run(engine: &dyn Engine) -> Outcome {
    preconditions(&Check::begin(engine, "a batch is applied if its preconditions hold, else not at all")?).await?;
    versions(&Check::begin(engine, "a version is never used twice")?).await?;
    changes(&Check::begin(engine, "changes are applied in order")?).await?;
    scans(&Check::begin(engine, "a scan is ordered, within its prefix, after its start, within its limit")?).await?;
    sizes(&Check::begin(engine, "values up to the limit are taken, larger ones and longer keys refused")?).await
}

async fn preconditions(check: &Check) -> Outcome {
    check.commit(Batch::new().expect_absent(key("a")).put(key("a"), b"1".into(), None)).await?;
    let first = check.version("a").await?;
    check.conflicts("absent, while present", Batch::new().expect_absent(key("a")).delete(key("a"))).await?;
    check.conflicts("present, while absent", Batch::new().expect_present(key("b")).put(key("b"), vec![], None)).await?;
    check.commit(Batch::new().expect_present(key("a"))).await?;
    let later = check.put("a", b"2").await?;
    let stale = Batch::new().put(key("b"), b"x".into(), None).expect_at(key("a"), first);
    check.conflicts("an older version", stale).await?;
    check.same("what a refused batch wrote", check.value("b").await?, None)?;
    let mixed = Batch::new().expect_at(key("a"), later).expect_at(key("none"), later).delete(key("a"));
    check.conflicts("a version of a missing record", mixed).await?;
    check.same("what a refused batch deleted", check.value("a").await?, Some(b"2".into()))?;
    check.commit(Batch::new().expect_at(key("a"), later).expect_absent(key("b"))).await?;
    check.same("the version after a batch without changes", check.version("a").await?, later)?;
    check.commit(Batch::new().expect_at(key("a"), later).delete(key("a")).delete(key("none"))).await?;
    check.same("a deleted record", check.value("a").await?, None)
}

async fn versions(check: &Check) -> Outcome {
    let mut last = check.put("a", b"1").await?;
    check.holds(last.0 > 0, || "a version is 0".into())?;
    for round in 0..20 {
        if round % 2 == 0 {
            check.commit(Batch::new().delete(key("a"))).await?;
        }
        let next = check.put("a", b"1").await?;
        check.holds(next > last, || format!("{next:?} came after {last:?}"))?;
        last = next;
    }
    let both = check.commit(Batch::new().put(key("b"), vec![], None).put(key("c"), vec![], None)).await?;
    check.holds(check.version("b").await? > last, || "another key's version is no later".into())?;
    for name in ["b", "c"] {
        check.same("the version that the commit returned", both, check.version(name).await?)?;
    }
    Ok(())
}

async fn changes(check: &Check) -> Outcome {
    let batch = Batch::new().put(key("a"), b"1".into(), None).delete(key("a")).put(key("a"), b"2".into(), None);
    check.commit(batch.put(key("b"), b"3".into(), None).delete(key("b"))).await?;
    check.same("a", check.value("a").await?, Some(b"2".into()))?;
    check.same("b", check.value("b").await?, None)?;
    check.put("empty", b"").await?;
    check.same("an empty value", check.value("empty").await?, Some(vec![]))
}

async fn scans(check: &Check) -> Outcome {
    for name in ["b/2", "a", "b", "c", "b/10", "b/1", "b/\u{10FFFF}", "b/3"] {
        check.put(name, name.as_bytes()).await?;
    }
    check.commit(Batch::new().delete(key("b/3"))).await?;
    let expect = |found: Vec<String>, expected: &[&str]| {
        check.same("a scan", found.iter().map(String::as_str).collect::<Vec<_>>(), expected.to_vec())
    };
    expect(check.names("b/", None, 100).await?, &["b/1", "b/10", "b/2", "b/\u{10FFFF}"])?;
    expect(check.names("b/", None, 2).await?, &["b/1", "b/10"])?;
    expect(check.names("b/", Some("b/10"), 1).await?, &["b/2"])?;
    expect(check.names("b/", Some("b/11"), 1).await?, &["b/2"])?;
    expect(check.names("b/", Some("a"), 1).await?, &["b/1"])?;
    expect(check.names("b/", Some("c"), 9).await?, &[])?;
    expect(check.names("b/", None, 0).await?, &[])?;
    expect(check.names("d", None, 9).await?, &[])?;
    expect(check.names("", Some("b/2"), 9).await?, &["b/\u{10FFFF}", "c"])
}

async fn sizes(check: &Check) -> Outcome {
    for bytes in [4095, 4096, 4097, MAX_VALUE_BYTES, 8192, 0, MAX_VALUE_BYTES] {
        let value = vec![bytes.to_le_bytes()[0]; bytes];
        check.put("a", &value).await?;
        check.holds(check.value("a").await? == Some(value), || {
            format!("a value of {bytes} bytes came back otherwise")
        })?;
        check.same("scanned", check.names("", None, 9).await?, vec!["a".into()])?;
    }
    let long = Key::new(vec![b'k'; MAX_KEY_BYTES]);
    check.commit(Batch::new().put(long.clone(), b"1".into(), None)).await?;
    let found = check.ok(check.store.get(&long).await)?.map(|found| found.value);
    check.same("the value of the longest key", found, Some(b"1".into()))?;
    let too_long = Key::new(vec![b'k'; MAX_KEY_BYTES + 1]);
    for (key, bytes) in [(key("a"), MAX_VALUE_BYTES + 1), (too_long, 1)] {
        let result = check.store.commit(Batch::new().delete(self::key("a")).put(key, vec![0; bytes], None)).await;
        check.holds(matches!(result, Err(CommitError::TooLarge(_))), || format!("{result:?}, not TooLarge"))?;
    }
    check.holds(check.get("a").await?.is_some(), || "a refused batch deleted".into())
}
