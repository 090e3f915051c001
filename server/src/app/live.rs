//! The server as the admin socket's commands see it.

use super::App;
use crate::admin::{AdminError, Live};
use crate::flow::Core;
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

#[async_trait]
impl Live for App {
    fn core(&self) -> Arc<Core> {
        Self::core(self)
    }

    async fn reload(&self, plugin: Option<&str>) -> Result<Value, AdminError> {
        let reloaded = Self::reload(self, plugin).await;
        let reloaded = reloaded
            .map_err(|error| AdminError::refused(format!("nothing was changed; it has to be put right:\n{error}")))?;
        serde_json::to_value(reloaded).map_err(AdminError::unavailable)
    }
}
