//! The admin socket and the store's lock.

use super::ground::{Ended, Ground, start};
use pintle::clock::SystemClock;
use pintle::store::sled::{SledOptions, SledStore};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

#[test]
fn the_socket_and_its_folder_are_the_owners_alone() {
    let ground = Ground::new();
    let _server = ground.serve();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&ground.data_dir().join("admin.sock")), 0o600);
    assert_eq!(mode(&ground.data_dir()), 0o700);
}

#[test]
fn what_is_no_command_is_refused_and_too_long_a_line_cut_off() {
    let ground = Ground::new();
    let _server = ground.serve();
    let mut stream = UnixStream::connect(ground.data_dir().join("admin.sock")).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut answer = String::new();
    for line in ["{\"user-fly\":{}}\n", "nonsense\n", "\n"] {
        stream.write_all(line.as_bytes()).unwrap();
        answer.clear();
        answers.read_line(&mut answer).unwrap();
        assert!(answer.contains("\"refused\""), "{answer}");
    }
    // The server may close before all of it is written.
    let _ = stream.write_all(&vec![b'x'; 1024 * 1024]);
    answer.clear();
    assert!(answers.read_line(&mut answer).is_err() || answer.is_empty(), "{answer}");
    assert_eq!(ground.run("user list").code, 0, "others are served on");
}

#[test]
fn the_socket_of_a_killed_server_is_in_nobodys_way() {
    let ground = Ground::new();
    ground.serve().kill();
    assert!(ground.data_dir().join("admin.sock").exists());
    assert_eq!(ground.run("user list").code, 0, "on the store itself");
    let _server = ground.serve();
    assert_eq!(ground.run("user list").code, 0, "on the new server");
}

#[test]
fn whoever_comes_second_to_the_store_hears_who_has_it() {
    let ground = Ground::new();
    ground.run("client remove nobody");
    let options = SledOptions { path: ground.data_dir().join("store"), cache_mib: 16 };
    let store = SledStore::open(options, Arc::new(SystemClock::new())).unwrap();
    for command in ["serve", "user list"] {
        let ended = ground.run(command);
        let process = format!("in use by process {}", std::process::id());
        assert!(ended.code == 5 && ended.stderr.contains(&process), "{ended:?}");
    }
    drop(store);
    assert_eq!(ground.run("user list").code, 0);
}

#[test]
fn commands_without_a_server_wait_for_each_other() {
    let ground = Ground::new();
    assert_eq!(ground.run_with("user add dory --password-stdin", "just-keep-swimming").code, 0);
    std::thread::scope(|scope| {
        let commands: Vec<_> = (0..6).map(|_| scope.spawn(|| ground.run("user list"))).collect();
        for ended in commands.into_iter().map(|command| command.join().unwrap()) {
            assert!(ended.code == 0 && ended.stdout.contains("dory"), "{ended:?}");
        }
    });
}

/// As a command has it for a moment: until `done` ends, or has tried twice to open it.
fn with_store_in_use<T: Send + 'static>(ground: &Ground, done: impl FnOnce() -> T + Send + 'static) -> T {
    let path = ground.data_dir().join("store");
    let options = SledOptions { path: path.clone(), cache_mib: 16 };
    let store = SledStore::open(options, Arc::new(SystemClock::new())).unwrap();
    // Every try sets the folder's mode.
    let changed = || fs::metadata(&path).map(|folder| (folder.ctime(), folder.ctime_nsec())).unwrap();
    let mut last = changed();
    let waiting = std::thread::spawn(done);
    let mut tries = 0;
    while tries < 2 && !waiting.is_finished() {
        let now = changed();
        tries += usize::from(now != last);
        last = now;
        std::thread::yield_now();
    }
    drop(store);
    waiting.join().unwrap()
}

#[test]
fn a_start_and_a_check_wait_for_a_command_that_has_the_store() {
    let ground = Ground::new();
    assert_eq!(ground.run("client add billing --type confidential --grant client_credentials").code, 0);
    let mut command = ground.command("check --json");
    let report = with_store_in_use(&ground, move || Ended::from(command.output().unwrap())).json();
    assert_eq!(report["store"]["state"], "ok");
    assert!(report["clients"].to_string().contains("billing"), "{report}");
    let command = ground.command("serve");
    let server = with_store_in_use(&ground, move || start(command));
    assert_eq!(server.issue(1).0, 200);
}
