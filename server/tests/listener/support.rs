//! A server with a small filter, and clients that write bytes.

use pintle::config::model::{Address, Listen};
use pintle::entropy::SystemEntropy;
use pintle::http::listener::{Drain, Server};
use pintle::http::peer::{Peer, RequestId};
use pintle::http::tls::ReloadingTls;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use warp::Filter;

pub const LONG: Duration = Duration::from_secs(30);
pub const SHORT: Duration = Duration::from_millis(100);

/// Loopback, any port, limits that no test reaches by accident.
pub fn listen() -> Listen {
    Listen {
        addresses: vec![loopback()],
        tls: None,
        behind_proxy: false,
        trusted_proxies: Vec::new(),
        header_timeout: LONG,
        body_timeout: LONG,
        idle_timeout: LONG,
        drain_timeout: LONG,
        max_connections: 64,
    }
}

pub fn loopback() -> Address {
    Address::Tcp("127.0.0.1:0".parse().unwrap())
}

pub struct Running {
    pub addresses: Vec<Address>,
    /// Told when a request to `/held` has begun.
    pub held: Arc<Notify>,
    /// Lets the request to `/held` end.
    pub release: Arc<Notify>,
    shutdown: oneshot::Sender<()>,
    served: JoinHandle<Drain>,
}

/// Serves `/peer` (who asks), `/echo` (the body or `timeout`), `/held` (waits for `release`), `/panic`.
pub fn start(listen: &Listen, tls: Option<Arc<ReloadingTls>>) -> Running {
    let server = Server::bind(listen, tls, Arc::new(SystemEntropy)).unwrap();
    let addresses = server.addresses().to_vec();
    let (held, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (shutdown, stopped) = oneshot::channel::<()>();
    let routes = routes(held.clone(), release.clone());
    let served = tokio::spawn(server.serve(warp::service(routes), async {
        let _ = stopped.await;
    }));
    Running { addresses, held, release, shutdown, served }
}

impl Running {
    pub fn tcp(&self) -> SocketAddr {
        match &self.addresses[0] {
            Address::Tcp(address) => *address,
            Address::Unix(path) => panic!("{} is no TCP address", path.display()),
        }
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.tcp()).await.unwrap()
    }

    /// Begins the shutdown; the task ends when it is done.
    pub fn stop(self) -> JoinHandle<Drain> {
        self.shutdown.send(()).unwrap();
        self.served
    }
}

fn routes(
    held: Arc<Notify>,
    release: Arc<Notify>,
) -> impl Filter<Extract = (impl warp::Reply,), Error = warp::Rejection> + Clone {
    let peer = warp::path!("peer").and(warp::ext::get()).and(warp::ext::get()).map(|peer: Peer, id: RequestId| {
        let ip = peer.ip.map_or_else(|| "none".to_owned(), |ip| ip.to_string());
        format!("{ip} secure={} unix={} id={id}", peer.secure, peer.unix)
    });
    let echo = warp::path!("echo").and(warp::body::stream()).then(|body| async move { collected(body).await });
    let held = warp::path!("held").then(move || {
        let (held, release) = (held.clone(), release.clone());
        async move {
            held.notify_one();
            release.notified().await;
            "done".to_owned()
        }
    });
    let panic = warp::path!("panic").then(|| async { panic!("as asked") });
    peer.or(echo).unify().or(held).unify().or(panic).unify()
}

async fn collected(
    body: impl futures_util::Stream<Item = Result<impl bytes::Buf, warp::Error>> + Send + 'static,
) -> String {
    use futures_util::StreamExt;
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(mut chunk) => bytes.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining())),
            Err(error) if pintle::http::body::BodyTimeout::caused(&error) => return "timeout".to_owned(),
            Err(error) => return format!("error {error}"),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// One HTTP/1.1 request on a connection that ends after it; the whole answer.
pub async fn ask(stream: impl AsyncRead + AsyncWrite + Unpin, path: &str, headers: &str) -> String {
    let mut stream = stream;
    let request = format!("GET {path} HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

/// Everything until the server closes.
pub async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(LONG / 2, stream.read_to_end(&mut bytes)).await;
    // A reset counts as an end: the server may close with unread bytes.
    let _ = read.expect("the server closes the connection");
    String::from_utf8(bytes).unwrap()
}

/// Reads until `end` has come.
pub async fn until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        text.push(char::from(tokio::time::timeout(LONG / 2, stream.read_u8()).await.unwrap().unwrap()));
    }
    text
}
