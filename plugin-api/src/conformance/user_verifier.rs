//! Kind `user-verifier`.

use super::{Check, Probe, Verdict, awkward_texts, ensure, shown};
use crate::types::{Account, PluginError, VerifyOutcome, VerifyRequest};

pub(super) const CHECKS: &[Check] = &[
    ("accepts the right password, with an id, the name and how it was proven", accepts),
    ("gives the same answer to the same request", is_deterministic),
    ("rejects a wrong password of its own user", rejects_wrong_passwords),
    ("passes on a user whom it does not have", passes_on_unknown_users),
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

fn accepts(probe: &Probe<'_>) -> Verdict {
    let accepted = match ask(probe, &right(probe)) {
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

fn is_deterministic(probe: &Probe<'_>) -> Verdict {
    let (first, second) = (ask(probe, &right(probe)), ask(probe, &right(probe)));
    ensure(first == second, || "two answers".to_owned())
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

fn never_accepts_empty(probe: &Probe<'_>) -> Verdict {
    not_accepted(probe, &password(&probe.fixtures.username, b""), "an empty password")?;
    not_accepted(probe, &password(&probe.fixtures.unknown, b""), "an empty password of an unknown user")
}

fn never_accepts_disabled(probe: &Probe<'_>) -> Verdict {
    let Some(disabled) = &probe.fixtures.disabled else { return Ok(()) };
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
