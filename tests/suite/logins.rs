//! Who is let in, how long a refusal takes, and what ends with a login.

use pintle::clock::Clock;
use pintle_tests::{Answer, Options, TestServer};
use std::time::Duration;

/// A PHC string made by another library (argon2-cffi) of `hashed-secret`.
const PHC: &str = "$argon2id$v=19$m=64,t=1,p=1$pHGZgN3Bw++ljD7MmdMvRg$4DDFJhvXvEvvfIY8EN/Om4n0sN+P23wzU9/s/iv6Vu4";

#[tokio::test]
async fn a_secret_may_be_a_foreign_hash_and_there_may_be_two() {
    let secrets = format!("secret = [{{ hash = \"{PHC}\" }}, {{ value = \"second-secret\" }}]");
    let config = include_str!("../fixtures/reference/korap.toml");
    let config = config.replace("secret = { value = \"third-party-secret\" }", &secrets);
    let server = Options::new(config).start().await;
    let login = async |secret: &str| {
        let body = "grant_type=client_credentials";
        server.caller().post_as("third-party", secret, "/api/oauth2/token", body).await.status
    };
    assert_eq!(login("hashed-secret").await, 200);
    assert_eq!(login("second-secret").await, 200);
    assert_eq!(login("third-party-secret").await, 401);
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_take_the_same_time() {
    let server = Options::reference("clarico").start().await;
    server.user("user123", "pass456").await;
    let refused = async |username: &str| {
        let before = server.clock.now_ms();
        let body = format!("grant_type=password&username={username}&password=wrong-one");
        let answer = server.caller().post("/token", &body).await;
        assert_eq!(answer.error(), "400 invalid_grant");
        server.clock.now_ms() - before
    };
    assert_eq!(refused("user123").await, 500);
    assert_eq!(refused("nobody").await, 500);
}

async fn korap() -> TestServer {
    let server = Options::reference("korap").start().await;
    server.user("dory", "dorypass").await;
    server
}

const KALAMAR: (&str, &str) = ("dRJnpFH6RHTr6L7bNhrn7F", "_IGaQqvUUrPTzRKJvqPYnA");

async fn as_kalamar(server: &TestServer, path: &str, body: &str) -> Answer {
    server.caller().post_as(KALAMAR.0, KALAMAR.1, path, body).await
}

async fn as_third(server: &TestServer, body: &str) -> Answer {
    server.caller().post_as("third-party", "third-party-secret", "/api/oauth2/token", body).await
}

async fn code(server: &TestServer, token: &str) -> String {
    let query = "response_type=code&client_id=third-party&redirect_uri=http://localhost:9999/callback&scope=search";
    let answer = server.caller().get_as(token, &format!("/api/oauth2/authorize?{query}")).await;
    let location = answer.header("location");
    location.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).unwrap_or_default().to_owned()
}

fn redeem(code: &str) -> String {
    format!("grant_type=authorization_code&code={code}&redirect_uri=http://localhost:9999/callback")
}

#[tokio::test]
async fn what_a_code_gave_ends_with_the_login_it_was_got_with() {
    let server = korap().await;
    let login = as_kalamar(&server, "/api/oauth2/token", "grant_type=password&username=dory&password=dorypass").await;
    let token = login.field("access_token");
    let given = as_third(&server, &redeem(&code(&server, &token).await)).await;
    assert_eq!(given.status, 200, "{}", given.text);
    let unused = code(&server, &token).await;
    let logout = format!("token={}", login.field("refresh_token"));
    assert_eq!(as_kalamar(&server, "/api/oauth2/revoke", &logout).await.status, 200);
    let refresh = format!("grant_type=refresh_token&refresh_token={}", given.field("refresh_token"));
    assert_eq!(as_third(&server, &refresh).await.error(), "400 invalid_grant");
    assert_eq!(as_third(&server, &redeem(&unused)).await.error(), "400 invalid_grant");
    assert_eq!(code(&server, &token).await, "", "the token is no login any more");
}

#[tokio::test]
async fn a_code_lives_a_minute_and_two_uses_at_once_give_at_most_one_answer() {
    let server = korap().await;
    let login = as_kalamar(&server, "/api/oauth2/token", "grant_type=password&username=dory&password=dorypass").await;
    let token = login.field("access_token");
    let (in_time, late) = (code(&server, &token).await, code(&server, &token).await);
    server.clock.advance(Duration::from_secs(59));
    let body = redeem(&in_time);
    let uses = futures_util::future::join_all((0..16).map(|_| as_third(&server, &body))).await;
    let given: Vec<&Answer> = uses.iter().filter(|answer| answer.status == 200).collect();
    assert!(given.len() <= 1, "{} answers", given.len());
    for answer in given {
        let refresh = format!("grant_type=refresh_token&refresh_token={}", answer.field("refresh_token"));
        assert_eq!(as_third(&server, &refresh).await.error(), "400 invalid_grant", "the replays have ended it");
    }
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(as_third(&server, &redeem(&late)).await.error(), "400 invalid_grant");
}

#[tokio::test]
async fn a_rotation_ends_the_access_tokens_beside_it_where_configured() {
    let server = korap().await;
    let login = as_kalamar(&server, "/api/oauth2/token", "grant_type=password&username=dory&password=dorypass").await;
    let refresh = format!("grant_type=refresh_token&refresh_token={}", login.field("refresh_token"));
    let next = as_kalamar(&server, "/api/oauth2/token", &refresh).await;
    assert_ne!(code(&server, &next.field("access_token")).await, "");
    assert_eq!(code(&server, &login.field("access_token")).await, "");
}
