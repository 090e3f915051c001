//! SIGHUP, the commands for plugins and `explain`, with the real binary.

use super::ground::{Ground, Running, start};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::net::UnixDatagram;

fn overlay(ground: &Ground, toml: &str) {
    fs::write(ground.path().join("overlay.toml"), toml).unwrap();
}

fn lifetime(server: &Running) -> Value {
    let (status, answer) = server.issue(0);
    assert_eq!(status, 200, "{answer}");
    answer["expires_in"].clone()
}

/// What the server tells its service manager next.
fn told(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let length = manager.recv(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn sighup_reloads_and_a_faulty_configuration_changes_nothing() {
    let ground = Ground::new();
    let manager = UnixDatagram::bind(ground.path().join("notify")).unwrap();
    overlay(&ground, "[tokens.access]\nlifetime = \"9m\"\n");
    let mut command = ground.command("serve --overlay overlay.toml");
    command.env("NOTIFY_SOCKET", ground.path().join("notify"));
    let server = start(command);
    assert_eq!((told(&manager).as_str(), lifetime(&server)), ("READY=1", json!(540)));
    for (toml, expected) in [("lifetime = \"8m\"\n", 480), ("lifetime = \"soon\"\n", 480), ("lifetime = \"7m\"\n", 420)]
    {
        overlay(&ground, &format!("[tokens.access]\n{toml}"));
        server.signal(libc::SIGHUP);
        assert_eq!((told(&manager).as_str(), told(&manager).as_str()), ("RELOADING=1", "READY=1"));
        assert_eq!(lifetime(&server), json!(expected), "{toml}");
    }
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(log.contains("overlay.toml:2: tokens.access.lifetime"), "{log}");
}

#[test]
fn what_a_plugin_in_shadow_said_is_shown_by_command() {
    let ground = Ground::new();
    overlay(&ground, "[plugins.next]\nsource = \"builtin:accounts\"\nshadow = \"local\"\n");
    let run = |words: &str| ground.run(&format!("--overlay overlay.toml {words}"));
    let alone = run("plugin diff");
    assert!(alone.code != 0 && alone.stderr.contains("no server is running"), "{alone:?}");
    let server = start(ground.command("serve --overlay overlay.toml"));
    assert_eq!(server.issue(0).0, 200);
    let sum = loop {
        let answer = run("plugin diff --json").json();
        if answer["shadows"][0]["same"] == 1 {
            break answer;
        }
    };
    assert_eq!(sum["differences"], json!([]));
    let page = run("plugin diff next").stdout;
    assert!(page.starts_with("SHADOW  OF     SAME  DIFFERENT  SKIPPED  MS"), "{page}");
    assert_eq!(run("plugin list --json").json()[2]["shadow_of"], "local");
    assert_eq!(run("plugin diff local").code, 4);
    overlay(&ground, "[plugins.rules]\nsource = \"builtin:scope-rules\"\nshadow = \"local\"\n");
    let refused = run("plugin reload");
    assert!(refused.stderr.contains("plugins.rules.shadow: `local` is not used as scope-policy"), "{refused:?}");
    drop(server.stop());
}

#[test]
fn plugins_are_listed_disabled_enabled_and_reloaded_by_command() {
    let ground = Ground::new();
    overlay(&ground, "");
    let server = start(ground.command("serve --overlay overlay.toml"));
    let run = |words: &str| ground.run(&format!("--overlay overlay.toml {words}"));
    let listed = run("plugin list");
    assert!(listed.stdout.starts_with("NAME    STATE  PACKAGING  VERSION  KINDS "), "{listed:?}");
    assert_eq!(run("plugin disable local").stdout, "disabled: its calls fail until it is enabled\n");
    assert_eq!(server.issue(0).0, 503);
    assert_eq!(run("plugin list --json").json()[1]["state"], "disabled");
    assert_eq!(run("plugin enable local").stdout, "enabled\n");
    assert_eq!(server.issue(0).0, 200, "and the secrets of the start are the same");
    assert_eq!(run("plugin disable ldap").code, 4);
    let unknown = run("plugin reload ldap");
    assert!(unknown.code == 1 && unknown.stderr.contains("no plugin `ldap`"), "{unknown:?}");
    overlay(
        &ground,
        "[plugins.rules]\nsource = \"builtin:scope-rules\"\n[[plugins.rules.config.rules]]\nscopes = [\"x\"]\ngroups = [\"y\"]\n",
    );
    let reloaded = run("plugin reload rules --json").json();
    assert_eq!(
        (&reloaded["plugins"][0]["name"], &reloaded["plugins"][0]["change"]),
        (&json!("rules"), &json!("added"))
    );
    assert_eq!(run("reload --json").json()["plugins"], json!([]));
    assert_eq!(server.issue(1).0, 200, "the machine's secret has survived");
    server.stop();
    let ended = run("reload");
    assert!(ended.code != 0 && ended.stderr.contains("no server is running"), "{ended:?}");
}

#[test]
fn a_login_is_explained_with_a_server_and_without() {
    let ground = Ground::new();
    ground.run_with("user add dory --password-stdin", "correct horse\n");
    let explain = || {
        let ended = ground.run_with("explain login dory --password-stdin", "wrong horse\n");
        let words: Vec<&str> = ended.stdout.lines().nth(1).unwrap_or_default().split_whitespace().collect();
        assert_eq!((ended.code, &words[..2]), (0, &["local", "rejected"][..]), "{ended:?}");
        assert!(ended.stdout.ends_with("\noutcome: rejected\n"), "{ended:?}");
    };
    explain();
    let server = ground.serve();
    explain();
    let mute = ground.run("explain login dory --no-password");
    let expected = "BACKEND  VERDICT    MS  WHY\n\
                    local    not-asked  -   it is no directory: without a password it cannot be asked\n\n\
                    outcome: not-found\n";
    assert_eq!(mute.stdout, expected);
    server.stop();
}
