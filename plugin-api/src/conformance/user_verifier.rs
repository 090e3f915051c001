//! Kind `user-verifier`.

use super::{Check, Probe, SecondStep, Verdict, awkward_texts, ensure, shown};
use crate::types::{Account, Challenge, PluginError, VerifyOutcome, VerifyRequest};

pub(super) const CHECKS: &[Check] = &[
    ("accepts the right password, with an id, the name and how it was proven", accepts),
    ("accepts a second step only with the state of the first and the right proof", holds_the_second_step),
    ("takes the right password of a user whose name is beyond ASCII", takes_unicode_names),
    ("gives the same answer to the same request", is_deterministic),
    ("rejects a wrong password of its own user", rejects_wrong_passwords),
    ("passes on a user whom it does not have", passes_on_unknown_users),
    ("passes on users with names beyond ASCII whom it does not have", passes_on_unicode_names),
    ("never accepts an empty password", never_accepts_empty),
    ("never accepts a disabled user", never_accepts_disabled),
    ("never accepts without a user name", never_accepts_nobody),
    ("never accepts a kind of proof that it does not know", never_accepts_unknown_kinds),
    ("never accepts awkward or huge names", never_accepts_awkward_names),
    ("never accepts awkward, huge or non-UTF-8 passwords", never_accepts_awkward_passwords),
];

fn password(username: &str, secret: &[u8]) -> VerifyRequest {
    VerifyRequest {
        username: Some(username.to_owned()),
        kind: "password".to_owned(),
        secret: secret.to_vec().into(),
        ..VerifyRequest::default()
    }
}

fn right(probe: &Probe<'_>) -> VerifyRequest {
    password(&probe.fixtures.username, probe.fixtures.password.as_bytes())
}

fn ask(probe: &Probe<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
    probe.subject.verify(&probe.ctx, request)
}

