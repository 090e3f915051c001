//! The commands that change something, and what a client sees of it.

use super::ground::{Ground, Running};
use serde_json::Value;

/// Adds dory and returns her answer of a login.
fn dory(ground: &Ground, server: &Running) -> Value {
    assert_eq!(ground.run_with("user add dory --password-stdin", "just-keep-swimming\n").code, 0);
    let (status, answer) = server.login("dory", "just-keep-swimming");
    assert_eq!(status, 200, "{answer}");
    answer
}

fn names(ground: &Ground) -> Vec<String> {
    let users = ground.run("user list --json").json();
    users.as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn users_are_managed_with_and_without_a_server() {
    let ground = Ground::new();
    for running in [false, true] {
        let server = running.then(|| ground.serve());
        let add = ground.run_with(
            "user add dory --name Dory --email dory@example.com --group reef --group ocean --password-stdin --json",
            "just-keep-swimming\r\n",
        );
        assert_eq!(add.json()["groups"], serde_json::json!(["reef", "ocean"]));
        assert!(names(&ground).contains(&"dory".to_owned()));
        assert!(ground.run("user show dory").stdout.contains("dory@example.com"));
        assert_eq!(ground.run("user disable dory").code, 0);
        assert_eq!(ground.run("user show dory --json").json()["disabled"], true);
        assert_eq!(ground.run("user enable dory").code, 0);
        assert_eq!(ground.run_with("user passwd dory --password-stdin", "find nemo now").code, 0);
        assert_eq!(ground.run("user remove dory").code, 0);
        assert!(!names(&ground).contains(&"dory".to_owned()));
        drop(server);
    }
}

#[test]
fn the_exit_code_says_how_a_command_ended() {
    let ground = Ground::new();
    for (words, stdin, code, says) in [
        ("user show nobody", "", 4, "nobody"),
        ("client remove nobody", "", 4, "nobody"),
        ("token revoke nonsense", "", 4, "no token"),
        ("lockout release dory", "", 4, "no failed logins"),
        ("event replay 018b --json", "", 4, "event list --dead"),
        ("event replay --all --sink hook", "", 4, "no sink hook"),
        ("event drop 018b --waiting", "", 4, "no event that waits"),
        ("user add dory --password-stdin", "short\n", 1, "fewer than"),
        ("user add dory --password-stdin", "", 2, "standard input"),
        ("client rotate-secret demo-service", "", 1, "in the configuration"),
        ("client add web --type public --grant password", "", 1, "trusted"),
        ("keys rotate --algorithm RS256", "", 1, "RS256"),
        ("user add dory --password secret", "", 2, "--password"),
        ("user list --config nowhere.toml", "", 3, "nowhere.toml"),
    ] {
        let ended = ground.run_with(words, stdin);
        assert!(ended.code == code && ended.stderr.contains(says), "{words}: {ended:?}");
        assert_eq!(ended.stdout, "", "{words}");
    }
}

#[test]
fn a_disabled_users_refresh_token_ends_at_once() {
    let ground = Ground::new();
    let server = ground.serve();
    let answer = dory(&ground, &server);
    assert_eq!(ground.run("user disable dory").code, 0);
    assert_eq!(server.refresh(&answer).1["error"], "invalid_grant");
    assert_eq!(server.login("dory", "just-keep-swimming").0, 400);
    ground.run("user enable dory");
    assert_eq!(server.refresh(&answer).0, 400);
    assert_eq!(server.login("dory", "just-keep-swimming").0, 200);
}

#[test]
fn a_new_password_ends_what_the_old_one_gave() {
    let ground = Ground::new();
    let server = ground.serve();
    let answer = dory(&ground, &server);
    assert_eq!(ground.run_with("user passwd dory --password-stdin", "find-nemo-now\n").code, 0);
    assert_eq!(server.refresh(&answer).0, 400);
    assert_eq!(server.login("dory", "just-keep-swimming").0, 400);
    assert_eq!(server.login("dory", "find-nemo-now").0, 200);
}

#[test]
fn tokens_are_inspected_and_revoked() {
    let ground = Ground::new();
    let server = ground.serve();
    let answer = dory(&ground, &server);
    let token = answer["access_token"].as_str().unwrap();
    let seen = ground.run_with("token inspect - --json", token).json();
    assert_eq!((&seen["active"], &seen["username"]), (&Value::Bool(true), &Value::from("dory")));
    assert_eq!(ground.run_with("token revoke -", token).code, 0);
    assert_eq!(ground.run_with("token inspect - --json", token).json(), serde_json::json!({ "active": false }));
    assert_eq!(server.refresh(&answer).0, 400);
    for words in ["token revoke --user dory", "token revoke --client demo"] {
        let (_, answer) = server.login("dory", "just-keep-swimming");
        assert_eq!(ground.run(words).code, 0);
        assert_eq!(server.refresh(&answer).0, 400, "{words}");
    }
}

#[test]
fn a_clients_secret_is_rotated_without_an_outage() {
    let ground = Ground::new();
    let server = ground.serve();
    let add = "client add billing --type confidential --grant client_credentials --scope read --json";
    let secret = |answer: Value| answer["secret"].as_str().unwrap().to_owned();
    let first = secret(ground.run(add).json());
    assert_eq!(first.len(), 43);
    let works = |secret: &str| {
        server.post("/token", Some(&format!("billing:{secret}")), "grant_type=client_credentials").0 == 200
    };
    assert!(works(&first));
    let second = secret(ground.run("client rotate-secret billing --json").json());
    assert!(works(&first) && works(&second));
    assert_eq!(ground.run("client rotate-secret billing --drop-old").code, 0);
    assert!(!works(&first) && works(&second));
    let listed = ground.run("client list");
    assert!(listed.stdout.contains("billing") && listed.stdout.contains("demo-service"), "{listed:?}");
    assert!(!listed.stdout.contains(&second));
    assert_eq!(ground.run("client remove billing").code, 0);
    assert!(!works(&second));
}

#[test]
fn a_released_lockout_lets_the_user_in() {
    let ground = Ground::new();
    let server = ground.serve();
    dory(&ground, &server);
    for _ in 0..5 {
        assert_eq!(server.login("dory", "wrong").0, 400);
    }
    assert_eq!(server.login("dory", "just-keep-swimming").0, 429);
    let listed = ground.run("lockout list --json").json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "the name and the address: {listed}");
    assert_eq!(ground.run("lockout release dory").code, 0);
    assert_eq!(ground.run("lockout release --address 127.0.0.1").code, 0);
    assert_eq!(server.login("dory", "just-keep-swimming").0, 200);
}

