//! The floors: the least that a server of this stack has to do.

use pintle::clock::SystemClock;
use pintle::config::model::Algorithm;
use pintle::entropy::SystemEntropy;
use pintle::http::listener::Server;
use pintle::keys::{KeyOptions, KeyRing, MasterKey};
use pintle::oauth::params::Params;
use pintle::store::memory::MemoryStore;
use std::sync::Arc;
use std::time::{Duration, Instant};
use warp::Filter;

/// Parses a form and signs once, over the same listener, for ever.
pub fn serve(port: u16) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let clock = Arc::new(SystemClock::new());
        let options = KeyOptions {
            algorithms: vec![Algorithm::EdDsa],
            rotate_every: Duration::from_secs(86_400),
            publish_before: Duration::from_secs(3600),
            retain: Duration::from_secs(3600),
        };
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let master = MasterKey::new([7; 32]);
        let keys = Arc::new(KeyRing::open(store, &master, options, clock, Arc::new(SystemEntropy)).await.unwrap());
        let key = keys.current(Algorithm::EdDsa).unwrap();
        let filter = warp::path!("token").and(warp::post()).and(warp::body::bytes()).map(move |body: bytes::Bytes| {
            let params = Params::parse(&body).unwrap();
            let grant = params.optional("grant_type").unwrap_or_default();
            let signature = keys.sign(&key, Algorithm::EdDsa, &[grant.as_bytes(), &[0; 400]].concat()).unwrap();
            warp::reply::json(&serde_json::json!({ "access_token": format!("{signature:02x?}"), "expires_in": 3600 }))
        });
        let defaults = pintle::config::load(&pintle::config::LoadOptions::default()).unwrap().config.listen;
        let address = pintle::config::model::Address::Tcp(([127, 0, 0, 1], port).into());
        let listen = pintle::config::model::Listen { addresses: vec![address], ..defaults };
        let server = Server::bind(&listen, None, Arc::new(SystemEntropy)).unwrap();
        server.serve(warp::service(filter), std::future::pending()).await;
    });
}

/// Prints hashes a second, of one thread with memory of its own.
pub fn argon2(time: Duration) {
    let params = argon2::Params::new(19_456, 2, 1, Some(32)).unwrap();
    let mut memory = vec![argon2::Block::default(); params.block_count()];
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut output = [0; 32];
    let (started, mut hashes) = (Instant::now(), 0_u32);
    while started.elapsed() < time {
        hasher.hash_password_into_with_memory(b"dorypass", &[1; 16], &mut output, &mut memory).unwrap();
        hashes += 1;
    }
    println!("{}", f64::from(hashes) / started.elapsed().as_secs_f64());
}
