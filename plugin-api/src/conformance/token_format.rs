//! Kind `token-format`.

use super::{Check, Probe, Verdict, awkward_texts, ensure, shown};
use crate::types::{PluginError, TokenVerdict, base64url};
use serde_json::{Map, Value};

pub(super) const CHECKS: &[Check] = &[
    ("finds the handle in the token that it issued", round_trip),
    ("gives two handles two tokens", two_handles_two_tokens),
    ("writes tokens that fit into a header (RFC 6750 §2.1)", fits_into_a_header),
    ("writes the meta-data as a JSON object, if at all", meta_is_an_object),
    ("issues nothing without a handle", nothing_without_handle),
    ("issues nothing for claims that are not an object", nothing_for_broken_claims),
    ("never finds a handle in garbage", garbage_is_never_mine),
    ("never finds the handle in a shortened or lengthened token", other_lengths_are_never_mine),
    ("never finds the handle in an altered token", altered_is_never_mine),
    ("never finds a handle in an unsigned JWT (RFC 8725 §2.1)", unsigned_is_never_mine),
];

/// As the core makes them: 48 bytes as base64url.
fn handle(number: u8) -> String {
    base64url::encode(&(0..48).map(|at| number.wrapping_mul(59).wrapping_add(at * 5)).collect::<Vec<u8>>())
}

fn claims(probe: &Probe<'_>, handle: Option<&str>) -> Result<String, String> {
    let mut claims: Map<String, Value> =
        serde_json::from_str(&probe.fixtures.claims_json).map_err(|error| format!("the fixture's claims: {error}"))?;
    if let Some(handle) = handle {
        claims.insert("jti".to_owned(), handle.into());
    }
    Ok(Value::Object(claims).to_string())
}

fn issue(probe: &Probe<'_>, handle: &str) -> Result<String, String> {
    let claims = claims(probe, Some(handle))?;
    let issued = probe.subject.issue(&probe.ctx, &claims, &probe.fixtures.key_id).map_err(|error| error.to_string())?;
    Ok(issued.token)
}

/// The handle found, if any. `invalid` is the only error that a token may cause.
fn found(probe: &Probe<'_>, token: &str) -> Result<Option<String>, String> {
    match probe.subject.validate(&probe.ctx, token) {
        Ok(TokenVerdict::Mine(handle)) => Ok(Some(handle)),
        Ok(_) | Err(PluginError::Invalid(_)) => Ok(None),
        Err(error) => Err(format!("{}: {error}", shown(token))),
    }
}

fn round_trip(probe: &Probe<'_>) -> Verdict {
    for number in 0..4 {
        let found = found(probe, &issue(probe, &handle(number))?)?;
        ensure(found.as_deref() == Some(handle(number).as_str()), || format!("found {found:?}"))?;
    }
    Ok(())
}

fn two_handles_two_tokens(probe: &Probe<'_>) -> Verdict {
    ensure(issue(probe, &handle(1))? != issue(probe, &handle(2))?, || "one token".to_owned())
}

fn fits_into_a_header(probe: &Probe<'_>) -> Verdict {
    let token = issue(probe, &handle(1))?;
    let fits = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
    ensure(fits && !token.is_empty() && token.len() <= 8192, || shown(&token))
}

fn meta_is_an_object(probe: &Probe<'_>) -> Verdict {
    let claims = claims(probe, Some(&handle(1)))?;
    let issued = probe.subject.issue(&probe.ctx, &claims, &probe.fixtures.key_id).map_err(|error| error.to_string())?;
    let is_object = serde_json::from_str::<Map<String, Value>>(&issued.meta_json).is_ok();
    ensure(issued.meta_json.is_empty() || is_object, || shown(&issued.meta_json))
}

fn nothing_without_handle(probe: &Probe<'_>) -> Verdict {
    let issued = probe.subject.issue(&probe.ctx, &claims(probe, None)?, &probe.fixtures.key_id);
    ensure(issued.is_err(), || "issued a token".to_owned())
}

fn nothing_for_broken_claims(probe: &Probe<'_>) -> Verdict {
    for claims in ["", "null", "[]", "{", "{\"jti\": 7}", "{\"jti\": \"a\", \"jti\": \"b\"}"] {
        let issued = probe.subject.issue(&probe.ctx, claims, &probe.fixtures.key_id);
        ensure(issued.is_err(), || format!("issued a token for {claims:?}"))?;
    }
    Ok(())
}

fn garbage_is_never_mine(probe: &Probe<'_>) -> Verdict {
    let dotted = [".", "..", "...", "a.b", "a.b.c", "e30.e30.", "e30.e30.e30", "e30..e30", "=.=.=", "a.b.c.d.e"];
    for token in awkward_texts().into_iter().chain(dotted.map(str::to_owned)) {
        let found = found(probe, &token)?;
        ensure(found.is_none(), || format!("found one in {}", shown(&token)))?;
    }
    Ok(())
}

fn other_lengths_are_never_mine(probe: &Probe<'_>) -> Verdict {
    let token = issue(probe, &handle(1))?;
    let shorter = [1, 2, token.len() / 2, token.len() - 1].map(|length| token.get(..length).unwrap_or("").to_owned());
    let longer = [format!("{token}A"), format!("{token}="), format!(" {token}"), format!("{token}\n"), token.repeat(2)];
    for other in shorter.into_iter().chain(longer) {
        let found = found(probe, &other)?;
        ensure(found.as_deref() != Some(handle(1).as_str()), || format!("found it in {} bytes", other.len()))?;
    }
    Ok(())
}

/// An altered handle is another handle, which the core does not know; the same one must not come of it. A format that
/// carries claims must find none at all.
fn altered_is_never_mine(probe: &Probe<'_>) -> Verdict {
    let token = issue(probe, &handle(1))?;
    for at in 0..token.len() {
        let mut altered = token.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let found = found(probe, &String::from_utf8_lossy(&altered))?;
        let wrong = if probe.manifest.self_contained { found.is_some() } else { found.as_deref() == Some(&handle(1)) };
        ensure(!wrong, || format!("byte {at} is not checked"))?;
    }
    Ok(())
}

fn unsigned_is_never_mine(probe: &Probe<'_>) -> Verdict {
    let payload = base64url::encode(claims(probe, Some(&handle(1)))?.as_bytes());
    for alg in ["none", "None", "HS256", ""] {
        let header = serde_json::json!({"alg": alg, "kid": probe.fixtures.key_id, "typ": "at+jwt"}).to_string();
        for signature in ["", "AAAA"] {
            let token = format!("{}.{payload}.{signature}", base64url::encode(header.as_bytes()));
            ensure(found(probe, &token)?.is_none(), || format!("found one with alg {alg:?}"))?;
        }
    }
    Ok(())
}
