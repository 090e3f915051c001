//! What is posted: `type`, `timestamp` and `data`, as Standard Webhooks recommends for payloads.

use pintle_plugin_api::{Event, PluginError};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::{Duration, UNIX_EPOCH};

/// A message and its `webhook-id`, which is the same at every try.
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: Vec<u8>,
}

#[derive(Serialize)]
struct One<'a> {
    id: &'a str,
    r#type: &'a str,
    /// RFC 3339.
    timestamp: String,
    data: Value,
}

#[derive(Serialize)]
struct Batch<'a> {
    r#type: &'a str,
    /// Of the last event.
    timestamp: String,
    data: Vec<One<'a>>,
}

impl Message {
    /// Of one event.
    pub(crate) fn one(event: &Event) -> Result<Self, PluginError> {
        Ok(Self { id: event.id.clone(), body: json(&part(event)?)? })
    }

    /// Of several: type `batch`, the events as data, and an id that stands for just these events.
    pub(crate) fn batch(events: &[Event]) -> Result<Self, PluginError> {
        let mut ids = Sha256::new();
        for event in events {
            ids.update((event.id.len() as u64).to_be_bytes());
            ids.update(event.id.as_bytes());
        }
        let id: String = ids.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let data = events.iter().map(part).collect::<Result<Vec<_>, _>>()?;
        let timestamp = data.last().map(|last| last.timestamp.clone()).unwrap_or_default();
        Ok(Self { id: format!("batch_{id}"), body: json(&Batch { r#type: "batch", timestamp, data })? })
    }
}

fn part(event: &Event) -> Result<One<'_>, PluginError> {
    let data = serde_json::from_str(&event.json)
        .map_err(|_| PluginError::Invalid(format!("the event {} is not JSON", event.id)))?;
    // The last moment that has a date of four digits, for one that has none.
    let at = Duration::from_millis(event.at_ms.min(253_402_300_799_999));
    let timestamp = humantime::format_rfc3339_millis(UNIX_EPOCH + at).to_string();
    Ok(One { id: &event.id, r#type: &event.kind, timestamp, data })
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, PluginError> {
    serde_json::to_vec(value).map_err(|error| PluginError::Internal(error.to_string()))
}
