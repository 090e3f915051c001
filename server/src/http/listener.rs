//! Serves a warp filter over this server's own sockets: TCP, TLS and unix, HTTP/1.1 and 2.
//!
//! Before the filter sees a request, its extensions hold [`super::peer::Peer`] and [`super::peer::RequestId`].

use super::body::RequestBody;
use super::connection::{self, Limits, Phase, Shared};
use super::peer::{Peer, TrustedProxies};
pub use super::socket::ListenError;
use super::socket::{self, Socket};
use super::tls::ReloadingTls;
use crate::config::model::{Address, Listen};
use crate::entropy::Entropy;
use hyper::body::{Body, Bytes};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

/// After a failed accept, mostly for want of file descriptors: others may close some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Sockets that listen, not yet served: their ports are known.
pub struct Server {
    sockets: Vec<Socket>,
    addresses: Vec<Address>,
    listen: Listen,
    tls: Option<Arc<ReloadingTls>>,
    entropy: Arc<dyn Entropy>,
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Every running request was answered.
    Finished,
    /// `drain_timeout` passed first: this many connections were cut.
    Cut {
        /// Connections.
        connections: usize,
    },
}

impl Server {
    /// Listens on `listen.addresses`. `tls` is for the TCP addresses; unix sockets speak plain HTTP. Needs a tokio
    /// runtime around it.
    ///
    /// # Errors
    /// The first address that cannot be listened on; plain HTTP beyond loopback without a trusted proxy.
    pub fn bind(
        listen: &Listen,
        tls: Option<Arc<ReloadingTls>>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, ListenError> {
        let fronted = listen.behind_proxy && !listen.trusted_proxies.is_empty();
        if tls.is_none() && !fronted {
            refuse_beyond_loopback(&listen.addresses)?;
        }
        Self::open(listen.clone(), tls, entropy)
    }

    /// Listens on `address` for [`super::monitor`]: plain HTTP, which the configuration's check lets beyond loopback only
    /// where the operator means it; the limits are `listen`'s, and no proxy is believed.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn bind_monitoring(address: &Address, listen: &Listen, entropy: Arc<dyn Entropy>) -> Result<Self, ListenError> {
        let own = Listen {
            addresses: vec![address.clone()],
            tls: None,
            behind_proxy: false,
            trusted_proxies: Vec::new(),
            ..listen.clone()
        };
        Self::open(own, None, entropy)
    }

    fn open(listen: Listen, tls: Option<Arc<ReloadingTls>>, entropy: Arc<dyn Entropy>) -> Result<Self, ListenError> {
        let sockets = listen.addresses.iter().map(socket::open).collect::<Result<Vec<_>, _>>()?;
        let addresses = sockets.iter().zip(&listen.addresses).map(|(socket, asked)| socket.address(asked)).collect();
        Ok(Self { sockets, addresses, listen, tls, entropy })
    }

    /// Where it listens, in the configuration's order, with the real port where 0 was asked for.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Serves `warp::service(filter)` until `shutdown` ends, then stops accepting, finishes what runs for up to
    /// `drain_timeout`, and cuts the rest. Dropping the future cuts everything.
    pub async fn serve<S, B>(self, service: S, shutdown: impl Future<Output = ()> + Send) -> Drain
    where
        S: Clone + Send + Sync + 'static,
        TowerToHyperService<S>:
            Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send + 'static>,
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
    {
        let Self { sockets, addresses, listen, tls, entropy } = self;
        let shared = Arc::new(Shared {
            service: TowerToHyperService::new(service),
            limits: Limits { header: listen.header_timeout, body: listen.body_timeout, idle: listen.idle_timeout },
            trusted: TrustedProxies::new(&listen.trusted_proxies, listen.behind_proxy),
            entropy,
            builder: connection::builder(),
        });
        let (phase, receiver) = watch::channel(Phase::Serving);
        let limit = listen.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let permits = Arc::new(Semaphore::new(limit));
        for (socket, address) in sockets.into_iter().zip(&addresses) {
            tracing::info!(?address, tls = tls.is_some() && matches!(address, Address::Tcp(_)), "listening");
            let acceptor = Acceptor { shared: shared.clone(), tls: tls.clone(), permits: permits.clone() };
            tokio::spawn(acceptor.run(socket, receiver.clone()));
        }
        drop(receiver);
        shutdown.await;
        drain(phase, listen.drain_timeout, || limit - permits.available_permits().min(limit)).await
    }
}

