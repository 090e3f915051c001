//! One call of the host's: the plugin's own runtime, the call's deadline, and its cancellation.

use pintle_plugin_api::{Call, PluginError};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// How often the host is asked whether it still waits.
const TICK: Duration = Duration::from_millis(20);
/// Where the host names no deadline.
const LONGEST: Duration = Duration::from_secs(30);

/// Does `work` on this thread. It is dropped at the call's deadline, or when the host has stopped waiting.
///
/// # Errors
/// The work's; `unavailable` when it took too long; `internal` when an answer of the directory made the LDAP library
/// panic.
pub(crate) fn run<T>(
    runtime: &Runtime,
    call: &Call<'_>,
    work: impl Future<Output = Result<T, PluginError>>,
) -> Result<T, PluginError> {
    let bounded = async {
        tokio::select! {
            biased;
            answer = work => answer,
            why = over(limit(call.context.deadline_ms), || call.host.cancelled()) => Err(PluginError::Unavailable(why.to_owned())),
        }
    };
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(bounded)))
        .unwrap_or_else(|_| Err(PluginError::Internal("the directory's answer is malformed".to_owned())))
}

/// Ends a little before the host's own clock does, so that what is logged says what was waited for.
fn limit(deadline_ms: u32) -> Duration {
    match deadline_ms {
        0 => LONGEST,
        ms => Duration::from_millis(u64::from(ms - ms / 20)),
    }
}

/// Returns when the call is over, and why it is.
async fn over(limit: Duration, is_cancelled: impl Fn() -> bool) -> &'static str {
    let deadline = Instant::now() + limit;
    loop {
        let now = Instant::now();
        if now >= deadline {
            return "the directory did not answer within the call's time";
        }
        if is_cancelled() {
            return "the server stopped waiting";
        }
        tokio::time::sleep_until(deadline.min(now + TICK)).await;
    }
}

#[cfg(test)]
mod tests;
