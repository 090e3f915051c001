//! Asking a server as fast as it answers, over connections that stay open.

use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request's bytes.
pub struct Request(Vec<u8>);

impl Request {
    pub fn post(path: &str, body: &str) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        Self([head.as_bytes(), body.as_bytes()].concat())
    }
}

/// So many connections to a port.
pub struct Load {
    port: u16,
    connections: usize,
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self { stream, buffer: Vec::with_capacity(8192) })
    }

    /// The body of a 200; `None` for anything else.
    async fn ask(&mut self, request: &Request) -> Option<String> {
        self.stream.write_all(&request.0).await.ok()?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
            let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&self.buffer[..end]).ok()?;
            let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
            if self.buffer.len() < end + 4 + length {
                continue;
            }
            let body = std::str::from_utf8(&self.buffer[end + 4..]).ok()?;
            return head.starts_with("HTTP/1.1 200").then(|| body.to_owned());
        }
    }
}

fn refresh_token(body: &str) -> String {
    body.split("\"refresh_token\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
}

impl Load {
    pub fn new(port: u16, connections: usize) -> Self {
        Self { port, connections }
    }

    /// Whether one request is answered 200.
    pub async fn once(&self, request: &Request) -> bool {
        match Connection::open(self.port).await {
            Some(mut connection) => connection.ask(request).await.is_some(),
            None => false,
        }
    }

    /// Answers a second over all connections.
    pub async fn repeat(&self, request: &Request, time: Duration) -> f64 {
        let each = async || {
            let mut connection = Connection::open(self.port).await.unwrap();
            let (started, mut answers) = (Instant::now(), 0_u32);
            while started.elapsed() < time {
                assert!(connection.ask(request).await.is_some(), "a request was refused");
                answers += 1;
            }
            f64::from(answers) / started.elapsed().as_secs_f64()
        };
        let rates = futures_util::future::join_all((0..self.connections).map(|_| each())).await;
        rates.iter().sum()
    }

    /// Refreshes a second; each connection has a login of its own.
    pub async fn refresh(&self, time: Duration) -> f64 {
        let login = "grant_type=password&client_id=app&client_secret=app-secret&username=dory&password=dorypass";
        let each = async || {
            let mut connection = Connection::open(self.port).await.unwrap();
            let mut token = refresh_token(&connection.ask(&Request::post("/token", login)).await.unwrap());
            let (started, mut answers) = (Instant::now(), 0_u32);
            while started.elapsed() < time {
                let body =
                    format!("grant_type=refresh_token&client_id=app&client_secret=app-secret&refresh_token={token}");
                token = refresh_token(&connection.ask(&Request::post("/token", &body)).await.unwrap());
                answers += 1;
            }
            f64::from(answers) / started.elapsed().as_secs_f64()
        };
        let rates = futures_util::future::join_all((0..self.connections).map(|_| each())).await;
        rates.iter().sum()
    }
}
