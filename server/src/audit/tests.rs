use super::*;
use crate::clock::{ManualClock, UnixTime};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(UnixTime(1_700_000_000)))
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn login(name: &str) -> AuditEvent {
    AuditEvent::new(AuditKind::LoginRejected)
        .request("id-1", Some("2001:db8::1".parse().unwrap()))
        .grant("password".into())
        .client("quote-web")
        .username(name)
        .scope("read write")
        .error("invalid_grant")
        .plugin(PluginVerdict {
            name: "local".into(),
            sha256: Some([0xab; 32]),
            verdict: "rejected".into(),
            ms: 36,
            reason: Some("wrong password".into()),
        })
}

#[test]
fn a_line_has_all_that_is_known_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let log = AuditLog::open(Some(&path), clock(), Metrics::new()).unwrap();
    log.record(&login("anna\nforged"));
    log.record(&AuditEvent::new(AuditKind::Admin).action("keys.rotate"));
    drop(log);
    let expected = json!({
        "time": "2023-11-14T22:13:20.000Z", "event": "login.rejected", "request": "id-1", "ip": "2001:db8::1",
        "grant": "password", "client": "quote-web", "username": "anna\u{fffd}forged", "scope": "read write",
        "error": "invalid_grant",
        "plugins": [{ "name": "local", "sha256": "ab".repeat(32), "verdict": "rejected", "ms": 36, "reason": "wrong password" }],
    });
    let admin = json!({ "time": "2023-11-14T22:13:20.000Z", "event": "admin", "action": "keys.rotate" });
    assert_eq!(lines(&path), [expected, admin]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_is_appended_to_and_opened_anew_after_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("audit.jsonl"), folder.path().join("audit.jsonl.1"));
    for name in ["one", "two"] {
        let log = AuditLog::open(Some(&path), clock(), Metrics::new()).unwrap();
        log.record(&login(name));
    }
    assert_eq!(lines(&path).len(), 2);
    let log = AuditLog::open(Some(&path), clock(), Metrics::new()).unwrap();
    std::fs::rename(&path, &old).unwrap();
    log.record(&login("three"));
    drop(log);
    assert_eq!(lines(&old).len(), 2);
    assert_eq!(lines(&path)[0]["username"], "three");
}

/// How many records the complete lines of `text` say are missing.
fn reported(text: &[u8]) -> u64 {
    let complete = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let lines = complete.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == "audit.dropped").map(|line| line["count"].as_u64().unwrap()).sum()
}

/// A named pipe is a disk that writes nothing until it is read.
#[test]
fn a_full_queue_never_waits_and_the_gap_shows_in_the_file_and_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: `name` is a valid C string for the duration of the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    // Opened for both, so that opening does not wait for the other side.
    let mut reader = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let metrics = Metrics::new();
    let writer = Writer::with_queue(&path, clock(), metrics.clone(), 4).unwrap();
    let long = "x".repeat(10_000);
    for _ in 0..100 {
        writer.write(json!({ "filler": long }).to_string());
    }
    let counted =
        metrics.encode().lines().find_map(|line| line.strip_prefix("pintle_audit_dropped_total ")?.parse().ok());
    let dropped: u64 = counted.unwrap();
    assert!(dropped > 50, "a pipe holds 64 KiB, the queue 4 lines: {dropped} of 100 dropped");
    let ended = std::thread::spawn(move || drop(writer));
    let mut text = Vec::new();
    while reported(&text) < dropped {
        let mut part = [0; 4096];
        let read = io::Read::read(&mut reader, &mut part).unwrap();
        text.extend_from_slice(&part[..read]);
    }
    assert_eq!(reported(&text), dropped);
    drop(reader);
    ended.join().unwrap();
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_at_once() {
    assert!(AuditLog::open(Some(Path::new("/nonexistent/audit.jsonl")), clock(), Metrics::new()).is_err());
}
