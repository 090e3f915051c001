//! The tutorial of the plugin API, followed to the letter: its commands, its files, and a login by the plugin that comes of it.

use crate::vendor::{project, shell};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use pintle_tests::Options;
use serde_json::{Value, json};
use std::path::Path;
use warp::Filter;
use warp::http::StatusCode;

const KEY: &str = "test-key";

/// What the operator has already.
const SERVER: &str = r#"
issuer = "http://127.0.0.1:{port}"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
[tokens.access]
audience = ["https://api.example"]
[[clients]]
id = "app"
type = "confidential"
secret = { value = "secret" }
trusted = true
grants = ["password", "refresh_token"]
scopes = ["orders", "admin"]
"#;

fn chapter(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-api/src").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of a language in a chapter, as a reader copies them.
fn blocks(chapter: &str, language: &str) -> Vec<String> {
    let text: String = chapter
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .fold(String::new(), |text, line| text + line.strip_prefix(' ').unwrap_or(line) + "\n");
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The CRM that the tutorial describes.
fn crm(authorization: &str, path: &str, question: &Value) -> (StatusCode, Value) {
    if authorization != format!("Bearer {KEY}") {
        return (StatusCode::UNAUTHORIZED, json!({}));
    }
    let users = [("17", "ann", true), ("18", "bob", false)];
    let found = users.into_iter().find(|(id, login, _)| question["id"] == *id || question["login"] == *login);
    match found {
        None => (StatusCode::NOT_FOUND, json!({})),
        Some(_) if path == "/login" && question["password"] != "correct horse" => {
            (StatusCode::UNPROCESSABLE_ENTITY, json!({}))
        }
        Some((id, login, active)) => {
            let user = json!({ "id": id, "login": login, "mail": null, "department": "sales", "active": active });
            (StatusCode::OK, user)
        }
    }
}

/// Serves it, and gives its origin.
async fn serve_crm() -> String {
    let route =
        warp::post().and(warp::header::<String>("authorization")).and(warp::path::full()).and(warp::body::json()).map(
            |authorization: String, path: warp::path::FullPath, question: Value| {
                let (status, answer) = crm(&authorization, path.as_str(), &question);
                warp::reply::with_status(warp::reply::json(&answer), status)
            },
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(warp::serve(route).incoming(listener).run());
    origin
}

/// Makes, tests, bundles and signs the plugin; then what the operator writes.
fn make(origin: &str) -> (crate::vendor::Project, String) {
    let (start, ship) = (chapter("tutorial.rs"), chapter("tutorial/ship.rs"));
    let commands = blocks(&start, "text").remove(0);
    let added: Vec<&str> = commands.lines().filter(|line| line.starts_with("cargo add ")).collect();
    assert!(commands.starts_with("pintle plugin new crm --lang rust\n") && added.len() == 2, "{commands}");
    let project = project("crm", "--lang rust");
    project.keep_target("vendor-rust");
    let write = |name: &str, text: &str| std::fs::write(project.folder.join(name), text).unwrap();
    write("src/lib.rs", &chapter("tutorial/crm.rs"));
    write("plugin.toml", &blocks(&start, "toml")[0]);
    write("config.schema.json", &blocks(&chapter("tutorial/config.rs"), "json")[0]);
    let configurations = blocks(&ship, "toml");
    write("conformance.toml", &configurations[0].replace("http://127.0.0.1:8069", origin));

    shell(&project.folder, &added.join(" && "));
    let [tried, signed] = <[String; 2]>::try_from(blocks(&ship, "text")).unwrap();
    let report = shell(&project.folder, &format!("set -e\n{tried}"));
    assert!(report.contains(", 0 failed") && report.contains("slow upstream"), "{report}");
    let printed = shell(&project.folder, &format!("set -e\n{signed}"));
    let key = printed.split_whitespace().find(|word| word.starts_with("ed25519:")).expect("keygen prints the key");
    let bundle = project.folder.join("target/pintle/crm-0.1.0.pintle");
    let configuration = configurations[1]
        .replace("ed25519:…", key)
        .replace("crm-0.1.0.pintle", bundle.to_str().unwrap())
        .replace("https://crm.example.com", origin)
        .replace("{ file = \"crm.key\" }", &format!("{{ value = \"{KEY}\" }}"));
    (project, configuration)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tutorial_leads_to_a_signed_plugin_that_logs_in() {
    let origin = serve_crm().await;
    let (_project, configuration) = tokio::task::spawn_blocking(move || make(&origin)).await.unwrap();
    let server = Options::new(format!("{SERVER}{configuration}")).start().await;
    let post = async |body: &str| server.caller().post_as("app", "secret", "/token", body).await;

    let tokens = post("grant_type=password&username=ann&password=correct+horse").await;
    assert_eq!(tokens.field("scope"), "orders", "the policy narrows: {}", tokens.text);
    let claims = URL_SAFE_NO_PAD.decode(tokens.field("access_token").split('.').nth(1).unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&claims).unwrap()["department"], "sales");
    let refresh = format!("grant_type=refresh_token&refresh_token={}", tokens.field("refresh_token"));
    assert_eq!(post(&refresh).await.status, 200);

    for body in ["username=ann&password=wrong", "username=bob&password=correct+horse", "username=nobody&password=x"] {
        assert_eq!(post(&format!("grant_type=password&{body}")).await.error(), "400 invalid_grant", "{body}");
    }
}

#[test]
fn the_schema_of_the_tutorial_says_what_its_code_says() {
    let schema = blocks(&chapter("tutorial/config.rs"), "json").remove(0);
    let schema = pintle::plugin::schema::ConfigSchema::parse(schema.as_bytes()).unwrap();
    assert!(schema.faults(r#"{"cache_s": 30, "departments": [{"name": "sales", "scopes": ["orders"]}]}"#).is_empty());
    let faults = schema.faults(r#"{"timeout_ms": 5, "departments": [{"scopes": [1]}], "cache": 1}"#);
    for key in ["timeout_ms", "departments[0].name", "departments[0].scopes[0]", "cache"] {
        assert!(faults.iter().any(|fault| fault.starts_with(&format!("{key}:"))), "{key}: {faults:?}");
    }
}
