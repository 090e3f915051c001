//! `keys …`.

use super::{AdminError, json};
use crate::config::model::Algorithm;
use crate::flow::Core;
use serde_json::Value;

pub(super) fn list(core: &Core) -> Result<Value, AdminError> {
    Ok(serde_json::json!({ "items": json(&core.keys.list())?, "next": null }))
}

pub(super) async fn rotate(core: &Core, algorithm: Option<&str>, immediately: bool) -> Result<Value, AdminError> {
    let algorithm = match algorithm {
        None => None,
        Some(name) => Some(Algorithm::from_name(name).ok_or_else(|| {
            AdminError::refused(format!("no algorithm {name:?}: there are \"EdDSA\", \"RS256\" and \"ES256\""))
        })?),
    };
    let rotations = core.keys.rotate(algorithm, immediately).await?;
    if rotations.is_empty() {
        return Err(AdminError::refused("there are no signing keys: tokens.access.format is \"opaque\""));
    }
    Ok(serde_json::json!({ "rotations": json(&rotations)? }))
}
