use super::*;
use pintle_plugin_api::testing::FakeHost;
use pintle_plugin_api::{CallContext, Host};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn run_within<T>(deadline_ms: u32, work: impl Future<Output = Result<T, PluginError>>) -> Result<T, PluginError> {
    let context = CallContext { deadline_ms, ..CallContext::default() };
    let host = FakeHost::default();
    run(&runtime(), &Call { context: &context, host: &host as &dyn Host }, work)
}

#[test]
fn work_that_takes_too_long_is_ended_before_the_hosts_deadline() {
    let work = async {
        tokio::time::sleep(Duration::from_millis(949)).await;
        Ok(())
    };
    assert_eq!(run_within(1000, work), Ok(()));
    let answer = run_within(1000, std::future::pending::<Result<(), _>>());
    assert!(matches!(&answer, Err(PluginError::Unavailable(why)) if why.contains("call's time")), "{answer:?}");
    assert_eq!(limit(1000).as_millis(), 950);
    assert_eq!(limit(0), LONGEST);
}

#[test]
fn a_panic_of_the_library_is_an_error() {
    let answer: Result<(), _> = run_within(1000, async { panic!("element") });
    assert_eq!(answer, Err(PluginError::Internal("the directory's answer is malformed".to_owned())));
}

#[test]
fn work_ends_soon_after_the_server_has_stopped_waiting() {
    let why = runtime().block_on(async {
        let begun = Instant::now();
        let why = over(LONGEST, || begun.elapsed() >= Duration::from_millis(50)).await;
        assert_eq!(begun.elapsed(), Duration::from_millis(60));
        why
    });
    assert_eq!(why, "the server stopped waiting");
}