#[test]
fn a_rotation_publishes_the_next_key() {
    let ground = Ground::new();
    let server = ground.serve();
    let kids = || -> Vec<String> {
        let keys = server.fetch("/jwks").1;
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let before = kids();
    let rotated = ground.run("keys rotate --json").json();
    let next = rotated["rotations"][0]["key_id"].as_str().unwrap().to_owned();
    assert!(!before.contains(&next) && kids().contains(&next));
    assert!(ground.run("keys list").stdout.contains(&next));
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = Ground::new().run(&format!("completions {shell}"));
        assert!(ended.code == 0 && ended.stdout.contains("rotate-secret"), "{shell}");
    }
}

#[test]
fn commands_are_in_the_audit_log_without_their_secrets() {
    let ground = Ground::new();
    std::fs::write(ground.path().join("audit.toml"), "[log]\naudit = \"audit.log\"\n").unwrap();
    let password = "just-keep-swimming";
    assert_eq!(ground.run_with("user add dory --password-stdin --overlay audit.toml", password).code, 0);
    assert_eq!(ground.run("client remove nobody --overlay audit.toml").code, 4);
    let log = std::fs::read_to_string(ground.path().join("audit.log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert_eq!((&lines[0]["action"], &lines[0]["username"]), (&"user.add".into(), &"dory".into()));
    assert_eq!((&lines[1]["action"], &lines[1]["error"]), (&"client.remove".into(), &"not-found".into()));
    assert!(!log.contains(password));
}

#[test]
fn commands_about_tokens_and_lockouts_say_what_they_were_about() {
    let ground = Ground::new();
    std::fs::write(ground.path().join("audit.toml"), "[log]\naudit = \"audit.log\"\n").unwrap();
    let server = super::ground::start(ground.command("serve --overlay audit.toml"));
    let token = server.issue(0).1["refresh_token"].as_str().unwrap().to_owned();
    let machine = server.issue(1).1["access_token"].as_str().unwrap().to_owned();
    assert_eq!(ground.run_with("token inspect -", &token).code, 0);
    assert_eq!(ground.run_with("token revoke -", &token).code, 0);
    assert_eq!(ground.run_with("token revoke -", &machine).code, 0);
    assert_eq!(ground.run_with("token revoke -", "nonsense").code, 4);
    ground.run("lockout release --address 2001:db8::1");
    ground.run("lockout release --all");
    server.stop();
    let log = std::fs::read_to_string(ground.path().join("audit.log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let issued = lines.iter().find(|line| line["event"] == "token.issued" && line["sub"].is_string()).unwrap();
    // The demo user's password is set at the start.
    let is_ours = |line: &&Value| line["event"] == "admin" && !line["action"].as_str().unwrap().starts_with("user.");
    let mut admin = lines.iter().filter(is_ours);
    for (action, verdict) in [("token.inspect", Value::from("active")), ("token.revoke", Value::Null)] {
        let line = admin.next().unwrap();
        assert_eq!((&line["action"], &line["verdict"]), (&action.into(), &verdict), "{line}");
        for field in ["client", "sub", "username", "family"] {
            assert!(issued[field].is_string() && line[field] == issued[field], "{field} of {line}");
        }
    }
    let line = admin.next().unwrap();
    assert!(line["client"] == "demo-service" && line["family"].is_string() && line["error"].is_null(), "{line}");
    let line = admin.next().unwrap();
    assert!(line["client"].is_null() && line["error"] == "not-found", "{line}");
    let released: Vec<&Value> = admin.map(|line| &line["target"]).collect();
    assert_eq!(released, ["2001:db8::1", "all"]);
    assert!(!log.contains(&token) && !log.contains(&machine));
}
