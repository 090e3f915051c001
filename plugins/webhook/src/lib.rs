//! Posts what happened to a URL, signed by Standard Webhooks. Trying again, waiting and giving up are the core's.

mod config;
mod message;
mod signature;

use config::Config;
use message::Message;
use pintle_plugin_api::{
    Call, Event, EventSink, HeaderValue, HttpRequest, HttpResponse, Manifest, Plugin, PluginError, export_plugin,
};
use signature::{Keys, SIGNING_KEY};

/// How much of the call's time is left for its own answer, in milliseconds; of a short call a fifth.
const SPARE_MS: u64 = 250;

/// The plugin.
pub struct Webhook {
    config: Config,
}

impl Plugin for Webhook {
    const WANTS: &'static [&'static str] = &["http", "secrets"];

    fn manifest() -> Manifest {
        Manifest::new::<Self>("webhook", env!("CARGO_PKG_VERSION"))
    }

    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        Ok(Self { config: Config::parse(config_json)? })
    }

    /// Whether there is a key to sign with. The receiver is not asked: it would have to take it for an event.
    fn health(&self, call: &Call<'_>) -> Result<(), PluginError> {
        keys(call).map(drop)
    }
}

impl EventSink for Webhook {
    /// An error is about the first event, or with `batch` about all of them: what was posted before a failure is
    /// acknowledged.
    fn deliver(&self, call: &Call<'_>, batch: &[Event]) -> Result<Vec<String>, PluginError> {
        let keys = keys(call)?;
        let time = Time::of(call);
        let ids = |events: &[Event]| events.iter().map(|event| event.id.clone()).collect();
        if self.config.batch && !batch.is_empty() {
            self.post(call, &keys, &Message::batch(batch)?, time.left_ms(call))?;
            return Ok(ids(batch));
        }
        for (at, event) in batch.iter().enumerate() {
            let left = time.left_ms(call);
            // Half of the time is for the last one that is begun.
            if at > 0 && left < time.all_ms / 2 {
                return Ok(ids(&batch[..at]));
            }
            match Message::one(event).and_then(|message| self.post(call, &keys, &message, left)) {
                Ok(()) => {}
                Err(error) if at == 0 => return Err(error),
                Err(_) => return Ok(ids(&batch[..at])),
            }
        }
        Ok(ids(batch))
    }
}

impl Webhook {
    fn post(&self, call: &Call<'_>, keys: &Keys, message: &Message, timeout_ms: u64) -> Result<(), PluginError> {
        let timestamp = call.host.now_ms() / 1000;
        let signature = keys.sign(&message.id, timestamp, &message.body)?;
        let text = |name: &str, value: String| (name.to_owned(), HeaderValue::Text(value));
        let mut headers = self.config.headers.clone();
        headers.extend([
            text("content-type", "application/json".to_owned()),
            text("webhook-id", message.id.clone()),
            text("webhook-timestamp", timestamp.to_string()),
            text("webhook-signature", signature),
        ]);
        let answer = call.host.http_send(&HttpRequest {
            method: "POST".to_owned(),
            url: self.config.url.clone(),
            headers,
            body: message.body.clone().into(),
            timeout_ms: u32::try_from(timeout_ms).unwrap_or(u32::MAX),
        });
        judge(&message.id, &answer.map_err(own_fault)?)
    }
}

/// A request that cannot be sent as it is says nothing of the events: an option, a secret or the network is to be put right,
/// which they outlast.
fn own_fault(error: PluginError) -> PluginError {
    match error {
        PluginError::Invalid(why) => PluginError::Unavailable(why),
        other => other,
    }
}

/// What the receiver says of these very events is `Invalid`. Any other status but 2xx is `Unavailable`: it says something of
/// the way there or of the receiver, a key to be renewed, a path to be put right, a proxy that knows no address yet, which
/// the events must outlast.
fn judge(id: &str, answer: &HttpResponse) -> Result<(), PluginError> {
    match answer.status {
        200..=299 => Ok(()),
        410 => Err(PluginError::Invalid(format!("the receiver wants no more events: it answers {id} with 410"))),
        // RFC 9110 §15.5.1, §15.5.14, §15.5.21.
        status @ (400 | 413 | 422) => {
            Err(PluginError::Invalid(format!("the receiver refuses {id} with the status {status}")))
        }
        status @ 300..=399 => Err(PluginError::Unavailable(format!(
            "the receiver answers {id} with the redirect {status}: name its target"
        ))),
        status => Err(PluginError::Unavailable(format!("the receiver answers {id} with the status {status}"))),
    }
}

fn keys(call: &Call<'_>) -> Result<Keys, PluginError> {
    Keys::parse(&call.host.secret(SIGNING_KEY)?)
}

/// The call's time, all of it and what is left.
struct Time {
    began_ms: u64,
    all_ms: u64,
}

impl Time {
    fn of(call: &Call<'_>) -> Self {
        let deadline_ms = u64::from(call.context.deadline_ms);
        let all_ms = deadline_ms - SPARE_MS.min(deadline_ms / 5);
        Self { began_ms: call.host.monotonic_ms(), all_ms }
    }

    /// At least 1, as 0 would mean no limit of its own.
    fn left_ms(&self, call: &Call<'_>) -> u64 {
        let gone = call.host.monotonic_ms().saturating_sub(self.began_ms);
        self.all_ms.saturating_sub(gone).max(1)
    }
}

export_plugin!(Webhook: event_sink);

#[cfg(test)]
mod tests;
