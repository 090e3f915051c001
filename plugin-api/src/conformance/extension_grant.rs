//! Kind `extension-grant`.

use super::{Check, Probe, Verdict, awkward_texts, ensure, is_account, is_object_or_empty, shown};
use crate::types::{Attr, ExtensionOutcome, PluginError};

pub(super) const CHECKS: &[Check] = &[
    ("names its grant types, each an absolute URI (RFC 6749 §4.5)", names_its_types),
    ("grants what it is made for, for an account", grants),
    ("grants nothing without parameters", grants_nothing_for_nothing),
    ("grants nothing for a grant type that is not its own", grants_no_other_type),
    ("grants nothing for awkward or huge parameters", grants_nothing_awkward),
    ("answers with error codes that may be in a response (RFC 6749 §5.2)", answers_with_codes),
];

fn types(probe: &Probe<'_>) -> Result<Vec<String>, String> {
    probe.subject.grant_types().map_err(|error| error.to_string())
}

fn is_absolute(uri: &str) -> bool {
    let scheme = uri.split_once(':').map(|(scheme, rest)| (scheme, !rest.is_empty()));
    let named = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    scheme.is_some_and(|(scheme, rest)| named(scheme) && rest) && uri.bytes().all(|byte| byte.is_ascii_graphic())
}

fn names_its_types(probe: &Probe<'_>) -> Verdict {
    let types = types(probe)?;
    ensure(!types.is_empty(), || "none".to_owned())?;
    types.iter().try_for_each(|uri| ensure(is_absolute(uri), || format!("{} is none", shown(uri))))
}

/// An OAuth error, or the error `invalid`.
fn grants_nothing(probe: &Probe<'_>, grant_type: &str, params: &[Attr], what: &str) -> Verdict {
    match probe.subject.exchange(&probe.ctx, grant_type, params) {
        Ok(ExtensionOutcome::Granted(_)) => Err(format!("granted for {what}")),
        Ok(ExtensionOutcome::OauthError(_)) | Err(PluginError::Invalid(_)) => Ok(()),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

fn grants(probe: &Probe<'_>) -> Verdict {
    if probe.fixtures.grant_params.is_empty() {
        return probe.not_tried("the fixtures have no `grant_params`");
    }
    let grant_type = types(probe)?.into_iter().next().unwrap_or_default();
    match probe.subject.exchange(&probe.ctx, &grant_type, &probe.fixtures.grant_params) {
        Ok(ExtensionOutcome::Granted(grant)) => {
            is_account(&grant.account)?;
            is_object_or_empty(&grant.claims_json)
        }
        Ok(ExtensionOutcome::OauthError((code, why))) => Err(format!("{code}: {why}")),
        Err(error) => Err(error.to_string()),
    }
}

fn grants_nothing_for_nothing(probe: &Probe<'_>) -> Verdict {
    types(probe)?.iter().try_for_each(|grant_type| grants_nothing(probe, grant_type, &[], "no parameters"))
}

fn grants_no_other_type(probe: &Probe<'_>) -> Verdict {
    for other in ["", "password", "urn:example:no-such-grant"] {
        grants_nothing(probe, other, &probe.fixtures.grant_params, &format!("the grant type {other:?}"))?;
    }
    Ok(())
}

fn grants_nothing_awkward(probe: &Probe<'_>) -> Verdict {
    for grant_type in types(probe)? {
        for text in awkward_texts() {
            let names = probe.fixtures.grant_params.iter().map(|(name, _)| name.clone());
            let params: Vec<Attr> =
                names.chain(["assertion".to_owned(), text.clone()]).map(|name| (name, text.clone())).collect();
            grants_nothing(probe, &grant_type, &params, &shown(&text))?;
        }
    }
    Ok(())
}

fn answers_with_codes(probe: &Probe<'_>) -> Verdict {
    let allowed = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    for grant_type in types(probe)? {
        if let Ok(ExtensionOutcome::OauthError((code, description))) =
            probe.subject.exchange(&probe.ctx, &grant_type, &[])
        {
            ensure(!code.is_empty() && code.bytes().all(allowed), || format!("the code {}", shown(&code)))?;
            ensure(description.bytes().all(allowed), || format!("the description {}", shown(&description)))?;
        }
    }
    Ok(())
}