/// Anything but an acceptance; of the errors only `invalid`, as nothing is broken.
fn not_accepted(probe: &Probe<'_>, request: &VerifyRequest, what: &str) -> Verdict {
    match ask(probe, request) {
        Ok(VerifyOutcome::Accepted(_)) => Err(format!("accepted {what}")),
        Ok(_) | Err(PluginError::Invalid(_)) => Ok(()),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

/// What the verifier asks for after the right password, where the fixtures can answer it.
fn challenge(probe: &Probe<'_>, second: &SecondStep) -> Result<Challenge, String> {
    match ask(probe, &right(probe)) {
        Ok(VerifyOutcome::Challenge(challenge)) if challenge.kind == second.kind => Ok(challenge),
        Ok(VerifyOutcome::Challenge(challenge)) => Err(format!("asks for {}", shown(&challenge.kind))),
        other => Err(format!("no second step: {other:?}")),
    }
}

/// The second step: `secret` with what the first handed out.
fn answer(probe: &Probe<'_>, second: &SecondStep, secret: &str, state: Option<Vec<u8>>) -> VerifyRequest {
    VerifyRequest { kind: second.kind.clone(), state, ..password(&probe.fixtures.username, secret.as_bytes()) }
}

/// The right password, and the second step where the fixtures have one.
fn sign_in(probe: &Probe<'_>) -> Result<VerifyOutcome, String> {
    let last = match &probe.fixtures.second {
        Some(second) => answer(probe, second, &second.secret, Some(challenge(probe, second)?.state)),
        None => right(probe),
    };
    match ask(probe, &last) {
        Ok(VerifyOutcome::Challenge(challenge)) => {
            Err(format!("asks for {}: `second` in the fixtures answers one challenge", shown(&challenge.kind)))
        }
        outcome => outcome.map_err(|error| error.to_string()),
    }
}

fn accepts(probe: &Probe<'_>) -> Verdict {
    let accepted = match sign_in(probe) {
        Ok(VerifyOutcome::Accepted(accepted)) => accepted,
        other => return Err(format!("{other:?}")),
    };
    let Account { id, username, disabled, claims_json, .. } = &accepted.account;
    ensure(!id.is_empty(), || "the account has no id".to_owned())?;
    ensure(*username == probe.fixtures.username, || format!("the account is {username:?}"))?;
    ensure(!disabled, || "the account is disabled".to_owned())?;
    let is_object = || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(claims_json).is_ok();
    ensure(claims_json.is_empty() || is_object(), || "claims_json is not an object".to_owned())?;
    ensure(!accepted.amr.is_empty(), || "no amr".to_owned())
}

fn holds_the_second_step(probe: &Probe<'_>) -> Verdict {
    let Some(second) = &probe.fixtures.second else { return probe.not_tried("the fixtures have no `second` step") };
    for wrong in ["", "wrong", &format!("{}x", second.secret)] {
        let state = Some(challenge(probe, second)?.state);
        not_accepted(probe, &answer(probe, second, wrong, state), "a wrong proof in the second step")?;
    }
    let altered = challenge(probe, second)?.state.iter().map(|byte| byte ^ 1).collect();
    for state in [None, Some(Vec::new()), Some(b"foreign".to_vec()), Some(altered)] {
        not_accepted(probe, &answer(probe, second, &second.secret, state), "a state that it did not hand out")?;
    }
    let state = Some(challenge(probe, second)?.state);
    let other = Some(probe.fixtures.unknown.clone());
    let stolen = VerifyRequest { username: other, ..answer(probe, second, &second.secret, state) };
    match ask(probe, &stolen) {
        // Whom the state was made for is in it; what the client says besides need not count.
        Ok(VerifyOutcome::Accepted(accepted)) => {
            let found = &accepted.account.username;
            ensure(*found == probe.fixtures.username, || format!("a state made {found:?} of another user"))
        }
        Ok(_) | Err(PluginError::Invalid(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn takes_unicode_names(probe: &Probe<'_>) -> Verdict {
    let Some(name) = &probe.fixtures.unicode else { return probe.not_tried("the fixtures name no `unicode` user") };
    match ask(probe, &password(name, probe.fixtures.password.as_bytes())) {
        Ok(VerifyOutcome::Accepted(accepted)) => {
            let found = &accepted.account.username;
            ensure(found == name, || format!("the account is {found:?}"))
        }
        Ok(VerifyOutcome::Challenge(_)) if probe.fixtures.second.is_some() => Ok(()),
        other => Err(format!("{name}: {other:?}")),
    }
}

/// A state may be another each time.
fn is_deterministic(probe: &Probe<'_>) -> Verdict {
    let same = match (ask(probe, &right(probe)), ask(probe, &right(probe))) {
        (Ok(VerifyOutcome::Challenge(first)), Ok(VerifyOutcome::Challenge(second))) => first.kind == second.kind,
        (first, second) => first == second,
    };
    ensure(same, || "two answers".to_owned())
}

fn rejects_wrong_passwords(probe: &Probe<'_>) -> Verdict {
    let right = &probe.fixtures.password;
    let shortened: String = right.chars().take(right.chars().count() - 1).collect();
    let wrong = [format!("{right} "), format!("{right}\0"), format!("{right}x"), shortened, right.to_uppercase()];
    for secret in wrong.iter().filter(|secret| *secret != right) {
        match ask(probe, &password(&probe.fixtures.username, secret.as_bytes())) {
            Ok(VerifyOutcome::Rejected(_)) => {}
            other => return Err(format!("a wrong password gave {other:?}")),
        }
    }
    Ok(())
}

fn passes_on_unknown_users(probe: &Probe<'_>) -> Verdict {
    for secret in [probe.fixtures.password.as_str(), "wrong"] {
        match ask(probe, &password(&probe.fixtures.unknown, secret.as_bytes())) {
            Ok(VerifyOutcome::UnknownUser) => {}
            other => return Err(format!("{other:?}")),
        }
    }
    Ok(())
}

/// Names that are none of ASCII are names: no error, and another verifier may know them.
fn passes_on_unicode_names(probe: &Probe<'_>) -> Verdict {
    for name in ["ÄÖÜ ß", "名前", "👩‍👩‍👧‍👦", "e\u{301}"] {
        match ask(probe, &password(name, probe.fixtures.password.as_bytes())) {
            Ok(VerifyOutcome::UnknownUser) => {}
            other => return Err(format!("{name}: {other:?}")),
        }
    }
    Ok(())
}

fn never_accepts_empty(probe: &Probe<'_>) -> Verdict {
    not_accepted(probe, &password(&probe.fixtures.username, b""), "an empty password")?;
    not_accepted(probe, &password(&probe.fixtures.unknown, b""), "an empty password of an unknown user")
}

fn never_accepts_disabled(probe: &Probe<'_>) -> Verdict {
    let Some(disabled) = &probe.fixtures.disabled else {
        return probe.not_tried("the fixtures name no `disabled` user");
    };
    not_accepted(probe, &password(disabled, probe.fixtures.password.as_bytes()), "a disabled user")
}

fn never_accepts_nobody(probe: &Probe<'_>) -> Verdict {
    not_accepted(probe, &VerifyRequest { username: None, ..right(probe) }, "nobody")
}

fn never_accepts_unknown_kinds(probe: &Probe<'_>) -> Verdict {
    for kind in ["", "Password", "password ", "no-such-kind", "passwordx"] {
        not_accepted(probe, &VerifyRequest { kind: kind.to_owned(), ..right(probe) }, &format!("kind {kind:?}"))?;
    }
    Ok(())
}

fn never_accepts_awkward_names(probe: &Probe<'_>) -> Verdict {
    let name = &probe.fixtures.username;
    let decorated = [format!(" {name}"), format!("{name}\0"), format!("{name}\n"), format!("{name}*")];
    for name in awkward_texts().into_iter().chain(decorated) {
        not_accepted(probe, &password(&name, probe.fixtures.password.as_bytes()), &shown(&name))?;
    }
    Ok(())
}

fn never_accepts_awkward_passwords(probe: &Probe<'_>) -> Verdict {
    for secret in awkward_texts() {
        not_accepted(probe, &password(&probe.fixtures.username, secret.as_bytes()), &shown(&secret))?;
    }
    not_accepted(probe, &password(&probe.fixtures.username, &[0xff, 0xfe, 0x00, 0xc0]), "bytes that are not UTF-8")
}
