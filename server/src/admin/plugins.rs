//! Plugins, by command.

use super::{AdminError, json};
use crate::flow::{Core, plugins};
use serde_json::{Value, json};

pub fn list(core: &Core) -> Result<Value, AdminError> {
    json(&plugins::list(core))
}

/// What plugins in shadow said, of one of them or of all: how often the same, and what else.
pub fn diff(core: &Core, shadow: Option<&str>) -> Result<Value, AdminError> {
    let found = plugins::compare(core, shadow);
    match shadow {
        Some(name) if found.shadows.is_empty() => {
            Err(AdminError::not_found(format!("there is no plugin `{name}` in shadow")))
        }
        _ => json(&found),
    }
}

/// What is no longer in the configuration can still be enabled.
pub async fn set_disabled(core: &Core, name: &str, disabled: bool) -> Result<Value, AdminError> {
    let known = core.registry.plugin(name).is_some();
    if !known && (disabled || !core.switches.is_off(name)) {
        return Err(AdminError::not_found(format!("the configuration has no plugin `{name}`")));
    }
    plugins::set_disabled(core, name, disabled).await?;
    Ok(json!({ "plugin": name, "disabled": disabled }))
}
