//! The running server's side: a unix socket that only its own user, and root, can use.

use super::wire::{self, MAX_COMMAND_BYTES, Reply};
use super::{AdminError, Live, execute_live, socket_path};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections at once: people type these commands.
const MAX_CONNECTIONS: usize = 32;

/// After a failed accept, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The socket, removed from the disk when dropped.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// The socket cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the admin socket {}: {cause}; data_dir must be writable and its path shorter than 90 bytes", path.display())]
pub struct SocketError {
    path: PathBuf,
    cause: io::Error,
}

impl AdminSocket {
    /// Makes the socket in `data_dir`. The caller has the store open: whatever has this name is left over from a server
    /// that is gone. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// The folder is not writable, or the path is too long for a socket.
    pub fn bind(data_dir: &Path) -> Result<Self, SocketError> {
        let path = socket_path(data_dir);
        let listener = bind(&path).map_err(|cause| SocketError { path: path.clone(), cause })?;
        Ok(Self { listener, path })
    }

    /// Does what is asked, one task a connection. Never ends; dropping the future cuts the connections.
    pub async fn serve(self, live: Arc<dyn Live>) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        // The semaphore is never closed.
        while let Ok(permit) = permits.clone().acquire_owned().await {
            while connections.try_join_next().is_some() {}
            let live = live.clone();
            match self.listener.accept().await {
                Ok((stream, _)) if may_command(&stream) => {
                    connections.spawn(async move {
                        if let Err(cause) = converse(stream, &*live).await {
                            tracing::warn!(%cause, "an admin connection failed");
                        }
                        drop(permit);
                    });
                }
                Ok(_) => tracing::warn!("an admin connection of another user was refused"),
                Err(cause) => {
                    tracing::warn!(%cause, "cannot accept an admin connection");
                    let clock = live.core().clock.clone();
                    clock.sleep_until(clock.monotonic_ms() + ACCEPT_PAUSE.as_millis() as u64).await;
                }
            }
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Under another name first, so that nobody finds it before its mode is set.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    fs::rename(&new, path)?;
    Ok(listener)
}

/// The server's own user, or root.
fn may_command(stream: &UnixStream) -> bool {
    // SAFETY: takes nothing, changes nothing, cannot fail.
    let own = unsafe { libc::geteuid() };
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn converse(stream: UnixStream, live: &dyn Live) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(line) = wire::read_line(&mut reader, MAX_COMMAND_BYTES).await? {
        let reply = match serde_json::from_slice(&line) {
            Ok(command) => match execute_live(live, command).await {
                Ok(value) => Reply::Done(value),
                Err(error) => Reply::Failed(error),
            },
            Err(_) => {
                Reply::Failed(AdminError::refused("the server does not know this command: is it of another release?"))
            }
        };
        wire::write_line(&mut writer, &reply).await?;
    }
    Ok(())
}
