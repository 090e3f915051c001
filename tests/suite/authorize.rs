//! Codes over HTTP: PKCE, the scope that stands for all, a request without a token.

use pintle_tests::{Answer, Caller, Options, TestServer};
use serde_json::json;

const CONFIG: &str = r#"
issuer = "http://127.0.0.1:{port}"
data_dir = "data"
[listen]
address = "127.0.0.1:{port}"
[authorize]
bearer_login = true
[[clients]]
id = "app"
type = "confidential"
secret = { value = "secret" }
trusted = true
grants = ["password"]
scopes = ["all", "read", "authorize"]
[[clients]]
id = "spa"
type = "public"
grants = ["authorization_code", "refresh_token"]
scopes = ["all", "read", "write"]
redirect_uris = ["https://spa.example/cb"]
[plugins.local]
source = "builtin:accounts"
[users]
chain = ["local"]
"#;

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn start(overlay: &str) -> TestServer {
    let server = Options::new(CONFIG).overlay(overlay).start().await;
    server.user("dory", "dorypass").await;
    server
}

/// The answer to `spa`'s request for a code of `asked`, with a token of the scope `login`.
async fn authorize(caller: &Caller, login: &str, asked: &str) -> Answer {
    let body = format!("grant_type=password&username=dory&password=dorypass&scope={login}");
    let token = caller.post_as("app", "secret", "/token", &body).await.field("access_token");
    let query = format!("response_type=code&client_id=spa&scope={asked}&code_challenge={CHALLENGE}");
    caller.get_as(&token, &format!("/authorize?{query}&code_challenge_method=S256")).await
}

fn in_location(answer: &Answer, name: &str) -> Option<String> {
    let location = answer.header("location");
    let value = location.split(['?', '&']).find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    Some(value.to_owned())
}

#[tokio::test]
async fn a_public_client_redeems_its_code_with_the_verifier_and_only_with_it() {
    let server = start("").await;
    let caller = server.caller();
    let redeem = async |code: &str, verifier: &str| {
        let body = format!("grant_type=authorization_code&client_id=spa&code={code}");
        caller.post("/token", &format!("{body}&code_verifier={verifier}")).await
    };
    let code = in_location(&authorize(&caller, "read authorize", "read").await, "code").unwrap();
    assert_eq!(redeem(&code, &VERIFIER.replace('d', "e")).await.error(), "400 invalid_grant");
    let tokens = redeem(&code, VERIFIER).await;
    assert_eq!((tokens.status, tokens.field("scope").as_str()), (200, "read"), "{}", tokens.text);
    let refresh = format!("grant_type=refresh_token&client_id=spa&refresh_token={}", tokens.field("refresh_token"));
    assert_eq!(caller.post("/token", &refresh).await.status, 200);
}

#[tokio::test]
async fn a_scope_stands_for_every_scope_only_where_the_configuration_says_so() {
    let error = |answer: &Answer| in_location(answer, "error").unwrap_or_else(|| answer.error());
    let server = start("").await;
    let caller = server.caller();
    assert_eq!(error(&authorize(&caller, "all", "read").await), "403 insufficient_scope", "'authorize' is missing");
    assert_eq!(error(&authorize(&caller, "all authorize", "write").await), "invalid_scope", "the login has it not");
    assert!(in_location(&authorize(&caller, "all authorize", "all").await, "code").is_some(), "a scope as any other");

    let server = start("[compatibility]\nevery_scope = \"all\"\n").await;
    let caller = server.caller();
    assert!(in_location(&authorize(&caller, "all", "read").await, "code").is_some());
    assert!(in_location(&authorize(&caller, "all", "write").await, "code").is_some(), "within the client's own");
    assert_eq!(error(&authorize(&caller, "all", "all").await), "invalid_scope", "for trusted clients");
    assert_eq!(error(&authorize(&caller, "read authorize", "write").await), "invalid_scope");
}

#[tokio::test]
async fn a_request_without_a_token_is_told_no_error_code() {
    let ask = async |overlay: &str| {
        let server = start(overlay).await;
        server.caller().get("/authorize?response_type=code&client_id=spa&scope=read").await
    };
    let answer = ask("").await;
    assert_eq!((answer.status, answer.header("www-authenticate").as_str()), (401, "Bearer realm=\"pintle\""));
    assert_eq!(answer.json(), json!({ "error_description": "the request needs a Bearer token" }));
    let korap = ask("[compatibility]\nbearer_errors = \"korap\"\n").await;
    assert_eq!((korap.status, korap.header("www-authenticate").as_str()), (401, "Bearer realm=\"pintle\""));
    let told = "the request needs a Bearer token";
    assert_eq!(korap.json(), json!({ "error_description": told, "errors": [[401, told]] }));
}
