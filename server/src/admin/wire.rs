//! What goes over the socket: one JSON object a line, a [`super::Command`] one way and a [`Reply`] the other.

use super::AdminError;
use serde::{Deserialize, Serialize};
use std::io;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

/// Of a command. The longest is a user with all groups at their limit.
pub(super) const MAX_COMMAND_BYTES: u64 = 256 * 1024;

/// Of a reply: a page of users, each as large as the store takes one.
pub(super) const MAX_REPLY_BYTES: u64 = 32 * 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    Done(serde_json::Value),
    Failed(AdminError),
}

/// The next line; `None` at the end. Passwords pass here, so what was read is wiped.
///
/// # Errors
/// The line is longer than `limit` bytes, or not ended.
pub(super) async fn read_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    limit: u64,
) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::new());
    reader.take(limit).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 >= limit => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"))
        }
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

pub(super) async fn write_line(writer: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> io::Result<()> {
    let mut line = Zeroizing::new(serde_json::to_vec(value)?);
    line.push(b'\n');
    writer.write_all(&line).await?;
    writer.flush().await
}
