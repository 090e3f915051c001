//! Reading a request: path, method, headers, who sent it, and a body of bounded size.

use super::endpoint::Request;
use super::peer::{Peer, RequestId};
use super::{body, reply};
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use warp::hyper::{HeaderMap, Method};
use warp::{Filter, Rejection, path::FullPath, reply::Response};

/// No request of ours is longer, in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// A request whose body cannot be read.
pub struct Unread {
    /// Its whole path, still percent-encoded.
    pub path: String,
    /// The answer.
    pub refusal: Response,
}

/// A request, or the answer to one that cannot be read.
pub fn read() -> impl Filter<Extract = (Result<Request, Unread>,), Error = Rejection> + Clone {
    warp::path::full()
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Peer>())
        .and(warp::ext::optional::<RequestId>())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::body::stream())
        .then(async |path: FullPath, method, headers, peer: Option<Peer>, id: Option<RequestId>, query, stream| {
            let request_id = id.map(|id| id.0).unwrap_or_default();
            let ip = peer.and_then(|peer| peer.ip);
            collect(path, method, headers, ip, request_id, query, stream).await
        })
}

async fn collect(
    path: FullPath,
    method: Method,
    headers: HeaderMap,
    ip: Option<std::net::IpAddr>,
    request_id: String,
    query: String,
    stream: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Result<Request, Unread> {
    let unread = |refusal| Unread { path: path.as_str().to_owned(), refusal };
    let mut stream = std::pin::pin!(stream);
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let mut chunk = chunk.map_err(|error| unread(reply::unread_body(body::BodyTimeout::caused(&error))))?;
        if bytes.len() + chunk.remaining() > MAX_BODY_BYTES {
            return Err(unread(reply::content_too_large(MAX_BODY_BYTES)));
        }
        while chunk.has_remaining() {
            let part = chunk.chunk();
            bytes.extend_from_slice(part);
            let length = part.len();
            chunk.advance(length);
        }
    }
    let body = Bytes::from(bytes);
    Ok(Request { path: path.as_str().to_owned(), method, headers, ip, request_id, query, body })
}
