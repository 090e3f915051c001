//! `lockout …`.

use super::{AdminError, PAGE, page};
use crate::flow::Core;
use crate::lockout::Release;
use serde_json::{Value, json};

pub(super) async fn list(core: &Core, after: Option<&str>) -> Result<Value, AdminError> {
    page(core.lockout.list(after, PAGE).await?, |entry| entry.id.clone())
}

pub(super) async fn release(core: &Core, what: &Release) -> Result<Value, AdminError> {
    let released = core.lockout.release(what).await?;
    if released == 0 && *what != Release::All {
        return Err(AdminError::not_found("no failed logins there; `pintle lockout list` shows those there are"));
    }
    Ok(json!({ "released": released }))
}
