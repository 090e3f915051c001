use super::*;
use crate::config::model::PluginLimits;
use crate::plugin::host::Interface;
use crate::plugin::supervision::{Guard, Supervision};
use crate::plugin::testing::FakeServices;
use pintle_plugin_api::base64url;
use std::sync::Mutex;
use std::time::Duration;

const CLAIMS: &str = r#"{"iss":"https://id","jti":"h4ndle","exp":100}"#;

/// A format that misbehaves in one way, and keeps the host of its last call.
#[derive(Default)]
struct Evil {
    how: &'static str,
    kept: Arc<Mutex<Option<Arc<CallHost>>>>,
}

impl Evil {
    fn input(claims: &str) -> String {
        let header = r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#;
        format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(claims.as_bytes()))
    }

    fn signed(host: &CallHost, claims: &str) -> Result<String, PluginError> {
        let input = Self::input(claims);
        let signature = host.sign("k1", "EdDSA", input.as_bytes())?;
        Ok(format!("{input}.{}", base64url::encode(&signature)))
    }
}

#[async_trait]
impl Packaging for Evil {
    fn waits_in_host_only(&self) -> bool {
        self.how == "loop"
    }

    async fn health(&self, host: Arc<CallHost>, call: CallContext) -> Result<(), PluginError> {
        *self.kept.lock().unwrap() = Some(host);
        if self.how == "hang" {
            std::future::pending::<()>().await;
        }
        Err(PluginError::Invalid(call.deadline_ms.to_string()))
    }

    async fn verify_user(
        &self,
        _host: Arc<CallHost>,
        _call: CallContext,
        _request: VerifyRequest,
    ) -> Result<VerifyOutcome, PluginError> {
        Err(lacks(Kind::UserVerifier))
    }

    async fn evaluate_scope(
        &self,
        _host: Arc<CallHost>,
        _call: CallContext,
        _query: ScopeQuery,
    ) -> Result<ScopeDecision, PluginError> {
        if self.how == "loop" || self.how == "wait" {
            std::future::pending::<()>().await;
        }
        Err(lacks(Kind::ScopePolicy))
    }

    async fn issue_token(
        &self,
        host: Arc<CallHost>,
        _call: CallContext,
        claims_json: String,
        _key_id: String,
    ) -> Result<IssuedToken, PluginError> {
        let token = match self.how {
            "honest" | "meta" => Self::signed(&host, &claims_json)?,
            "widened" => Self::signed(&host, &claims_json.replace("100", "999"))?,
            "swapped" => {
                Self::signed(&host, &claims_json)?;
                Self::input(&claims_json.replace("100", "999")) + ".AAAA"
            }
            "unsigned" => Self::input(&claims_json.replace("100", "999")) + ".",
            "two" => Self::signed(&host, &claims_json).and_then(|_| Self::signed(&host, &claims_json))?,
            "handle" | "forgetful" => "x-h4ndle".to_owned(),
            _ => String::new(),
        };
        let meta_json = if self.how == "meta" { "[\n]".to_owned() } else { String::new() };
        Ok(IssuedToken { token, meta_json })
    }

    async fn validate_token(
        &self,
        host: Arc<CallHost>,
        _call: CallContext,
        token: String,
    ) -> Result<TokenVerdict, PluginError> {
        // The key signs nothing here, whatever the input is.
        assert!(Self::signed(&host, CLAIMS).is_err());
        match token.strip_prefix("x-") {
            Some(handle) if self.how != "forgetful" => Ok(TokenVerdict::Mine(handle.to_owned())),
            _ => Ok(TokenVerdict::Mine("another".to_owned())),
        }
    }
}

fn hosted(evil: Evil, timeout_ms: u64) -> Hosted {
    let host = PluginHost::new("p", Arc::new(FakeServices::default()), [Interface::Crypto], "{}");
    let timeout = Some(Duration::from_millis(timeout_ms));
    Hosted::new(Box::new(evil), Arc::new(host), Limits::new(PluginLimits { timeout, ..PluginLimits::default() }))
}

