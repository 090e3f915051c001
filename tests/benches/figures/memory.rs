//! How much memory a server has.

use super::load::{Load, Request};
use super::process::Process;
use super::row;
use std::time::Duration;

pub async fn figures() {
    let pintle = Process::pintle("", &["dory"]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    row("memory 10 s after the start, no login yet", pintle.resident_mib(), "MiB", "30");
    let login = "grant_type=password&client_id=app&client_secret=app-secret&username=dory&password=dorypass";
    let (request, load) = (Request::post("/token", login), Load::new(pintle.port, 4));
    let mut logins = 0.0;
    while logins < 1000.0 {
        logins += 5.0 * load.repeat(&request, Duration::from_secs(5)).await;
    }
    row("memory after 1,000 logins", pintle.resident_mib(), "MiB", "");
}
