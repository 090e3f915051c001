//! What the recorder wrote down.

use std::path::{Path, PathBuf};

/// Where a write goes.
#[derive(Clone, Copy, PartialEq)]
pub enum Offset {
    At(usize),
    AtCursor,
}

/// One call.
pub enum Call {
    Open {
        fd: i32,
        path: PathBuf,
        truncates: bool,
    },
    Write {
        fd: i32,
        offset: Offset,
        bytes: Vec<u8>,
    },
    Truncate {
        fd: i32,
        length: usize,
    },
    /// `fsync`, or `fdatasync`.
    Sync {
        fd: i32,
        data_only: bool,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
    },
    Close,
}

/// The calls in their order.
pub fn read(log: &Path) -> Vec<Call> {
    let bytes = std::fs::read(log).unwrap();
    let mut rest = bytes.as_slice();
    let mut calls = Vec::new();
    // A killed process may have left the last record unfinished: its call was not answered yet.
    while let Some(call) = next(&mut rest) {
        calls.push(call);
    }
    calls
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn next(rest: &mut &[u8]) -> Option<Call> {
    let kind = take(rest, 1)?[0];
    let fd = i32::from_le_bytes(take(rest, 4)?.try_into().ok()?);
    let number = u64::from_le_bytes(take(rest, 8)?.try_into().ok()?);
    let length = u32::from_le_bytes(take(rest, 4)?.try_into().ok()?);
    let bytes = take(rest, length as usize)?;
    let path = |bytes: &[u8]| PathBuf::from(String::from_utf8(bytes.to_vec()).unwrap());
    Some(match kind {
        b'O' => Call::Open { fd, path: path(bytes), truncates: number as i32 & libc::O_TRUNC != 0 },
        b'C' => Call::Close,
        b'W' if number == u64::MAX => Call::Write { fd, offset: Offset::AtCursor, bytes: bytes.to_vec() },
        b'W' => Call::Write { fd, offset: Offset::At(number as usize), bytes: bytes.to_vec() },
        b'T' => Call::Truncate { fd, length: number as usize },
        b'F' => Call::Sync { fd, data_only: false },
        b'D' => Call::Sync { fd, data_only: true },
        b'U' => Call::Remove { path: path(bytes) },
        b'M' => Call::MakeFolder { path: path(bytes) },
        b'R' => {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap();
            Call::Rename { from: path(&bytes[..end]), to: path(&bytes[end + 1..]) }
        }
        kind => panic!("record of kind {kind}"),
    })
}
