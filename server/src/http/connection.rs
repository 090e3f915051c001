//! One connection: its requests, its time limits, its end.

use super::activity::{Activity, Overdue, Running, Watched};
use super::body::RequestBody;
use super::peer::{Peer, RequestId, TrustedProxies};
use super::{gate, reply};
use crate::entropy::Entropy;
use futures_util::FutureExt;
use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::Instrument;

/// hyper's own limits: wider than [`gate`]'s, which answers in words.
const HYPER_HEAD_BYTES: usize = 2 * gate::MAX_HEAD_BYTES;
const HYPER_HEADERS: usize = 4 * gate::MAX_HEADERS;
/// HTTP/2 requests at once on one connection.
const MAX_STREAMS: u32 = 64;
/// Streams reset by the client before they were taken up (rapid reset, CVE-2023-44487): then the connection ends.
const MAX_PENDING_RESETS: usize = 20;
/// Streams reset for the client's protocol errors: then the connection ends.
const MAX_ERROR_RESETS: usize = 64;
/// HTTP/2 flow control: a connection's unread bodies.
const H2_WINDOW_BYTES: u32 = 64 * 1024;
/// HTTP/2: a stream's answer that waits to be sent.
const H2_SEND_BYTES: usize = 64 * 1024;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The server's state as its connections see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Finish what runs, take nothing new.
    Draining,
    /// End at once.
    Closed,
}

/// Time limits of a connection; `listen.*_timeout` in the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub header: Duration,
    pub body: Duration,
    pub idle: Duration,
}

/// What all connections share.
pub(super) struct Shared<S> {
    pub service: TowerToHyperService<S>,
    pub limits: Limits,
    pub trusted: TrustedProxies,
    pub entropy: Arc<dyn Entropy>,
    pub builder: Builder<TokioExecutor>,
}

/// HTTP/1.1 and 2 with this server's limits.
pub(super) fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `Activity` watches the head's time instead.
        .header_read_timeout(None)
        .max_buf_size(HYPER_HEAD_BYTES)
        .max_headers(HYPER_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HYPER_HEAD_BYTES as u32)
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS)
        .initial_stream_window_size(H2_WINDOW_BYTES)
        .initial_connection_window_size(H2_WINDOW_BYTES)
        .max_send_buf_size(H2_SEND_BYTES);
    builder
}

/// Serves `stream` until its client leaves, a limit is passed, or the server ends.
pub(super) async fn serve<T, S, B>(stream: T, link: Peer, shared: Arc<Shared<S>>, mut phase: watch::Receiver<Phase>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Send + Sync + 'static,
    TowerToHyperService<S>: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send>,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
{
    let activity = Activity::new();
    let io = TokioIo::new(Watched::new(stream, activity.clone()));
    let service = service_fn(|request: Request<Incoming>| {
        let running = activity.begin(request.version() == Version::HTTP_2);
        answer(shared.clone(), request, link, running)
    });
    let mut connection = pin!(shared.builder.serve_connection(io, service));
    let mut watchdog = Watchdog::new(activity.clone(), shared.limits);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(cause) = ended {
                    tracing::debug!(cause, "connection ended");
                }
                return;
            }
            overdue = watchdog.overdue() => match overdue {
                Overdue::Head => return,
                Overdue::Idle => connection.as_mut().graceful_shutdown(),
            },
            changed = phase.changed() => {
                // Without a sender, nobody is left to drain for.
                if changed.is_err() || *phase.borrow_and_update() == Phase::Closed {
                    return;
                }
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Says when a connection has done nothing for too long.
struct Watchdog {
    activity: Arc<Activity>,
    limits: Limits,
    /// It was told to end; not twice.
    retired: bool,
}

impl Watchdog {
    fn new(activity: Arc<Activity>, limits: Limits) -> Self {
        Self { activity, limits, retired: false }
    }

    /// Waits; may be dropped and called again. Looks at least once a shortest limit, so that requests need not wake it.
    async fn overdue(&mut self) -> Overdue {
        let Limits { header, idle, .. } = self.limits;
        loop {
            // One that was told to end gets a header's time to say goodbye.
            let allowed = if self.retired { idle + header } else { idle };
            let deadline = self.activity.deadline(header, allowed);
            let now = Instant::now();
            match deadline {
                Some((at, Overdue::Idle)) if at <= now && !self.retired => {
                    self.retired = true;
                    return Overdue::Idle;
                }
                Some((at, _)) if at <= now => return Overdue::Head,
                _ => {}
            }
            let look = now + header.min(idle);
            sleep_until(deadline.map_or(look, |(at, _)| at.min(look))).await;
        }
    }
}

/// A filter's answer, or one of ours.
type Answer<B> = Response<Either<B, Full<Bytes>>>;

/// Answers a request, and tells the client its id.
async fn answer<S, B>(
    shared: Arc<Shared<S>>,
    request: Request<Incoming>,
    link: Peer,
    running: Running,
) -> Result<Answer<B>, Infallible>
where
    TowerToHyperService<S>: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
{
    let id = RequestId::new(&*shared.entropy);
    // At the level of errors, so that a filter which lets a line through lets through the request that it is of.
    let span = tracing::error_span!("request", %id);
    let header = HeaderValue::from_str(&id.0);
    let mut response = match gate::refusal(&request) {
        Some(refusal) => refusal.map(Either::Right),
        None => pass_on(&shared, request, link, id).instrument(span).await,
    };
    drop(running);
    if let Ok(header) = header {
        response.headers_mut().insert(X_REQUEST_ID, header);
    }
    Ok(response)
}

/// Tells the filter who asks. A panic of it harms its own request only.
async fn pass_on<S, B>(shared: &Shared<S>, request: Request<Incoming>, link: Peer, id: RequestId) -> Answer<B>
where
    TowerToHyperService<S>: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
{
    let mut request = request.map(|incoming| RequestBody::new(incoming, shared.limits.body));
    let peer = Peer::resolve(link, request.headers(), &shared.trusted);
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(id);
    // Whatever requests share lies behind locks, which say when a panic has left it half done.
    match AssertUnwindSafe(async { shared.service.call(request).await }).catch_unwind().await {
        Ok(Ok(response)) => response.map(Either::Left),
        Ok(Err(never)) => match never {},
        Err(_) => {
            tracing::error!("the handling of a request panicked");
            reply::panicked().map(Either::Right)
        }
    }
}
