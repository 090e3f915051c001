//! Which browser applications may read an answer: those of the request's client; before it is known, of any client.

use super::endpoint::Request;
use super::served::Served;
use super::{cors, reply};
use warp::hyper::HeaderMap;
use warp::hyper::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, HeaderValue};
use warp::reply::Response;

/// Adds to `headers` what lets the client's own applications read the answer.
pub async fn share(app: &Served, client: Option<&str>, request: &Request, headers: &mut HeaderMap) {
    let Some(origin) = cors::origin(&request.headers) else { return };
    let allowed = match client {
        Some(id) => match app.core.clients.find(app.core.store.as_ref(), id).await {
            Ok(Some(client)) => cors::allows(&client.cors, origin),
            _ => false,
        },
        None => any_client_has(app, origin),
    };
    headers.extend(cors::response_headers(&request.headers, |_| allowed));
}

/// Public documents may be read by anybody's application.
pub fn share_with_all(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// Answers OPTIONS: a preflight where browsers may call, plain methods elsewhere.
pub fn options(app: &Served, methods: &'static str, cross_origin: bool, request: &Request) -> Response {
    let mut response = reply::empty(204);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    if cross_origin && cors::is_preflight(&request.method, &request.headers) {
        let headers = cors::preflight_headers(&request.headers, methods, |origin| any_client_has(app, origin));
        response.headers_mut().extend(headers);
    }
    response
}

fn any_client_has(app: &Served, origin: &str) -> bool {
    cors::allows(&app.core.clients.union().origins, origin)
}
