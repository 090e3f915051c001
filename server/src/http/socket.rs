//! Opening sockets to listen on, with errors that say what to do.

use crate::config::model::Address;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Owner and group may connect.
const UNIX_MODE: u32 = 0o660;

/// Why an address cannot be listened on. Each message names the address and a remedy.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process has the port.
    #[error("{0} is in use: stop the process that listens there (`ss -ltnp` shows it), or set another listen.address")]
    InUse(SocketAddr),
    /// A port below 1024, mostly.
    #[error("no permission to listen on {0}: use a port above 1023, or give the service CAP_NET_BIND_SERVICE")]
    PermissionDenied(SocketAddr),
    /// The machine has no such address.
    #[error("{0} is no address of this machine: set listen.address to one that `ip address` shows")]
    NotAvailable(SocketAddr),
    /// Plain HTTP where others could read passwords.
    #[error(
        "{0} would serve plain HTTP beyond loopback: set listen.tls, or listen.behind_proxy with \
         listen.trusted_proxies where a proxy terminates TLS"
    )]
    PlainBeyondLoopback(SocketAddr),
    /// Another process listens on the unix socket.
    #[error("unix:{} is in use by a running process: stop it, or set another listen.address", .0.display())]
    SocketInUse(PathBuf),
    /// Something else than a socket has that name.
    #[error("{} is there and is no socket: it is left alone; remove it, or set another listen.address", .0.display())]
    NotASocket(PathBuf),
    /// The folder or file cannot be used.
    #[error("cannot listen on unix:{path}: {1}: the folder must exist and be writable for the service's user", path = .0.display())]
    Socket(PathBuf, #[source] io::Error),
    /// Anything else.
    #[error("cannot listen on {0}: {1}")]
    Other(SocketAddr, #[source] io::Error),
}

/// A socket that listens.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    /// The file goes first: a successor must never find its own removed.
    Unix {
        _file: SocketFile,
        listener: UnixListener,
    },
}

/// Removes the socket's file when dropped.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Listens on `address`. Needs a tokio runtime around it.
pub(super) fn open(address: &Address) -> Result<Socket, ListenError> {
    match address {
        Address::Tcp(address) => tcp(*address).map(Socket::Tcp).map_err(|cause| tcp_error(*address, cause)),
        Address::Unix(path) => unix(path),
    }
}

impl Socket {
    /// Where it listens: the port is the real one where 0 was asked for.
    pub(super) fn address(&self, asked: &Address) -> Address {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or_else(|_| asked.clone(), Address::Tcp),
            Self::Unix { .. } => asked.clone(),
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the old connections' TIME_WAIT; two listeners on one port stay impossible.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn tcp_error(address: SocketAddr, cause: io::Error) -> ListenError {
    match cause.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse(address),
        io::ErrorKind::PermissionDenied => ListenError::PermissionDenied(address),
        io::ErrorKind::AddrNotAvailable => ListenError::NotAvailable(address),
        _ => ListenError::Other(address, cause),
    }
}

fn unix(path: &Path) -> Result<Socket, ListenError> {
    let failed = |cause| ListenError::Socket(path.to_owned(), cause);
    remove_stale(path)?;
    let socket = UnixSocket::new_stream().map_err(failed)?;
    socket.bind(path).map_err(failed)?;
    let file = SocketFile(path.to_owned());
    // Before `listen`: nobody can connect while the mode is still the umask's.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(UNIX_MODE)).map_err(failed)?;
    Ok(Socket::Unix { _file: file, listener: socket.listen(BACKLOG).map_err(failed)? })
}

/// Removes what a killed process left behind; a living one's socket and other files stay.
fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |cause| ListenError::Socket(path.to_owned(), cause);
    match std::fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(failed(cause)),
        Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(ListenError::SocketInUse(path.to_owned())),
        Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(failed),
        Err(cause) => Err(failed(cause)),
    }
}
