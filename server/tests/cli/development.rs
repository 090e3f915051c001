//! `pintle serve` without a configuration.

use super::ground::{Ground, start};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

#[test]
fn the_printed_calls_work_when_they_are_pasted() {
    let ground = Ground::new();
    let server = ground.serve();
    let (status, answer) = server.issue(0);
    assert_eq!((status, answer["token_type"].as_str()), (200, Some("Bearer")), "{answer}");
    assert!(answer["refresh_token"].is_string() && answer["access_token"].is_string());
    let (status, answer) = server.issue(1);
    assert_eq!((status, answer["scope"].as_str()), (200, Some("read write")), "{answer}");
    if Command::new("curl").arg("--version").output().is_ok() {
        for call in &server.calls {
            let output = Command::new("sh").args(["-c", call]).output().unwrap();
            let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(answer["token_type"], "Bearer", "{call}");
        }
    }
}

#[test]
fn a_restart_replaces_the_secrets_and_ends_what_the_old_password_gave() {
    let ground = Ground::new();
    let server = ground.serve();
    let before = server.calls.clone();
    let (_, answer) = server.issue(0);
    assert_eq!(server.stop().0, Some(0));
    let server = ground.serve();
    assert!(
        before.iter().zip(&server.calls).all(|(before, now)| before.split("http").next() != now.split("http").next())
    );
    assert_eq!(server.issue(0).0, 200);
    let (status, refused) = server.refresh(&answer);
    assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_grant")));
}

#[test]
fn the_demo_user_is_made_once_and_given_a_password_from_then_on() {
    let ground = Ground::new();
    let serve = || {
        let mut command = ground.command("serve");
        command.env("PINTLE_LOG__AUDIT", "audit.log");
        start(command).stop();
    };
    serve();
    serve();
    let lines = fs::read_to_string(ground.path().join("audit.log")).unwrap();
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let actions: Vec<_> = lines.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["user.add", "user.passwd"]);
    assert!(lines.iter().all(|line| line["error"].is_null()), "{lines:?}");
}

#[test]
fn signals_drain_or_do_nothing() {
    let ground = Ground::new();
    let server = ground.serve();
    server.signal(libc::SIGHUP);
    assert_eq!(server.issue(1).0, 200);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("draining"), "{log}");
    assert!(!ground.data_dir().join("admin.sock").exists());
}

#[test]
fn the_service_manager_hears_of_the_start_and_the_end() {
    let ground = Ground::new();
    let path = ground.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let heard = || {
        let mut bytes = [0; 256];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let mut command = ground.command("serve");
    command.env("NOTIFY_SOCKET", &path);
    let server = start(command);
    assert_eq!(heard(), "READY=1\n");
    assert_eq!(server.stop().0, Some(0));
    assert!(heard().starts_with("STOPPING=1\n"));
}
