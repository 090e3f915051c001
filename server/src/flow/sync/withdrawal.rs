//! Accounts that a sync has ended, written down.

use crate::audit::{AuditEvent, AuditKind};
use crate::flow::Core;
use pintle_plugin_api::Account;

/// Tells the audit log and the sinks of each. It holds already: a strict sink that cannot be told changes nothing.
pub(super) async fn write_down(core: &Core, backend: &str, accounts: &[Account]) {
    for account in accounts {
        let event = AuditEvent::new(AuditKind::AccountWithdrawn);
        let event = event.target(format!("{backend}/{}", account.id)).username(&account.username);
        core.audit.record(&event);
        if let Err(error) = core.events.emit(&event).await {
            tracing::error!(backend, %error, "a strict sink is not told of an account that a sync has ended");
        }
    }
}
