//! Tells the service manager how the server is (`sd_notify(3)`, `Type=notify` and `notify-reload`). Without one, or
//! when it does not listen, nothing happens but a warning.

use sd_notify::NotifyState;

/// Every listener is bound and the store is open.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The shutdown has begun; `status` is shown by `systemctl status`.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// A reload has begun; [`ready`] says that it is over.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(cause) => tracing::warn!(%cause, "cannot tell the service manager"),
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        tracing::warn!(%cause, "cannot tell the service manager");
    }
}
