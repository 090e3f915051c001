//! Running the tools of a build.

use super::BuildError;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// How much of a tool's output an error keeps.
const KEPT_LINES: usize = 60;

/// Runs a tool and hands the lines of its standard error on. The inner error, where it fails, is the last of them.
pub(super) fn run(command: &mut Command, progress: &mut dyn FnMut(&str)) -> Result<Result<(), String>, BuildError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let io = |what: &str| BuildError::io(format!("{what} {name}"));
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(io("starting"))?;
    let mut kept = VecDeque::new();
    for line in child.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).split(b'\n')) {
        let line = line.map_err(io("reading the output of"))?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        progress(&line);
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
    let status = child.wait().map_err(io("waiting for"))?;
    Ok(if status.success() { Ok(()) } else { Err(kept.make_contiguous().join("\n")) })
}
