//! What a plugin of any kind must do.

use super::{Check, Probe, Verdict, awkward_texts, ensure, shown};

pub(super) const CHECKS: &[Check] = &[
    ("names itself, its version and at least one known kind", names_itself),
    ("takes the config that it runs with", takes_its_config),
    ("refuses a config that is not a table, and says why", refuses_other_shapes),
    ("refuses an option that it does not know, and names it", refuses_unknown_options),
    ("is healthy", is_healthy),
];

fn names_itself(probe: &Probe<'_>) -> Verdict {
    let manifest = probe.manifest;
    ensure(!manifest.name.is_empty() && !manifest.version.is_empty(), || "no name or version".to_owned())?;
    let all_known = manifest.kinds.iter().all(|kind| crate::kinds::NAMES.contains(&kind.as_str()));
    ensure(all_known && !manifest.kinds.is_empty(), || format!("kinds {:?}", manifest.kinds))
}

fn takes_its_config(probe: &Probe<'_>) -> Verdict {
    let faults = probe.subject.validate_config(&probe.fixtures.config_json).map_err(|error| error.to_string())?;
    ensure(faults.is_empty(), || faults.join("; "))
}

fn refuses_other_shapes(probe: &Probe<'_>) -> Verdict {
    let not_json = awkward_texts().into_iter().filter(|text| !["", " ", "{}"].contains(&text.as_str()));
    for config in
        ["[]", "[{}]", "1", "\"{}\"", "true", "{\"a\":", "{} {}"].map(str::to_owned).into_iter().chain(not_json)
    {
        let faults = probe.subject.validate_config(&config).map_err(|error| error.to_string())?;
        ensure(faults.iter().any(|fault| !fault.trim().is_empty()), || format!("{} was taken", shown(&config)))?;
    }
    Ok(())
}

fn refuses_unknown_options(probe: &Probe<'_>) -> Verdict {
    let mut config: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&probe.fixtures.config_json).map_err(|error| format!("the fixture's config: {error}"))?;
    config.insert("no_such_option".to_owned(), true.into());
    let config = serde_json::Value::Object(config).to_string();
    let faults = probe.subject.validate_config(&config).map_err(|error| error.to_string())?;
    ensure(faults.iter().any(|fault| fault.contains("no_such_option")), || format!("faults {faults:?}"))
}

fn is_healthy(probe: &Probe<'_>) -> Verdict {
    probe.subject.health(&probe.ctx).map_err(|error| error.to_string())
}
