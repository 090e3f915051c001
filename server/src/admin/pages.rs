//! Lists as a whole.

use super::{AdminError, Command};
use serde_json::Value;

/// Does a command; of a list page by page until all is there, and then the answer is the items.
pub(super) async fn all(
    mut command: Command,
    mut execute: impl AsyncFnMut(Command) -> Result<Value, AdminError>,
) -> Result<Value, AdminError> {
    let mut items = Vec::new();
    loop {
        let mut answer = execute(command.clone()).await?;
        let Some(Value::Array(page)) = answer.get_mut("items").map(Value::take) else { return Ok(answer) };
        items.extend(page);
        match answer.get_mut("next").map(Value::take) {
            Some(Value::String(next)) => command = starting_after(command, next),
            _ => return Ok(Value::Array(items)),
        }
    }
}

fn starting_after(command: Command, next: String) -> Command {
    let after = Some(next);
    match command {
        Command::UserList { .. } => Command::UserList { after },
        Command::ClientList { .. } => Command::ClientList { after },
        Command::LockoutList { .. } => Command::LockoutList { after },
        Command::EventList { sink, dead, .. } => Command::EventList { sink, dead, after },
        other => other,
    }
}
