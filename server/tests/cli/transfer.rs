//! `user import` and `user export`, and `sync` where nothing is synced.

use super::ground::Ground;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn users_move_to_another_server_with_their_passwords() {
    let (from, to) = (Ground::new(), Ground::new());
    from.run_with("user add dory --name Dory --group reef --group a;b --password-stdin", "just-keep-swimming\n");
    from.run_with("user add nemo --password-stdin", "find-me-please\n");
    assert_eq!(from.run("user disable nemo").code, 0);
    for (format, running) in [("csv", false), ("jsonl", true)] {
        let file = to.path().join(format!("users.{format}"));
        assert_eq!(from.run(&format!("user export --output {}", file.display())).code, 0);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let server = running.then(|| to.serve());
        let update = if running { "--update" } else { "" };
        let ended = to.run(&format!("user import {} {update} --json", file.display()));
        assert_eq!(ended.json()["counts"]["refused"], 0, "{ended:?}");
        assert_eq!(ended.json()["counts"][if running { "updated" } else { "added" }], 2);
        let dory = to.run("user show dory --json").json();
        assert_eq!((&dory["name"], &dory["groups"]), (&"Dory".into(), &serde_json::json!(["reef", "a;b"])));
        assert_eq!(to.run("user show nemo --json").json()["disabled"], true);
        if let Some(server) = server {
            assert_eq!(server.login("dory", "just-keep-swimming").0, 200);
            assert_eq!(server.login("nemo", "find-me-please").0, 400);
        }
    }
}

#[test]
fn refused_lines_are_reported_and_the_others_imported() {
    let ground = Ground::new();
    let file = ground.path().join("users.csv");
    let hash = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b27gyuXLWIMdHRSPxtdZVnZ3nE";
    let rows = format!(
        "username,password_hash,email\nann,\"{hash}\",a@b\n,,\nbob,$2b$12$abcdefghijklmnopqrstuu,\nann,,\nAnn ,,\neve\ncarl,,c@d\n"
    );
    fs::write(&file, rows).unwrap();
    let dry = ground.run("user import users.csv --dry-run");
    assert!(dry.code == 1 && dry.stdout.contains("2 would be added, 0 would be updated, 5 refused"), "{dry:?}");
    assert_eq!(ground.run("user show ann").code, 4);
    let ended = ground.run("user import users.csv");
    assert!(ended.code == 1 && ended.stdout.contains("2 added, 0 updated, 5 refused"), "{ended:?}");
    for says in [
        "line 3: ",
        "line 4 (bob): the password hash is refused",
        "line 5 (ann): another account",
        "line 6 (Ann ): ",
        "line 7: it has 1 fields",
    ] {
        assert!(ended.stderr.contains(says), "{says}: {ended:?}");
    }
    assert!(!ended.stderr.contains("$2b$"), "{ended:?}");
    assert_eq!(ground.run("user show carl --json").json()["email"], "c@d");
    let again =
        ground.run_with("user import - --format jsonl --update --json", "{\"username\":\"carl\",\"email\":\"e@f\"}\n");
    assert_eq!(again.json()["counts"]["updated"], 1);
    assert_eq!(ground.run("user show carl --json").json()["email"], "e@f");
    assert_eq!(ground.run("user import - --update").code, 2, "no format");
}

#[test]
fn an_imported_password_ends_what_the_other_one_gave() {
    let ground = Ground::new();
    let server = ground.serve();
    ground.run_with("user add dory --password-stdin", "just-keep-swimming\n");
    let (status, answer) = server.login("dory", "just-keep-swimming");
    assert_eq!(status, 200);
    let import = |line: &str| ground.run_with("user import - --format jsonl --update", line);
    assert_eq!(import("{\"username\":\"dory\",\"name\":\"Dory\"}\n").code, 0);
    assert_eq!(server.refresh(&answer).0, 200, "a name ends nothing");
    let (_, answer) = server.login("dory", "just-keep-swimming");
    let hash = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b27gyuXLWIMdHRSPxtdZVnZ3nE";
    assert_eq!(import(&format!("{{\"username\":\"dory\",\"password_hash\":\"{hash}\"}}\n")).code, 0);
    assert_eq!(server.refresh(&answer).0, 400);
    assert_eq!(server.login("dory", "just-keep-swimming").0, 400);
}

#[test]
fn a_sync_of_what_is_not_synced_is_refused() {
    let ground = Ground::new();
    assert_eq!(ground.run("sync list --json").json(), serde_json::json!([]));
    let ended = ground.run("sync run erp");
    assert!(ended.code == 4 && ended.stderr.contains("[users] sync"), "{ended:?}");
}
