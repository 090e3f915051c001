use super::*;
use crate::plugin::host::{Interface, PluginHost};
use crate::plugin::testing::{FakeServices, call_limits};

/// A policy whose behaviour is the requested scope, and that says nothing of waiting for the host.
mod cheap {
    use pintle_plugin_api::linked::{Exports, Kinds};
    use pintle_plugin_api::{Call, Manifest, Plugin, PluginError, ScopeDecision, ScopePolicy, ScopeQuery};

    pub struct Cheap;

    impl Plugin for Cheap {
        fn manifest() -> Manifest {
            Manifest::new::<Self>("cheap", "1.0.0")
        }

        fn create(_config_json: &str) -> Result<Self, Vec<String>> {
            Ok(Self)
        }
    }

    impl ScopePolicy for Cheap {
        fn evaluate(&self, call: &Call<'_>, query: &ScopeQuery) -> Result<ScopeDecision, PluginError> {
            match query.requested[0].as_str() {
                "panic" => panic!("as asked"),
                "wait" => call.host.kv_get("k").map(|_| ScopeDecision::default()),
                "random" => {
                    call.host.random(4097);
                    Ok(ScopeDecision::default())
                }
                _ => Ok(ScopeDecision { granted: query.requested.clone(), ..ScopeDecision::default() }),
            }
        }
    }

    impl Exports for Cheap {
        fn scope_policy(&self) -> Option<&dyn ScopePolicy> {
            Some(self)
        }
    }

    impl Kinds for Cheap {
        const KINDS: &'static [&'static str] = &["scope-policy"];
    }
}

/// A policy that waits for the host for ever.
mod patient {
    use pintle_plugin_api::linked::{Exports, Kinds};
    use pintle_plugin_api::{Call, Manifest, Plugin, PluginError, ScopeDecision, ScopePolicy, ScopeQuery};

    pub struct Patient;

    impl Plugin for Patient {
        const WANTS: &'static [&'static str] = &["kv"];

        fn manifest() -> Manifest {
            Manifest::new::<Self>("patient", "1.0.0")
        }

        fn create(_config_json: &str) -> Result<Self, Vec<String>> {
            Ok(Self)
        }
    }

    impl ScopePolicy for Patient {
        fn evaluate(&self, call: &Call<'_>, _query: &ScopeQuery) -> Result<ScopeDecision, PluginError> {
            call.host.kv_get("hang").map(|_| ScopeDecision::default())
        }
    }

    impl Exports for Patient {
        fn scope_policy(&self) -> Option<&dyn ScopePolicy> {
            Some(self)
        }
    }

    impl Kinds for Patient {
        const KINDS: &'static [&'static str] = &["scope-policy"];
    }
}

#[test]
fn an_abandoned_call_stops_waiting_for_the_host() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let plugin = Linked::new(&LinkedPlugin::new::<patient::Patient>(), "{}").unwrap();
        let services = Arc::new(FakeServices::default());
        let host = PluginHost::new("p", services.clone(), [Interface::Kv], "{}");
        let host = Arc::new(CallHost::new(Arc::new(host), "r", call_limits(), None, None));
        let call = plugin.evaluate_scope(Arc::clone(&host), CallContext::default(), ScopeQuery::default());
        let abandon = async {
            while services.hanging() == 0 {
                tokio::task::yield_now().await;
            }
            host.close();
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), async { tokio::join!(call, abandon).0 }).await
    });
    // Dropping it would wait for the thread.
    runtime.shutdown_background();
    assert_eq!(answer, Ok(Err(PluginError::Denied("the call is over".to_owned()))));
}

async fn evaluate(scope: &str) -> Result<ScopeDecision, PluginError> {
    evaluate_and_blame(scope).await.0
}

async fn evaluate_and_blame(scope: &str) -> (Result<ScopeDecision, PluginError>, Fault) {
    let plugin = Linked::new(&LinkedPlugin::new::<cheap::Cheap>(), "{}").unwrap();
    assert_eq!(plugin.kinds(), [Kind::ScopePolicy]);
    let host = PluginHost::new("p", Arc::new(FakeServices::default()), [Interface::Kv], "{}");
    let host = Arc::new(CallHost::new(Arc::new(host), "r", call_limits(), None, None));
    let query = ScopeQuery { requested: vec![scope.to_owned()], ..ScopeQuery::default() };
    let answer = plugin.evaluate_scope(host.clone(), CallContext::default(), query).await;
    (answer, host.fault())
}

#[tokio::test]
async fn a_panic_is_told_from_an_error() {
    assert_eq!(evaluate_and_blame("panic").await.1, Fault::Trapped);
    assert_eq!(evaluate_and_blame("wait").await.1, Fault::Failed);
}

#[tokio::test]
async fn a_panic_is_its_calls_own() {
    assert!(matches!(evaluate("panic").await, Err(PluginError::Internal(_))));
    assert!(matches!(evaluate("random").await, Err(PluginError::Internal(_))));
    assert_eq!(evaluate("read").await.unwrap().granted, ["read"]);
}

#[tokio::test]
async fn a_plugin_on_the_callers_thread_cannot_wait_for_the_host() {
    assert!(matches!(evaluate("wait").await, Err(PluginError::Denied(_))));
}