async fn issue(how: &'static str) -> Result<IssuedToken, PluginError> {
    let ext = vec![("alg".to_owned(), "EdDSA".to_owned()), ("typ".to_owned(), "at+jwt".to_owned())];
    let call = CallContext { ext, ..CallContext::default() };
    let answer = hosted(Evil { how, ..Evil::default() }, 1_000).issue(&call, CLAIMS, "k1").await;
    answer.map_err(|ended| ended.error)
}

#[tokio::test]
async fn only_a_token_with_the_cores_claims_leaves() {
    assert!(issue("honest").await.is_ok());
    assert_eq!(issue("handle").await.unwrap().token, "x-h4ndle");
    for how in ["widened", "swapped", "unsigned", "two", "forgetful", "empty"] {
        assert!(matches!(issue(how).await, Err(PluginError::Denied(_) | PluginError::Internal(_))), "{how}");
    }
}

#[tokio::test]
async fn a_remark_that_is_no_json_object_does_not_reach_the_log() {
    assert_eq!(issue("meta").await.unwrap().meta_json, "");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_ends_in_time_and_its_host_answers_no_more() {
    let evil = Evil { how: "hang", ..Evil::default() };
    let kept = Arc::clone(&evil.kept);
    let answer = hosted(evil, 10_000).health(&CallContext::default()).await;
    assert_eq!(answer, Err(PluginError::Unavailable("no answer within 10000 ms".to_owned())));
    let host = kept.lock().unwrap().take().unwrap();
    assert!(matches!(host.kv_get("k").await, Err(PluginError::Denied(_))));
}

#[tokio::test]
async fn a_call_knows_its_deadline() {
    let answer = hosted(Evil::default(), 10_000).health(&CallContext::default()).await;
    assert_eq!(answer, Err(PluginError::Invalid("10000".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_turned_away_was_not_the_plugins_doing() {
    let host = PluginHost::new("p", Arc::new(FakeServices::default()), [Interface::Kv], "{}");
    let limits = PluginLimits { concurrency: Some(1), queue: Some(0), ..PluginLimits::default() };
    let guard = Guard::new("p", None, &Supervision::default(), Arc::new(FakeServices::default()));
    let hosted = Hosted::new(Box::new(Evil::default()), Arc::new(host), Limits::new(limits)).guarded_by(guard);
    let _running = hosted.enter(&mut None).await.unwrap();
    let ended = hosted.validate(&CallContext::default(), "x").await.unwrap_err();
    assert_eq!(ended.fault, Fault::Overloaded);
    let tally = hosted.guard().unwrap().tally();
    assert_eq!((tally.calls, tally.failures), (1, 1), "who looks at the list sees it");
}

/// Requests that make a guest loop must not shut its backend for others, even where so many do so at once that none spends
/// its processor time in its wall time.
#[tokio::test(start_paused = true)]
async fn a_call_that_ran_out_of_time_while_it_computed_says_nothing_of_the_backend() {
    use crate::config::model::BreakerLimits;
    use crate::plugin::breaker::BreakerState;
    for (how, expected) in [("loop", BreakerState::Closed), ("wait", BreakerState::Open)] {
        let limits = BreakerLimits { share: 50, calls: 2, open_for: Duration::from_secs(5) };
        let services = Arc::new(FakeServices::default());
        let guard = Guard::new("p", Some(limits), &Supervision::default(), services);
        let hosted = hosted(Evil { how, ..Evil::default() }, 1_000).guarded_by(guard);
        for _ in 0..2 {
            let ended = hosted.evaluate(&CallContext::default(), ScopeQuery::default()).await.unwrap_err();
            assert_eq!(ended.fault, Fault::TimedOut);
        }
        let guard = hosted.guard().unwrap();
        assert_eq!((guard.breaker(), guard.tally().failures), (Some(expected), 2), "{how}");
    }
}