/// Every task of the server holds a receiver: it has ended when the last one is gone.
async fn drain(phase: watch::Sender<Phase>, limit: Duration, open: impl Fn() -> usize) -> Drain {
    tracing::info!(connections = open(), "draining");
    phase.send_replace(Phase::Draining);
    if tokio::time::timeout(limit, phase.closed()).await.is_ok() {
        return Drain::Finished;
    }
    let connections = open();
    tracing::warn!(connections, "requests did not end within listen.drain_timeout and are cut");
    phase.send_replace(Phase::Closed);
    phase.closed().await;
    Drain::Cut { connections }
}

fn refuse_beyond_loopback(addresses: &[Address]) -> Result<(), ListenError> {
    for address in addresses {
        if let Address::Tcp(address) = address
            && !address.ip().to_canonical().is_loopback()
        {
            return Err(ListenError::PlainBeyondLoopback(*address));
        }
    }
    Ok(())
}

/// Takes connections from one socket.
struct Acceptor<S> {
    shared: Arc<Shared<S>>,
    tls: Option<Arc<ReloadingTls>>,
    /// One for each connection: without one, a socket's next client waits, and those after it in the kernel's queue.
    permits: Arc<Semaphore>,
}

impl<S, B> Acceptor<S>
where
    S: Send + Sync + 'static,
    TowerToHyperService<S>:
        Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send + 'static>,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
{
    async fn run(self, socket: Socket, mut phase: watch::Receiver<Phase>) {
        let connections = phase.clone();
        tokio::select! {
            () = self.accept_all(&socket, &connections) => {}
            _ = phase.changed() => {}
        }
    }

    async fn accept_all(&self, socket: &Socket, phase: &watch::Receiver<Phase>) {
        loop {
            if let Err(cause) = self.accept(socket, phase.clone()).await {
                tracing::warn!(%cause, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    async fn accept(&self, socket: &Socket, phase: watch::Receiver<Phase>) -> io::Result<()> {
        match socket {
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                let ip = Some(address.ip().to_canonical());
                // Answers are small and whole: waiting to fill a segment only delays them.
                let _ = stream.set_nodelay(true);
                let permit = self.permit().await?;
                match &self.tls {
                    None => self.spawn(stream, Peer { ip, secure: false, unix: false }, permit, phase),
                    Some(tls) => self.spawn_tls(stream, Peer { ip, secure: true, unix: false }, tls, permit, phase),
                }
            }
            Socket::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                let permit = self.permit().await?;
                self.spawn(stream, Peer { ip: None, secure: false, unix: true }, permit, phase);
            }
        }
        Ok(())
    }

    /// Waits for room. Asked for after accepting: a socket that nobody connects to must not hold a place.
    async fn permit(&self) -> io::Result<OwnedSemaphorePermit> {
        self.permits.clone().acquire_owned().await.map_err(io::Error::other)
    }

    fn spawn<T>(&self, stream: T, link: Peer, permit: OwnedSemaphorePermit, phase: watch::Receiver<Phase>)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shared = self.shared.clone();
        tokio::spawn(async move {
            connection::serve(stream, link, shared, phase).await;
            drop(permit);
        });
    }

    fn spawn_tls(
        &self,
        stream: TcpStream,
        link: Peer,
        tls: &ReloadingTls,
        permit: OwnedSemaphorePermit,
        phase: watch::Receiver<Phase>,
    ) {
        let shared = self.shared.clone();
        let handshake = TlsAcceptor::from(tls.current()).accept(stream);
        tokio::spawn(async move {
            let mut closed = phase.clone();
            let accepted = tokio::select! {
                accepted = tokio::time::timeout(shared.limits.header, handshake) => accepted,
                _ = closed.wait_for(|phase| *phase == Phase::Closed) => return,
            };
            match accepted {
                Ok(Ok(stream)) => connection::serve(stream, link, shared, phase).await,
                Ok(Err(cause)) => tracing::debug!(%cause, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            }
            drop(permit);
        });
    }
}
