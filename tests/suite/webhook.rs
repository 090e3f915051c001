//! The component webhook in a running server: what a receiver gets, and what the core hears of its answers.

use crate::plugins::component;
use base64::{Engine, engine::general_purpose::STANDARD};
use pintle_plugin_api::{CallContext, Event, PluginError};
use pintle_tests::{Options, TestServer};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use warp::Filter;
use warp::http::{HeaderMap, StatusCode};

pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

type Seen = Arc<Mutex<Vec<(HeaderMap, Vec<u8>)>>>;

/// A server that answers the n-th request with the n-th status, and with 204 when there is none left.
async fn receiver(statuses: &'static [u16]) -> (String, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let route = warp::post().and(warp::path!("hook")).and(warp::header::headers_cloned()).and(warp::body::bytes()).map(
        move |headers: HeaderMap, body: bytes::Bytes| {
            let mut log = log.lock().unwrap();
            log.push((headers, body.to_vec()));
            let status = statuses.get(log.len() - 1).copied().unwrap_or(204);
            warp::reply::with_status("", StatusCode::from_u16(status).unwrap())
        },
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(warp::serve(route).incoming(listener).run());
    (origin, seen)
}

async fn pintle(origin: &str, batch: bool) -> TestServer {
    let built = tokio::task::spawn_blocking(|| component("plugins/webhook")).await.unwrap();
    let overlay = format!(
        "[plugins.hook]\nsource = \"{}\"\nrequired = true\nnetwork = [\"{origin}\"]\n\
         secrets = {{ signing_key = {{ value = \"whsec_{KEY}\" }}, token = {{ value = \"t0ken\" }} }}\n\
         config = {{ url = \"/hook\", batch = {batch}, secret_headers = {{ authorization = \"Bearer {{token}}\" }} }}\n",
        built.path.display()
    );
    Options::reference("clarico").overlay(&overlay).start().await
}

async fn deliver(server: &TestServer, ids: &[&str]) -> Result<Vec<String>, PluginError> {
    let event = |id: &&str| Event {
        id: (*id).to_owned(),
        kind: "login.accepted".to_owned(),
        at_ms: 1_700_000_000_000,
        json: json!({"user": "zoë"}).to_string(),
    };
    let context = CallContext { request_id: "r1".to_owned(), ..CallContext::default() };
    let sink = server.app.registry().event_sink("hook").unwrap();
    sink.deliver(&context, ids.iter().map(event).collect()).await.map_err(|ended| ended.error)
}

/// What Python's own HMAC says of a request, by the words of the specification.
pub fn signature(headers: &HeaderMap, body: &[u8]) -> String {
    let script = "import base64, hashlib, hmac, sys\n\
                  content = f'{sys.argv[2]}.{sys.argv[3]}.'.encode() + sys.stdin.buffer.read()\n\
                  mac = hmac.new(base64.b64decode(sys.argv[1]), content, hashlib.sha256).digest()\n\
                  print('v1,' + base64.b64encode(mac).decode(), end='')";
    let (id, timestamp) = (headers["webhook-id"].to_str().unwrap(), headers["webhook-timestamp"].to_str().unwrap());
    let mut python = Command::new("python3")
        .args(["-c", script, KEY, id, timestamp])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(body).unwrap();
    String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_gets_each_event_signed_and_in_order() {
    let (origin, seen) = receiver(&[]).await;
    let server = pintle(&origin, false).await;
    assert_eq!(deliver(&server, &["a", "b"]).await, Ok(vec!["a".to_owned(), "b".to_owned()]));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    for ((headers, body), id) in seen.iter().zip(["a", "b"]) {
        assert_eq!(headers["webhook-signature"], signature(headers, body));
        assert_eq!(
            (&headers["webhook-id"], &headers["authorization"]),
            (&id.parse().unwrap(), &"Bearer t0ken".parse().unwrap())
        );
        assert_eq!(headers["content-type"], "application/json");
        let timestamp = headers["webhook-timestamp"].to_str().unwrap().parse::<u64>().unwrap();
        assert!(timestamp > 1_700_000_000);
        let expected = json!({"id": id, "type": "login.accepted", "timestamp": "2023-11-14T22:13:20.000Z", "data": {"user": "zoë"}});
        assert_eq!(serde_json::from_slice::<Value>(body).unwrap(), expected);
    }
    assert_eq!(STANDARD.decode(KEY).unwrap().len(), 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_one_signed_request() {
    let (origin, seen) = receiver(&[503]).await;
    let server = pintle(&origin, true).await;
    assert!(matches!(deliver(&server, &["a", "b"]).await, Err(PluginError::Unavailable(_))));
    assert_eq!(deliver(&server, &["a", "b"]).await, Ok(vec!["a".to_owned(), "b".to_owned()]));
    let seen = seen.lock().unwrap();
    assert_eq!((seen.len(), &seen[0].0["webhook-id"]), (2, &seen[1].0["webhook-id"]));
    assert_eq!(seen[1].0["webhook-signature"], signature(&seen[1].0, &seen[1].1));
    assert_eq!(serde_json::from_slice::<Value>(&seen[1].1).unwrap()["data"][1]["id"], "b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_come_again_is_unavailable_and_what_may_not_is_invalid() {
    let (origin, _) = receiver(&[500, 429, 401, 404, 307, 410, 400, 413, 422, 200, 500]).await;
    let server = pintle(&origin, false).await;
    for unavailable in [true, true, true, true, true, false, false, false, false] {
        let answer = deliver(&server, &["a"]).await;
        let as_expected = if unavailable {
            matches!(answer, Err(PluginError::Unavailable(_)))
        } else {
            matches!(answer, Err(PluginError::Invalid(_)))
        };
        assert!(as_expected, "{answer:?}");
    }
    assert_eq!(deliver(&server, &["a", "b", "c"]).await, Ok(vec!["a".to_owned()]));
    assert_eq!(deliver(&server, &["b", "c"]).await, Ok(vec!["b".to_owned(), "c".to_owned()]));
    let (gone, _) = receiver(&[]).await;
    let closed = gone.replace("127.0.0.1", "127.0.0.2");
    assert!(matches!(deliver(&pintle(&closed, false).await, &["a"]).await, Err(PluginError::Unavailable(_))));
}
