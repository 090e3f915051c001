//! Secrets from standard input or a prompt, never from an argument: those are visible to every user of the machine.

use super::exit::Failure;
use pintle::admin::SecretText;
use std::io::{BufRead, Read};
use zeroize::Zeroizing;

/// A longer line is no password and no token.
const MAX_BYTES: u64 = 64 * 1024;

/// A new password: the first line of standard input, or typed twice.
pub fn new(from_stdin: bool) -> Result<SecretText, Failure> {
    if from_stdin {
        return line("a password");
    }
    let first = prompt("New password: ")?;
    let again = prompt("The same again: ")?;
    if first != again {
        return Err(Failure::refused("the two passwords differ; nothing was changed"));
    }
    Ok(first)
}

/// The password that a user has: the first line of standard input, or typed once.
pub fn present(from_stdin: bool) -> Result<SecretText, Failure> {
    if from_stdin { line("a password") } else { prompt("Password: ") }
}

fn prompt(text: &str) -> Result<SecretText, Failure> {
    match rpassword::prompt_password(text) {
        Ok(typed) => Ok(SecretText(Zeroizing::new(typed))),
        Err(cause) => {
            Err(Failure::usage(format!("no terminal to ask for the password at ({cause}); use --password-stdin")))
        }
    }
}

/// The first line of standard input, without its end.
pub fn line(what: &str) -> Result<SecretText, Failure> {
    // All at once: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES as usize));
    let read = std::io::stdin().lock().take(MAX_BYTES).read_line(&mut text);
    read.map_err(|cause| Failure::usage(format!("{what} cannot be read from standard input: {cause}")))?;
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    if text.is_empty() {
        return Err(Failure::usage(format!("standard input has no line with {what}")));
    }
    Ok(SecretText(text))
}
