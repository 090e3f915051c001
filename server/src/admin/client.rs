//! The command's side of the socket.

use super::wire::{self, MAX_REPLY_BYTES, Reply};
use super::{AdminError, Command, pages, socket_path};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// A connection to a running server.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    path: PathBuf,
}

impl Connection {
    /// Connects to the server of this data folder; `None` when none is running.
    ///
    /// # Errors
    /// `Unavailable`, such as for a server of another user.
    pub async fn open(data_dir: &Path) -> Result<Option<Self>, AdminError> {
        let path = socket_path(data_dir);
        match UnixStream::connect(&path).await {
            Ok(stream) => {
                let (reader, writer) = stream.into_split();
                Ok(Some(Self { reader: BufReader::new(reader), writer, path }))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            // Too long a path for any socket: there is none.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    /// Lets the server do it.
    ///
    /// # Errors
    /// What the server says, or `Unavailable` when it goes away: then the command may or may not have been done.
    pub async fn execute(&mut self, command: &Command) -> Result<Value, AdminError> {
        match self.ask(command).await {
            Ok(Reply::Done(value)) => Ok(value),
            Ok(Reply::Failed(error)) => Err(error),
            Err(error) => Err(failed(&self.path, &error)),
        }
    }

    /// As [`Self::execute`], with all pages of a list: the answer is then their items.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn execute_all(&mut self, command: Command) -> Result<Value, AdminError> {
        pages::all(command, async |command| self.execute(&command).await).await
    }

    async fn ask(&mut self, command: &Command) -> io::Result<Reply> {
        wire::write_line(&mut self.writer, command).await?;
        let line = wire::read_line(&mut self.reader, MAX_REPLY_BYTES).await?;
        Ok(serde_json::from_slice(&line.ok_or(io::ErrorKind::UnexpectedEof)?)?)
    }
}

fn failed(path: &Path, error: &io::Error) -> AdminError {
    AdminError::unavailable(format!("the running server at {} cannot be asked: {error}", path.display()))
}
