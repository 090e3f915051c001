//! What a plugin must do besides: after a restart, many calls at once, and while what it depends on is gone.

use super::answers::answers;
use super::{Fixtures, Outcome, Report, Subject, Verdict, ensure, run};
use crate::types::Manifest;
use std::time::Duration;

/// What the plugin finds around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// All is well.
    Whole,
    /// `kv`, `crypto` and `accounts` answer `unavailable`.
    DeadHost,
    /// Nobody listens where the upstream was.
    DeadUpstream,
    /// The upstream takes connections and never answers; a call may take [`SLOW_CALL`].
    SlowUpstream,
}

/// The wall time of a call in [`World::SlowUpstream`]; whoever makes that world sets it. The plugin has to answer by itself
/// before: a call that had to be ended is no `unavailable` here.
pub const SLOW_CALL: Duration = Duration::from_millis(500);
/// How much later the answer may be here, on a busy machine.
const SLACK: Duration = Duration::from_secs(5);
/// Calls at once.
const CALLERS: usize = 32;

/// Makes plugins, each loaded anew.
pub trait Worlds: Sync {
    /// The plugin in a world; none where there is no such world, as for a plugin without an upstream.
    ///
    /// # Errors
    /// Why it cannot be loaded.
    fn subject(&self, world: World) -> Result<Option<Box<dyn Subject + Sync + '_>>, String>;

    /// Milliseconds since an arbitrary start.
    fn monotonic_ms(&self) -> u64;
}

/// A sentence and what finds out whether it is true; none where there is no such world.
type Check = (&'static str, fn(&Scene<'_>) -> Option<Verdict>);

const CHECKS: &[(&str, &[Check])] = &[
    ("restarts", &[("answers as before when it is loaded anew", answers_as_before)]),
    ("concurrency", &[("answers 32 calls at once as it answers one", answers_many_at_once)]),
    (
        "dead host",
        &[("answers as before or `unavailable` while the host's services do not work", survives_a_dead_host)],
    ),
    ("dead upstream", &[("answers as before or `unavailable` while its upstream is down", survives_a_dead_upstream)]),
    (
        "slow upstream",
        &[("answers as before or `unavailable`, in time, while its upstream hangs", survives_a_slow_one)],
    ),
];

struct Scene<'a> {
    worlds: &'a dyn Worlds,
    fixtures: &'a Fixtures,
    manifest: &'a Manifest,
    subject: &'a (dyn Subject + Sync),
}

/// Runs [`run`] in a whole world, then all that needs others. A check whose world does not exist is not tried.
pub fn run_in(worlds: &dyn Worlds, fixtures: &Fixtures) -> Report {
    let whole = match worlds.subject(World::Whole) {
        Ok(Some(subject)) => subject,
        Ok(None) => return not_loaded("there is no world"),
        Err(why) => return not_loaded(&why),
    };
    let mut report = run(whole.as_ref(), fixtures);
    let Ok(manifest) = whole.manifest() else { return report };
    let scene = Scene { worlds, fixtures, manifest: &manifest, subject: whole.as_ref() };
    for (kind, checks) in CHECKS {
        report.outcomes.extend(checks.iter().map(|(check, find_out)| {
            let verdict = find_out(&scene);
            let not_tried = verdict.is_none().then(|| missing(kind).to_owned());
            let failure = verdict.and_then(Result::err);
            Outcome { kind: (*kind).to_owned(), check: (*check).to_owned(), failure, not_tried }
        }));
    }
    report
}

/// What there is no world for.
fn missing(kind: &str) -> &'static str {
    if kind.ends_with("upstream") { "the fixtures name no `upstream`" } else { "there is no such world" }
}

fn not_loaded(why: &str) -> Report {
    let failure = Some(why.to_owned());
    let outcome = Outcome { kind: "lifecycle".to_owned(), check: "can be loaded".to_owned(), failure, not_tried: None };
    Report { plugin: "unknown".to_owned(), outcomes: vec![outcome] }
}

impl Scene<'_> {
    fn answers(&self, subject: &dyn Subject) -> String {
        answers(subject, self.fixtures, self.manifest)
    }

    /// Compares with what the plugin answers in a whole world, line by line; `but` says what may differ.
    fn same(&self, found: &str, but: impl Fn(&str) -> bool) -> Verdict {
        let expected = self.answers(self.subject);
        ensure(expected.lines().count() == found.lines().count(), || "answers to other questions".to_owned())?;
        for (expected, found) in expected.lines().zip(found.lines()) {
            ensure(expected == found || but(found), || format!("{found}; in a whole world {expected}"))?;
        }
        Ok(())
    }

    fn survives(&self, world: World) -> Option<Verdict> {
        match self.worlds.subject(world) {
            Ok(subject) => subject.map(|subject| self.copes(subject.as_ref(), world)),
            Err(why) => Some(Err(why)),
        }
    }

    fn copes(&self, subject: &dyn Subject, world: World) -> Verdict {
        let started = self.worlds.monotonic_ms();
        let found = self.answers(subject);
        let calls = u32::try_from(found.lines().count()).unwrap_or(u32::MAX);
        let took = Duration::from_millis(self.worlds.monotonic_ms().saturating_sub(started));
        let late = world == World::SlowUpstream && took > calls * SLOW_CALL + SLACK;
        ensure(!late, || format!("{calls} calls took {} ms", took.as_millis()))?;
        self.same(&found, |answer| answer.contains("Err(Unavailable(") || answer.contains("Err(\"unavailable:"))
    }
}

fn answers_as_before(scene: &Scene<'_>) -> Option<Verdict> {
    let anew = match scene.worlds.subject(World::Whole) {
        Ok(anew) => anew?,
        Err(why) => return Some(Err(why)),
    };
    Some(scene.same(&scene.answers(anew.as_ref()), |_| false))
}

fn answers_many_at_once(scene: &Scene<'_>) -> Option<Verdict> {
    let found: Vec<Option<String>> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(|| scene.answers(scene.subject))).collect();
        callers.into_iter().map(|caller| caller.join().ok()).collect()
    });
    let same = |found: &Option<String>| scene.same(found.as_deref().unwrap_or("a call panicked"), |_| false);
    Some(found.iter().try_for_each(same))
}

fn survives_a_dead_host(scene: &Scene<'_>) -> Option<Verdict> {
    scene.survives(World::DeadHost)
}

fn survives_a_dead_upstream(scene: &Scene<'_>) -> Option<Verdict> {
    scene.survives(World::DeadUpstream)
}

fn survives_a_slow_one(scene: &Scene<'_>) -> Option<Verdict> {
    scene.survives(World::SlowUpstream)
}
