//! Kind `event-sink`. What it delivers to is there while it is tried.

use super::{Check, Probe, Verdict, awkward_texts, ensure, shown};
use crate::types::{Event, PluginError};

pub(super) const CHECKS: &[Check] = &[
    ("delivers while what it delivers to is there", delivers),
    ("acknowledges only events that it was given, each once", acknowledges_what_it_got),
    ("acknowledges nothing of an empty batch", nothing_of_nothing),
    ("takes an event a second time", takes_one_twice),
    ("survives kinds that it does not know, awkward text and huge events", survives_awkward_events),
];

fn event(number: usize, kind: &str, json: String) -> Event {
    Event { id: format!("event-{number}"), kind: kind.to_owned(), at_ms: 1_000 + number as u64, json }
}

/// The ids that were acknowledged; with a sink that could deliver nothing, none.
fn deliver(probe: &Probe<'_>, batch: &[Event]) -> Result<Vec<String>, String> {
    let ids = match probe.subject.deliver(&probe.ctx, batch) {
        Ok(ids) => ids,
        Err(PluginError::Unavailable(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    let stranger = ids.iter().find(|id| !batch.iter().any(|event| event.id == **id));
    ensure(stranger.is_none(), || format!("acknowledged {}", shown(stranger.map_or("", String::as_str))))?;
    let mut distinct = ids.clone();
    distinct.sort();
    distinct.dedup();
    ensure(distinct.len() == ids.len(), || "acknowledged one twice".to_owned())?;
    Ok(ids)
}

fn batch() -> Vec<Event> {
    (0..3).map(|number| event(number, "token.issued", format!(r#"{{"number":{number}}}"#))).collect()
}

/// One that never delivers acknowledges nothing wrong either.
fn delivers(probe: &Probe<'_>) -> Verdict {
    let ids = probe.subject.deliver(&probe.ctx, &batch()).map_err(|error| error.to_string())?;
    ensure(!ids.is_empty(), || "acknowledged none of three".to_owned())
}

fn acknowledges_what_it_got(probe: &Probe<'_>) -> Verdict {
    deliver(probe, &batch()).map(drop)
}

fn nothing_of_nothing(probe: &Probe<'_>) -> Verdict {
    let ids = deliver(probe, &[])?;
    ensure(ids.is_empty(), || format!("acknowledged {}", ids.len()))
}

fn takes_one_twice(probe: &Probe<'_>) -> Verdict {
    let (first, second) = (deliver(probe, &batch()[..1])?, deliver(probe, &batch()[..1])?);
    ensure(first == second, || "the second time it answered otherwise".to_owned())
}

fn survives_awkward_events(probe: &Probe<'_>) -> Verdict {
    for text in awkward_texts() {
        let json = serde_json::json!({ "user": text }).to_string();
        deliver(probe, &[event(1, &text, json)]).map_err(|why| format!("{}: {why}", shown(&text)))?;
    }
    Ok(())
}
