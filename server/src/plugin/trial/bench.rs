//! How long a plugin's calls take.

use super::{Trial, Upstream};
use pintle_plugin_api::conformance::{Fixtures, Subject, World};
use pintle_plugin_api::{Account, PluginError, ScopeQuery, VerifyRequest};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Each function is called for so long, and as often as that takes.
const BUDGET: Duration = Duration::from_secs(1);
const MOST_CALLS: usize = 5_000;
/// A library that was opened stays in the process, and each load opens it anew.
const MOST_LOADS: usize = 100;
/// Calls that are not counted: caches fill.
const WARM_UP: usize = 3;

/// The calls of one function.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The WIT function; `load` is from the file to the first answer, by `lifecycle.health`, with the compiled form cached.
    pub function: &'static str,
    /// Calls of one Wasm instance: 1 is a fresh one for each. A native library has one instance.
    pub reuse: u32,
    /// How many were counted.
    pub calls: usize,
    /// One after the other.
    pub calls_per_second: f64,
    /// The median, in microseconds.
    pub p50_us: f64,
    /// Exceeded by one in a hundred, in microseconds.
    pub p99_us: f64,
}

type Function<'a> = (&'static str, Box<dyn Fn(&dyn Subject) -> Result<(), PluginError> + 'a>);

/// Times the functions of every kind that the plugin exports, with fresh instances and with reused ones. A function that
/// does not answer is not among the figures.
///
/// # Errors
/// Why it cannot be loaded.
pub fn bench(trial: &Trial) -> Result<Vec<Figure>, String> {
    let upstream = || trial.fixtures.upstream.clone().map(Upstream::Named);
    let fixtures = trial.fixtures.kit(trial.fixtures.upstream.as_deref());
    let mut figures = Vec::new();
    let ctx = fixtures.context();
    let load = || {
        let subject = trial.started(upstream()).ok()?;
        subject.health(&ctx).ok()?;
        Some(subject)
    };
    figures.extend(time("load", 1, MOST_LOADS, load));
    for reuse in [1, 128] {
        let subject = trial.loaded(World::Whole, upstream(), reuse)?;
        let manifest = subject.manifest().map_err(|error| error.to_string())?;
        for (function, call) in functions(&fixtures) {
            let kind = function.split('.').next().unwrap_or_default();
            if kind == "lifecycle" || manifest.kinds.iter().any(|exported| exported == kind) {
                figures.extend(time(function, reuse, MOST_CALLS, || call(&subject).ok()));
            }
        }
    }
    Ok(figures)
}

fn functions(fixtures: &Fixtures) -> Vec<Function<'_>> {
    let ctx = fixtures.context();
    let account = Account { id: "7".to_owned(), username: fixtures.username.clone(), ..Account::default() };
    let login = |password: &str| VerifyRequest {
        username: Some(fixtures.username.clone()),
        kind: "password".to_owned(),
        secret: password.as_bytes().to_vec().into(),
        ..VerifyRequest::default()
    };
    let stranger = VerifyRequest { username: Some(fixtures.unknown.clone()), ..login(&fixtures.password) };
    let right = login(&fixtures.password);
    let query = ScopeQuery {
        client_json: r#"{"id":"client","name":"Client","type":"confidential","trusted":true,"scopes":[]}"#.to_owned(),
        account: Some(account.clone()),
        grant_type: "password".to_owned(),
        requested: fixtures.scopes.clone(),
        ..ScopeQuery::default()
    };
    let contexts = std::array::from_fn::<_, 7, _>(|_| ctx.clone());
    let [health, verify, unknown, evaluate, lookup, enrich, pull] = contexts;
    vec![
        ("lifecycle.health", Box::new(move |subject| subject.health(&health))),
        ("user-verifier.verify", Box::new(move |subject| subject.verify(&verify, &right).map(drop))),
        ("user-verifier.verify, unknown user", Box::new(move |subject| subject.verify(&unknown, &stranger).map(drop))),
        ("scope-policy.evaluate", Box::new(move |subject| subject.evaluate(&evaluate, &query).map(drop))),
        (
            "token-format.issue",
            Box::new(move |subject| {
                let claims = fixtures.claims_json.replacen('{', &format!("{{\"jti\":\"{}\",", "A".repeat(64)), 1);
                subject.issue(&ctx, &claims, &fixtures.key_id).map(drop)
            }),
        ),
        (
            "directory.lookup",
            Box::new(move |subject| subject.lookup(&lookup, "username", &fixtures.username).map(drop)),
        ),
        (
            "claims.enrich",
            Box::new(move |subject| subject.enrich(&enrich, &account, &fixtures.scopes, "access-token").map(drop)),
        ),
        ("account-source.pull", Box::new(move |subject| subject.pull(&pull, None, 100).map(drop))),
    ]
}

/// None where a call fails. Putting away what a call gives is not timed.
///
/// - `most`: calls that are counted
#[expect(clippy::disallowed_methods, reason = "a benchmark is about the machine's time")]
fn time<T>(function: &'static str, reuse: u32, most: usize, call: impl Fn() -> Option<T>) -> Option<Figure> {
    for _ in 0..WARM_UP {
        call()?;
    }
    let (begun, mut taken) = (Instant::now(), Vec::new());
    while taken.len() < most && begun.elapsed() < BUDGET {
        let started = Instant::now();
        let _given = call()?;
        taken.push(started.elapsed());
    }
    let elapsed: Duration = taken.iter().sum();
    taken.sort_unstable();
    let at = |share: usize| taken.get(taken.len() * share / 100).or(taken.last()).copied().unwrap_or_default();
    Some(Figure {
        function,
        reuse,
        calls: taken.len(),
        calls_per_second: taken.len() as f64 / elapsed.as_secs_f64(),
        p50_us: at(50).as_secs_f64() * 1e6,
        p99_us: at(99).as_secs_f64() * 1e6,
    })
}
