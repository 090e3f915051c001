//! A folder, the binary in it, and a server that runs there.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A working directory with its own data folder.
pub struct Ground(tempfile::TempDir);

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ground {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn data_dir(&self) -> std::path::PathBuf {
        self.path().join("pintle-data")
    }

    /// The binary with these words, on a free port and with passwords that cost little.
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pintle"));
        command.args(words.split_whitespace()).current_dir(self.path()).env_clear().envs([
            ("PINTLE_LISTEN__ADDRESS", "127.0.0.1:0"),
            ("PINTLE_PASSWORDS__MEMORY_KIB", "64"),
            ("PINTLE_PASSWORDS__FAILURE_TIME", "0s"),
        ]);
        command
    }

    pub fn run(&self, words: &str) -> Ended {
        self.run_with(words, "")
    }

    /// With further environment variables.
    pub fn run_in(&self, environment: &[(&str, &str)], words: &str) -> Ended {
        self.command(words).envs(environment.iter().copied()).stdin(Stdio::null()).output().unwrap().into()
    }

    pub fn run_with(&self, words: &str, stdin: &str) -> Ended {
        let mut command = self.command(words);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that reads nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap().into()
    }

    /// Starts the development server and waits for its calls.
    pub fn serve(&self) -> Running {
        start(self.command("serve"))
    }
}

/// Starts a development server and waits for its calls.
pub fn start(mut command: Command) -> Running {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let calls: Vec<String> = (0..2).map(|_| next_call(&mut stdout, &mut child)).collect();
    Running { calls, child, _stdout: stdout }
}

fn next_call(stdout: &mut BufReader<ChildStdout>, child: &mut Child) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        if stdout.read_line(&mut line).unwrap() == 0 {
            let mut log = String::new();
            child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
            panic!("the server ended: {log}");
        }
        if line.starts_with("  curl ") {
            return line.trim().to_owned();
        }
    }
}

/// A server; killed when dropped.
pub struct Running {
    /// What it printed: the user's, the machine's.
    pub calls: Vec<String>,
    child: Child,
    _stdout: BufReader<ChildStdout>,
}

impl Running {
    pub fn signal(&self, signal: i32) {
        // SAFETY: the child is ours and has not been waited for, so its id is its own.
        assert_eq!(unsafe { libc::kill(self.child.id().cast_signed(), signal) }, 0);
    }

    /// SIGTERM; returns the exit code and the log.
    pub fn stop(mut self) -> (Option<i32>, String) {
        self.signal(libc::SIGTERM);
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The address and port that it printed.
    pub fn host(&self) -> &str {
        let url = self.calls[0].rsplit(' ').next().unwrap();
        url.split("://").nth(1).unwrap().split('/').next().unwrap()
    }

    /// A printed call, issued: status and answer.
    pub fn issue(&self, call: usize) -> (u16, Value) {
        let words: Vec<&str> = self.calls[call].split(' ').collect();
        let after = |flag: &str| words.windows(2).filter(|two| two[0] == flag).map(|two| two[1]).collect::<Vec<_>>();
        self.post("/token", after("-u").first().copied(), &after("-d").join("&"))
    }

    /// Posts a form; `basic` is `id:secret`.
    pub fn post(&self, path: &str, basic: Option<&str>, form: &str) -> (u16, Value) {
        let basic = basic.map(|basic| format!("Authorization: Basic {}\r\n", STANDARD.encode(basic)));
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let head = format!("{}{kind}\r\nContent-Length: {}\r\n", basic.unwrap_or_default(), form.len());
        self.exchange(&format!("POST {path} HTTP/1.1\r\n{head}"), form)
    }

    pub fn fetch(&self, path: &str) -> (u16, Value) {
        self.exchange(&format!("GET {path} HTTP/1.1\r\n"), "")
    }

    fn exchange(&self, head: &str, body: &str) -> (u16, Value) {
        let host = self.host();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "{head}Host: {host}\r\nConnection: close\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    pub fn login(&self, user: &str, password: &str) -> (u16, Value) {
        self.post("/token", None, &format!("grant_type=password&username={user}&password={password}"))
    }

    pub fn refresh(&self, answer: &Value) -> (u16, Value) {
        let token = answer["refresh_token"].as_str().unwrap();
        self.post("/token", None, &format!("grant_type=refresh_token&refresh_token={token}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
