//! `event …`.

use super::{AdminError, PAGE, page};
use crate::events::{Done, Letter, Which};
use crate::flow::Core;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;

/// Which events a command is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventChoice {
    /// One event; without it all.
    pub id: Option<String>,
    /// At one sink; without it at all.
    pub sink: Option<String>,
}

impl EventChoice {
    fn which(&self) -> Which<'_> {
        Which { id: self.id.as_deref(), sink: self.sink.as_deref() }
    }
}

/// For the audit log.
impl fmt::Display for EventChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sink, id) = (self.sink.as_deref().unwrap_or("all"), self.id.as_deref().unwrap_or("all"));
        write!(f, "{sink}/{id}")
    }
}

pub(super) async fn list(
    core: &Core,
    sink: Option<&str>,
    dead: bool,
    after: Option<&str>,
) -> Result<Value, AdminError> {
    page(core.events.list(dead, sink, after, PAGE).await?, Letter::place)
}

pub(super) async fn replay(core: &Core, choice: &EventChoice) -> Result<Value, AdminError> {
    if let Some(sink) = choice.sink.as_deref().filter(|sink| !core.events.knows(sink)) {
        return Err(AdminError::not_found(format_args!("no sink {sink} in [events]: nothing would be delivered")));
    }
    let done = core.events.replay(choice.which()).await?;
    if done.full {
        let Done { events, .. } = done;
        return Err(AdminError::refused(format_args!(
            "{events} of them wait again; for the others there is no room below events.max_entries yet"
        )));
    }
    found(choice, done, "dead letter of a configured sink")?;
    Ok(json!({ "replayed": done.events }))
}

pub(super) async fn discard(core: &Core, choice: &EventChoice, waiting: bool) -> Result<Value, AdminError> {
    let done = core.events.discard(waiting, choice.which()).await?;
    found(choice, done, if waiting { "event that waits" } else { "dead letter" })?;
    Ok(json!({ "dropped": done.events }))
}

fn found(choice: &EventChoice, done: Done, what: &str) -> Result<(), AdminError> {
    if done.events == 0 && choice.id.is_some() {
        return Err(AdminError::not_found(format_args!(
            "no {what} has this id; `pintle event list` and `pintle event list --dead` show those there are"
        )));
    }
    Ok(())
}
