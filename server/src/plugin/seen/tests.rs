use super::*;
use std::fs;

fn changed_ms(path: &Path) -> u64 {
    let metadata = fs::metadata(path).unwrap();
    u64::try_from(metadata.ctime() * 1000 + metadata.ctime_nsec() / 1_000_000).unwrap()
}

#[test]
fn a_file_is_read_again_once_it_was_changed_or_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (path, seen) = (folder.path().join("a.wasm"), <Seen>::default());
    fs::write(&path, "one").unwrap();
    let later = changed_ms(&path) + 2_000;
    let found = |seen: &Seen| seen.hash(&path, later).map(|hashed| (hashed.sha256, hashed.bytes)).unwrap();
    let one: [u8; 32] = Sha256::digest("one").into();
    assert_eq!(found(&seen), (one, Some(b"one".to_vec())));
    assert_eq!(found(&seen), (one, None), "as it was, it is not read");
    // Another file of the same size takes the place, with the time that the old one had.
    let (new, modified) = (folder.path().join("new"), fs::metadata(&path).unwrap().modified().unwrap());
    fs::write(&new, "two").unwrap();
    File::options().write(true).open(&new).unwrap().set_modified(modified).unwrap();
    fs::rename(&new, &path).unwrap();
    assert_eq!(found(&seen), (Sha256::digest("two").into(), Some(b"two".to_vec())));
    fs::write(&path, "longer").unwrap();
    assert_eq!(found(&seen).0, <[u8; 32]>::from(Sha256::digest("longer")));
    fs::remove_file(&path).unwrap();
    assert!(seen.hash(&path, later).is_err(), "what is gone has no hash");
}

#[test]
fn a_file_that_was_changed_a_moment_ago_is_read_every_time() {
    let folder = tempfile::tempdir().unwrap();
    let (path, seen) = (folder.path().join("a.wasm"), <Seen>::default());
    fs::write(&path, "one").unwrap();
    let changed = changed_ms(&path);
    // A clock that is behind the file's counts as no time at all.
    for now_ms in [0, changed, changed + 1_999] {
        for _ in 0..2 {
            assert!(seen.hash(&path, now_ms).unwrap().bytes.is_some(), "{now_ms}");
        }
    }
    assert!(seen.hash(&path, changed + 2_000).unwrap().bytes.is_some());
    assert!(seen.hash(&path, changed + 2_000).unwrap().bytes.is_none());
}

#[test]
fn what_is_known_of_a_file_stays_and_what_it_holds_beside_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (path, seen) = (folder.path().join("a.pintle"), Seen::<u64>::default());
    fs::write(&path, "one").unwrap();
    let later = changed_ms(&path) + 2_000;
    let length = |file: &mut File| -> io::Result<(u64, &'static str)> { Ok((file.metadata()?.len(), "beside")) };
    assert_eq!(seen.look(&path, later, length).unwrap(), (3, Some("beside")));
    let unread = |_: &mut File| -> io::Result<(u64, &'static str)> { panic!("it is as it was") };
    assert_eq!(seen.look(&path, later, unread).unwrap(), (3, None));
    fs::write(&path, "two").unwrap();
    let refused = |_: &mut File| -> io::Result<(u64, &'static str)> { Err(io::Error::other("no")) };
    assert!(seen.look(&path, changed_ms(&path) + 2_000, refused).is_err());
}
