//! How much memory a server has.

use super::bar::{Bar, row};
use super::load::{Load, Request};
use super::process::Process;
use std::time::Duration;

pub async fn figures() {
    let pintle = Process::pintle("", &["dory"]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    row("memory 10 s after the start, no login yet", pintle.resident_mib(), "MiB", Bar::Below(30.0));
    let login = "grant_type=password&client_id=app&client_secret=app-secret&username=dory&password=dorypass";
    let (request, load) = (Request::post("/token", login), Load::new(pintle.port, 4));
    let mut logins = 0.0;
    while logins < 1000.0 {
        logins += 5.0 * load.repeat(&request, Duration::from_secs(5)).await;
    }
    row("memory after 1,000 logins", pintle.resident_mib(), "MiB", Bar::None);
}

/// Resident memory of a process in MiB; `id` may be `self`.
pub fn resident_mib(id: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib / 1024.0
}
