//! What a connection is doing, for its time limits.
//!
//! hyper's own header timer also runs between requests, where a longer time is meant to hold, and not before the
//! protocol is known. So the bytes are watched here, where both are seen.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Shared between a connection's bytes, its requests and its watchdog.
#[derive(Debug)]
pub struct Activity {
    opened: Instant,
    /// Requests that are not yet answered. Sending the answer counts as idle time: a client that does not read must not
    /// hold the connection for ever.
    running: AtomicUsize,
    /// A head has begun and not ended. True from the start: the first one is awaited at once.
    in_head: AtomicBool,
    /// HTTP/2 frames between requests are no head.
    multiplexed: AtomicBool,
    /// When this state began, milliseconds after `opened`.
    since_ms: AtomicU64,
}

/// What a connection that lingers is cut for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// A head did not end in time.
    Head,
    /// No further request came.
    Idle,
}

impl Activity {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            running: AtomicUsize::new(0),
            in_head: AtomicBool::new(true),
            multiplexed: AtomicBool::new(false),
            since_ms: AtomicU64::new(0),
        })
    }

    /// When the connection is overdue if nothing happens; none while a request runs, which has its own limits.
    pub fn deadline(&self, header: Duration, idle: Duration) -> Option<(Instant, Overdue)> {
        if self.running.load(Relaxed) > 0 {
            return None;
        }
        let since = self.opened + Duration::from_millis(self.since_ms.load(Relaxed));
        Some(if self.in_head.load(Relaxed) { (since + header, Overdue::Head) } else { (since + idle, Overdue::Idle) })
    }

    /// A request's head is complete; it runs until the guard is dropped.
    pub fn begin(self: &Arc<Self>, multiplexed: bool) -> Running {
        self.multiplexed.store(multiplexed, Relaxed);
        self.running.fetch_add(1, Relaxed);
        self.in_head.store(false, Relaxed);
        Running(self.clone())
    }

    fn received(&self) {
        let between = self.running.load(Relaxed) == 0 && !self.multiplexed.load(Relaxed);
        if between && !self.in_head.swap(true, Relaxed) {
            self.mark();
        }
    }

    fn mark(&self) {
        self.since_ms.store(u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// Held until a request is answered.
#[derive(Debug)]
pub struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.mark();
        self.0.running.fetch_sub(1, Relaxed);
    }
}

/// A byte stream that tells [`Activity`] when something arrives.
#[derive(Debug)]
pub struct Watched<T> {
    stream: T,
    activity: Arc<Activity>,
}

impl<T> Watched<T> {
    pub fn new(stream: T, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.activity.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
