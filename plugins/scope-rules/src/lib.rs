//! Decides scopes by the operator's rules.
//!
//! A scope that a rule names is granted only where one rule that names it matches; the first such rule also sets what
//! that scope requires and how long a token with it may live. A scope that no rule names passes.

use pintle_plugin_api::{Call, Manifest, Plugin, PluginError, ScopeDecision, ScopePolicy, ScopeQuery, export_plugin};
use serde::Deserialize;
use std::collections::BTreeSet;

mod rule;
use rule::{Asked, Rule};

/// The plugin: `rules` of its config.
pub struct ScopeRules {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct ClientId {
    id: String,
}

impl Plugin for ScopeRules {
    fn manifest() -> Manifest {
        Manifest::new::<Self>("scope-rules", env!("CARGO_PKG_VERSION"))
    }

    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        Ok(Self { rules: rule::parse_all(config_json)? })
    }
}

impl ScopePolicy for ScopeRules {
    fn evaluate(&self, _call: &Call<'_>, query: &ScopeQuery) -> Result<ScopeDecision, PluginError> {
        let client: ClientId = serde_json::from_str(&query.client_json)
            .map_err(|error| PluginError::Invalid(format!("client_json: {error}")))?;
        let asked = Asked { account: query.account.as_ref(), client_id: &client.id, grant_type: &query.grant_type };
        let mut decision = ScopeDecision::default();
        let mut require = BTreeSet::new();
        for scope in &query.requested {
            match self.rule_for(scope, &asked) {
                Fate::Unnamed => decision.granted.push(scope.clone()),
                Fate::Withheld => {}
                Fate::Matched(rule) => {
                    decision.granted.push(scope.clone());
                    require.extend(rule.require.iter().cloned());
                    decision.max_ttl_s = [decision.max_ttl_s, rule.max_ttl_s].into_iter().flatten().min();
                }
            }
        }
        decision.require = require.into_iter().collect();
        Ok(decision)
    }
}

/// What the rules say about one scope.
enum Fate<'a> {
    Unnamed,
    Withheld,
    Matched(&'a Rule),
}

impl ScopeRules {
    fn rule_for(&self, scope: &str, asked: &Asked<'_>) -> Fate<'_> {
        let mut fate = Fate::Unnamed;
        for rule in self.rules.iter().filter(|rule| rule.names(scope)) {
            if rule.matches(asked) {
                return Fate::Matched(rule);
            }
            fate = Fate::Withheld;
        }
        fate
    }
}

export_plugin!(ScopeRules: scope_policy);

#[cfg(test)]
mod tests;
