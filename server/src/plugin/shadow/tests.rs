use super::facts::{differences, of_claims, of_decision, of_lookup, of_outcome};
use super::*;
use crate::config::model::{PluginEntry, PluginSource};
use crate::plugin::testing::{FakeServices, ann};
use crate::plugin::{CallError, Fault, UserVerifier};
use async_trait::async_trait;
use pintle_plugin_api::{
    Accepted, Account, CallContext, Challenge, PluginError, ScopeDecision, VerifyOutcome, VerifyRequest,
};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

type Answer = Result<VerifyOutcome, CallError>;

fn accepted(account: Account) -> Answer {
    Ok(VerifyOutcome::Accepted(Accepted { account, amr: vec!["pwd".to_owned()], acr: None }))
}

fn failed(error: PluginError, fault: Fault) -> CallError {
    CallError { error, fault }
}

fn fact(fact: &str, live: &str, shadow: &str) -> (String, String, String) {
    (fact.to_owned(), live.to_owned(), shadow.to_owned())
}

fn compared(live: &Answer, shadow: &Answer) -> Vec<(String, String, String)> {
    differences(&of_outcome(live).unwrap(), &of_outcome(shadow).unwrap())
}

#[test]
fn answers_to_a_password_differ_in_what_decides_and_in_who_it_is() {
    let yes = accepted(ann());
    let rejected = || Ok(VerifyOutcome::Rejected("bad bind".to_owned()));
    assert_eq!(compared(&yes, &yes), []);
    assert_eq!(compared(&rejected(), &Ok(VerifyOutcome::Rejected("other words".to_owned()))), []);
    assert_eq!(compared(&yes, &rejected()), [fact("answer", "accepted", "rejected")]);
    assert_eq!(compared(&rejected(), &Ok(VerifyOutcome::UnknownUser)), [fact("answer", "rejected", "unknown-user")]);
    let challenge = Challenge { kind: "totp".to_owned(), state: b"secret".to_vec(), params_json: String::new() };
    let challenge = Ok(VerifyOutcome::Challenge(challenge));
    assert_eq!(compared(&yes, &challenge), [fact("answer", "accepted", "challenge totp")]);
    let other = Account {
        id: "8".to_owned(),
        groups: vec!["b".to_owned(), "a".to_owned()],
        claims_json: r#"{"b":1,"a":2}"#.to_owned(),
        ..ann()
    };
    let expected = [fact("claims", "", r#"{"a":2,"b":1}"#), fact("groups", "", "a b"), fact("id", "7", "8")];
    assert_eq!(compared(&yes, &accepted(other.clone())), expected);
    let reordered = Account {
        groups: vec!["a".to_owned(), "b".to_owned(), "a".to_owned()],
        claims_json: r#"{ "a": 2, "b": 1 }"#.to_owned(),
        ..other.clone()
    };
    assert_eq!(compared(&accepted(other), &accepted(reordered)), [], "neither order nor white space matters");
}

#[test]
fn errors_are_compared_by_their_sort_and_a_plugin_that_was_not_asked_is_not_compared() {
    let down = |why: &str| Err(failed(PluginError::Unavailable(why.to_owned()), Fault::Failed));
    assert_eq!(compared(&down("a"), &down("b")), []);
    let trapped = Err(failed(PluginError::Internal("unreachable".to_owned()), Fault::Trapped));
    assert_eq!(compared(&down("a"), &trapped), [fact("answer", "unavailable", "trapped")]);
    for fault in [Fault::Overloaded, Fault::Open, Fault::Disabled] {
        let error = failed(PluginError::Unavailable(String::new()), fault);
        assert_eq!(of_outcome(&Err(error.clone())), None);
        assert_eq!(of_lookup(&Err(error)), None);
    }
}

#[test]
fn scopes_claims_and_look_ups_are_compared_by_their_facts() {
    let decision = |granted: &[&str], max_ttl_s| {
        let granted = granted.iter().map(|scope| (*scope).to_owned()).collect();
        of_decision(&Ok(ScopeDecision { granted, require: Vec::new(), max_ttl_s })).unwrap()
    };
    assert_eq!(differences(&decision(&["a", "b"], None), &decision(&["b", "a"], None)), []);
    let expected = [fact("granted", "a", "a b"), fact("max_ttl_s", "60", "")];
    assert_eq!(differences(&decision(&["a"], Some(60)), &decision(&["a", "b"], None)), expected);
    let claims = |name: &str, json: &str| of_claims(&Ok(vec![(name.to_owned(), json.to_owned())])).unwrap();
    assert_eq!(differences(&claims("a", "[1, 2]"), &claims("a", "[1,2]")), []);
    let expected = [fact("claim a", "1", ""), fact("claim b", "", "1")];
    assert_eq!(differences(&claims("a", "1"), &claims("b", "1")), expected);
    let looked_up = |account| of_lookup(&Ok(account)).unwrap();
    let disabled = Account { disabled: true, ..ann() };
    assert_eq!(differences(&looked_up(Some(ann())), &looked_up(Some(disabled))), [fact("disabled", "no", "yes")]);
    assert_eq!(differences(&looked_up(None), &looked_up(Some(ann()))), [fact("answer", "no account", "account")]);
}

#[test]
fn what_is_shown_steers_no_terminal_and_long_texts_differ_behind_their_cut() {
    let named = |name: String| accepted(Account { display_name: Some(name), ..ann() });
    let found = compared(&named("\u{1b}[31mann\n".to_owned()), &named("ann".to_owned()));
    assert_eq!(found, [fact("display_name", r"\u{1b}[31mann\u{a}", "ann")]);
    let found = compared(&named(format!("{}1", "a".repeat(5_000))), &named(format!("{}2", "a".repeat(5_000))));
    assert!(found.len() == 1 && found[0].1.len() < 300 && found[0].1 != found[0].2, "{found:?}");
}

/// Answers what it is told to, in order, and accepts ann after that; never where it hangs.
#[derive(Default)]
struct Script {
    hangs: AtomicBool,
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Option<String>>>,
}

#[async_trait]
impl UserVerifier for Script {
    async fn verify(&self, _call: &CallContext, request: VerifyRequest) -> Answer {
        self.asked.lock().unwrap().push(request.username);
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.answers.lock().unwrap().pop_front().unwrap_or_else(|| accepted(ann()))
    }
}

struct Bench {
    live: Arc<Script>,
    shadow: Arc<Script>,
    ledger: Arc<Ledger>,
    services: Arc<FakeServices>,
    beside: Beside<dyn UserVerifier>,
    seen: UnboundedReceiver<Comparison>,
}

fn subject(sha256: u8) -> Subject {
    let source = PluginSource::Wasm("new.wasm".into());
    let entry = PluginEntry { shadow: Some("old".to_owned()), ..PluginEntry::new(source) };
    Subject { shadow: "new".to_owned(), live: "old".to_owned(), entry, sha256: Some([sha256; 32]), beside: None }
}

impl Bench {
    fn new() -> Self {
        let (tell, seen) = unbounded_channel();
        let observer = Arc::new(move |_: &str, comparison| tell.send(comparison).unwrap());
        let ledger = Ledgers::default().of(subject(1));
        let services = Arc::new(FakeServices::default());
        let pair = Arc::new(Pair::new(ledger.clone(), services.clone(), observer));
        let (live, shadow) = (Arc::new(Script::default()), Arc::new(Script::default()));
        let beside = Beside::new(live.clone() as Arc<dyn UserVerifier>, shadow.clone(), pair);
        Self { live, shadow, ledger, services, beside, seen }
    }

    async fn ask(&mut self, username: &str, state: Option<Vec<u8>>) -> (Answer, Comparison) {
        let call = CallContext { request_id: "r1".to_owned(), ..CallContext::default() };
        let request = VerifyRequest { username: Some(username.to_owned()), state, ..VerifyRequest::default() };
        let answer = self.beside.verify(&call, request).await;
        (answer, self.seen.recv().await.unwrap())
    }
}

#[tokio::test]
async fn the_live_answer_is_the_answer_whatever_the_shadow_says() {
    let mut bench = Bench::new();
    bench.shadow.answers.lock().unwrap().push_back(Ok(VerifyOutcome::UnknownUser));
    bench.live.answers.lock().unwrap().push_back(Ok(VerifyOutcome::Rejected("wrong".to_owned())));
    let rejected = Ok(VerifyOutcome::Rejected("wrong".to_owned()));
    assert_eq!(bench.ask("ann\u{7}", None).await, (rejected.clone(), Comparison::Different));
    bench.live.answers.lock().unwrap().push_back(rejected.clone());
    assert_eq!(bench.ask("bob", None).await, (rejected, Comparison::Different), "an acceptance in shadow is none");
    assert_eq!(bench.ask("ann", None).await, (accepted(ann()), Comparison::Same));
    assert_eq!(*bench.live.asked.lock().unwrap(), *bench.shadow.asked.lock().unwrap());
    let (sum, differences) = bench.ledger.read();
    assert_eq!((sum.same, sum.different, sum.skipped), (1, 2, 0));
    assert_eq!(differences.len(), 2);
    let first = &differences[0];
    assert_eq!((first.shadow.as_str(), first.live.as_str(), first.kind), ("new", "old", "user-verifier"));
    assert_eq!((first.request_id.as_str(), first.user.as_deref()), ("r1", Some(r"ann\u{7}")));
    assert_eq!((first.live_answer.as_str(), first.shadow_answer.as_str()), ("rejected", "unknown-user"));
}

#[tokio::test]
async fn a_second_step_and_a_plugin_that_was_not_asked_are_skipped() {
    let mut bench = Bench::new();
    assert_eq!(bench.ask("ann", Some(b"state".to_vec())).await, (accepted(ann()), Comparison::Skipped));
    assert!(bench.shadow.asked.lock().unwrap().is_empty(), "another plugin's state is not shown to it");
    let busy = || Err(failed(PluginError::Unavailable("busy".to_owned()), Fault::Overloaded));
    bench.live.answers.lock().unwrap().push_back(busy());
    assert_eq!(bench.ask("ann", None).await, (busy(), Comparison::Skipped));
    assert!(bench.shadow.asked.lock().unwrap().is_empty());
    bench.shadow.answers.lock().unwrap().push_back(busy());
    assert_eq!(bench.ask("ann", None).await, (accepted(ann()), Comparison::Skipped));
    let (sum, _) = bench.ledger.read();
    assert_eq!((sum.same, sum.different, sum.skipped), (0, 0, 3));
}

#[tokio::test]
async fn a_ledger_is_bounded_and_goes_on_while_its_shadow_stays_the_same() {
    let ledgers = Ledgers::default();
    let first = ledgers.of(subject(1));
    assert!(ledgers.all().is_empty(), "nothing is installed by a look");
    ledgers.install(vec![first.clone()]);
    assert!(Arc::ptr_eq(&ledgers.of(subject(1)), &first));
    assert!(!Arc::ptr_eq(&ledgers.of(subject(2)), &first), "other code is another shadow");
    ledgers.install(Vec::new());
    assert!(ledgers.all().is_empty());
    let mut bench = Bench::new();
    for number in 0..600 {
        bench.shadow.answers.lock().unwrap().push_back(Ok(VerifyOutcome::UnknownUser));
        assert_eq!(bench.ask(&number.to_string(), None).await.1, Comparison::Different);
    }
    let (sum, kept) = bench.ledger.read();
    assert_eq!((sum.different, kept.len()), (600, 500));
    assert_eq!(kept.last().and_then(|last| last.user.as_deref()), Some("599"));
}

#[tokio::test]
async fn a_shadow_is_not_asked_while_passwords_wait_or_while_it_is_busy() {
    let mut bench = Bench::new();
    bench.services.set_hashing_busy(true);
    assert_eq!(bench.ask("ann", None).await, (accepted(ann()), Comparison::Skipped));
    assert!(bench.shadow.asked.lock().unwrap().is_empty());
    bench.services.set_hashing_busy(false);
    bench.shadow.hangs.store(true, Ordering::SeqCst);
    let request = || VerifyRequest { username: Some("ann".to_owned()), ..VerifyRequest::default() };
    for _ in 0..4 {
        assert_eq!(bench.beside.verify(&CallContext::default(), request()).await, accepted(ann()));
    }
    assert_eq!(bench.ask("ann", None).await, (accepted(ann()), Comparison::Skipped), "a fifth at a time");
}
