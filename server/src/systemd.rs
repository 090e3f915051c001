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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::process::Command;

    fn received(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    /// The socket is named by the environment, which only a process of its own can have.
    #[test]
    fn the_service_manager_hears_of_each_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "systemd::tests::tells_each_state", "--ignored"])
            .env("NOTIFY_SOCKET", &path)
            .output()
            .unwrap();
        assert!(status.status.success());
        assert_eq!(received(&socket), "READY=1\n");
        let reloading = received(&socket);
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
        assert_eq!(received(&socket), "STOPPING=1\nSTATUS=draining\n");
    }

    #[test]
    #[ignore = "run by the test above, in a process of its own"]
    fn tells_each_state() {
        super::ready();
        super::reloading();
        super::stopping("draining");
    }
}
