//! The running server, whose configuration and plugins may change between two commands.

use super::{AdminError, Command, execute};
use crate::flow::Core;
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

/// What commands are done on; `app` is it.
#[async_trait]
pub trait Live: Send + Sync + 'static {
    /// What the use cases work with now.
    fn core(&self) -> Arc<Core>;

    /// Reads configuration and plugins anew, all or nothing, and writes that into the audit log; the answer says what has
    /// changed. `plugin` has to be well even where it is as it was.
    ///
    /// # Errors
    /// `Refused`, with everything that is wrong; nothing has changed then.
    async fn reload(&self, plugin: Option<&str>) -> Result<Value, AdminError>;
}

/// As [`execute`], on a running server: it can be reloaded.
///
/// # Errors
/// As [`execute`].
pub async fn execute_live(live: &dyn Live, command: Command) -> Result<Value, AdminError> {
    match command {
        Command::Reload { plugin } => live.reload(plugin.as_deref()).await,
        command => execute(&live.core(), command).await,
    }
}
