//! `cargo bench -p pintle-tests`: what the server does in a second, against floors measured in the same run, in turn.
//!
//! The servers run on core 0, what asks them on core 1. Figures are medians of samples that take turns, so that a noisy
//! machine disturbs both sides of a ratio. The command fails where a figure misses its bar.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a benchmark on the machine's clock"
)]

mod bar;
mod floor;
mod languages;
mod load;
mod memory;
mod plugins;
mod process;

use bar::{Bar, median, row};
use load::{Load, Request};
use process::Process;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const SAMPLE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("floor") => floor::serve(arguments[2].parse().unwrap()),
        Some("argon2") => floor::argon2(SAMPLE),
        Some("calls") => {
            runtime().block_on(plugins::calls_alone());
            return ExitCode::from(bar::missed());
        }
        // Cargo's test command builds and starts benchmarks too; it does not ask for them.
        _ if !arguments.iter().any(|argument| argument == "--bench") => {}
        _ => runtime().block_on(all()),
    }
    match bar::missed() {
        0 => ExitCode::SUCCESS,
        missed => {
            eprintln!("{missed} figures miss their bars");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn all() {
    tokens().await;
    logins().await;
    refreshes().await;
    plugins::figures().await;
    start().await;
    memory::figures().await;
}

/// Client-credentials tokens against form parsing and one signature on the same HTTP stack.
async fn tokens() {
    let pintle = Process::pintle("", &[]);
    let floor = Process::floor();
    let body = "grant_type=client_credentials&client_id=machine&client_secret=machine-secret";
    let (mut tokens, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        tokens.push(Load::new(pintle.port, 16).repeat(&Request::post("/token", body), SAMPLE).await);
        bare.push(Load::new(floor.port, 16).repeat(&Request::post("/token", body), SAMPLE).await);
    }
    let ratios = tokens.iter().zip(&bare).map(|(tokens, bare)| tokens / bare).collect();
    row("client-credentials tokens (EdDSA JWT), one core", median(tokens), "/s", Bar::None);
    row("  floor: HTTP, form parsing, one signature", median(bare), "/s", Bar::None);
    row("  ratio", median(ratios), "", Bar::AtLeast(0.6));
}

/// Password logins against the bare hash on the same core.
async fn logins() {
    let pintle = Process::pintle("[passwords]\nthreads = 1\n", &["dory"]);
    let body = "grant_type=password&client_id=app&client_secret=app-secret&username=dory&password=dorypass";
    let (mut logins, mut raw) = (Vec::new(), Vec::new());
    Load::new(pintle.port, 4).repeat(&Request::post("/token", body), SAMPLE).await;
    for _ in 0..ROUNDS {
        logins.push(Load::new(pintle.port, 4).repeat(&Request::post("/token", body), SAMPLE).await);
        raw.push(process::raw_argon2());
    }
    let ratios = logins.iter().zip(&raw).map(|(logins, raw)| logins / raw).collect();
    row("password logins (Argon2id 19456 KiB, 2, 1), one core", median(logins), "/s", Bar::None);
    row("  floor: the bare hash, memory reused", median(raw), "/s", Bar::None);
    row("  ratio", median(ratios), "", Bar::AtLeast(0.95));
}

/// Refreshes, each a commit that is synced before the answer.
async fn refreshes() {
    let pintle = Process::pintle("[passwords]\nmemory_kib = 8\niterations = 1\n", &["dory"]);
    for clients in [1, 16, 64] {
        let mut samples = Vec::new();
        for _ in 0..3 {
            samples.push(Load::new(pintle.port, clients).refresh(SAMPLE).await);
        }
        row(&format!("durable refreshes, {clients} at once, one core"), median(samples), "/s", Bar::None);
    }
}

/// From the start of the process to the first token, on a data folder that exists.
async fn start() {
    let mut pintle = Process::pintle("", &["dory"]);
    let request =
        Request::post("/token", "grant_type=client_credentials&client_id=machine&client_secret=machine-secret");
    let mut samples = Vec::new();
    for _ in 0..9 {
        pintle.stop();
        let started = Instant::now();
        pintle.restart();
        while !Load::new(pintle.port, 1).once(&request).await {}
        samples.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    row("start to first token, existing data", median(samples), "ms", Bar::Below(100.0));
}
