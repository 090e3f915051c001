use super::*;
use crate::clock::{ManualClock, UnixTime};
use async_trait::async_trait;
use std::sync::Mutex;

type Answer = Result<VerifyOutcome, CallError>;

/// Says one thing, and takes 5 ms for it.
struct Says(Answer, Arc<ManualClock>, Arc<Mutex<u32>>);

#[async_trait]
impl UserVerifier for Says {
    async fn verify(&self, _call: &CallContext, _request: VerifyRequest) -> Answer {
        self.1.advance(Duration::from_millis(5));
        *self.2.lock().unwrap() += 1;
        self.0.clone()
    }
}

fn account(id: &str, disabled: bool) -> Answer {
    let account = Account { id: id.to_owned(), disabled, ..Account::default() };
    Ok(VerifyOutcome::Accepted(Accepted { account, ..Accepted::default() }))
}

fn claims(json: &str) -> Answer {
    let account = Account { id: "7".to_owned(), claims_json: json.to_owned(), ..Account::default() };
    Ok(VerifyOutcome::Accepted(Accepted { account, ..Accepted::default() }))
}

fn accepted() -> Answer {
    account("7", false)
}

fn rejected() -> Answer {
    Ok(VerifyOutcome::Rejected("wrong".to_owned()))
}

fn unknown() -> Answer {
    Ok(VerifyOutcome::UnknownUser)
}

fn challenge() -> Answer {
    Ok(VerifyOutcome::Challenge(Challenge { kind: "totp".to_owned(), state: vec![], params_json: String::new() }))
}

fn broken() -> Answer {
    Err(PluginError::Unavailable("down".to_owned()).into())
}

fn chain(backends: Vec<(Answer, bool)>) -> UserChain {
    let clock = Arc::new(ManualClock::at(UnixTime(1)));
    let backends = backends.into_iter().enumerate().map(|(index, (answer, next_on_error))| Backend {
        name: ["a", "b", "c"][index].to_owned(),
        verifier: Arc::new(Says(answer, Arc::clone(&clock), Arc::default())),
        next_on_error,
    });
    UserChain::new(backends.collect(), clock)
}

fn request(secret: &str) -> VerifyRequest {
    VerifyRequest {
        username: Some("ann".to_owned()),
        kind: "password".to_owned(),
        secret: secret.as_bytes().to_vec().into(),
        ..VerifyRequest::default()
    }
}

/// The outcome and its backend in short, and who was asked.
async fn ask(backends: Vec<(Answer, bool)>) -> (String, String) {
    let (outcome, trail) = chain(backends).verify(&CallContext::default(), &request("secret")).await;
    let outcome = match outcome {
        ChainOutcome::Accepted { backend, .. } => format!("accepted by {backend}"),
        ChainOutcome::Rejected { backend, .. } => format!("rejected by {}", backend.unwrap_or_default()),
        ChainOutcome::UnknownEverywhere => "unknown".to_owned(),
        ChainOutcome::Challenge { backend, .. } => format!("challenge by {backend}"),
        ChainOutcome::Broken { backend, .. } => format!("broken {backend}"),
    };
    let trail = trail.iter().map(|step| format!("{} {} {}", step.backend, step.verdict.name(), step.took.as_millis()));
    (outcome, trail.collect::<Vec<_>>().join(", "))
}

#[tokio::test]
async fn each_answer_goes_on_or_stops_as_it_must() {
    let cases = [
        ("nobody to ask", vec![], "unknown", ""),
        ("the first knows", vec![(accepted(), false), (broken(), false)], "accepted by a", "a accepted 5"),
        (
            "the second knows",
            vec![(unknown(), false), (accepted(), false)],
            "accepted by b",
            "a unknown-user 5, b accepted 5",
        ),
        ("a wrong password stops", vec![(rejected(), true), (accepted(), false)], "rejected by a", "a rejected 5"),
        ("a broken one stops", vec![(broken(), false), (accepted(), false)], "broken a", "a error 5"),
        (
            "a broken one is passed over where the operator said so",
            vec![(broken(), true), (accepted(), false)],
            "accepted by b",
            "a error 5, b accepted 5",
        ),
        (
            "a user whom only the broken one may know is not called unknown",
            vec![(broken(), true), (unknown(), false)],
            "broken a",
            "a error 5, b unknown-user 5",
        ),
        (
            "an outage never turns a wrong password into another answer",
            vec![(broken(), true), (rejected(), false), (accepted(), false)],
            "rejected by b",
            "a error 5, b rejected 5",
        ),
        (
            "unknown to all",
            vec![(unknown(), false), (unknown(), true)],
            "unknown",
            "a unknown-user 5, b unknown-user 5",
        ),
        ("a challenge stops", vec![(challenge(), false), (accepted(), false)], "challenge by a", "a challenge 5"),
        (
            "a disabled account is rejected",
            vec![(account("7", true), false), (accepted(), false)],
            "rejected by a",
            "a rejected 5",
        ),
        ("an id with a line end is the backend's fault", vec![(account("7\n", false), false)], "broken a", "a error 5"),
        (
            "an endless id is the backend's fault",
            vec![(account(&"7".repeat(256), false), false)],
            "broken a",
            "a error 5",
        ),
        ("claims that are no object are the backend's fault", vec![(claims("[]"), false)], "broken a", "a error 5"),
        ("claims that are an object are taken", vec![(claims("{}"), false)], "accepted by a", "a accepted 5"),
        ("an account without an id is the backend's fault", vec![(account("", false), false)], "broken a", "a error 5"),
    ];
    for (name, backends, outcome, trail) in cases {
        assert_eq!(ask(backends).await, (outcome.to_owned(), trail.to_owned()), "{name}");
    }
}

#[tokio::test]
async fn an_empty_password_asks_nobody() {
    let asked = Arc::new(Mutex::new(0));
    let clock = Arc::new(ManualClock::default());
    let verifier = Arc::new(Says(accepted(), Arc::clone(&clock), Arc::clone(&asked)));
    let chain = UserChain::new(vec![Backend { name: "a".to_owned(), verifier, next_on_error: false }], clock);
    let (outcome, trail) = chain.verify(&CallContext::default(), &request("")).await;
    assert!(matches!(outcome, ChainOutcome::Rejected { backend: None, .. }));
    assert_eq!((trail.len(), *asked.lock().unwrap()), (0, 0));
}
