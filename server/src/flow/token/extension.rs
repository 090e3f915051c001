//! A plugin's grant (RFC 6749 §4.5): it says for whom, the core narrows and issues.

use super::begin::{Beginning, begin};
use crate::flow::mint::{self, Bearer, TokenResponse};
use crate::flow::{Call, Core, NamedExtension, contended, identity, sync};
use crate::oauth::client::{Client, GrantType};
use crate::oauth::error::OAuthError;
use crate::oauth::family::{AccountRef, Subject};
use crate::oauth::grant::extension;
use crate::oauth::scope::Scope;
use crate::plugin::CallError;
use pintle_plugin_api::{ExtensionGranted, ExtensionOutcome};

pub async fn exchange(
    core: &Core,
    call: &Call,
    client: &Client,
    name: &str,
    params: Vec<(String, String)>,
    requested: Option<&Scope>,
) -> Result<TokenResponse, OAuthError> {
    extension::permit(client, name)?;
    let answers = |extension: &&NamedExtension| extension.grant_types.iter().any(|answered| answered == name);
    let named = core.extensions.iter().find(answers).ok_or_else(|| OAuthError::server_error("no plugin answers it"))?;
    let broken = |why: String| OAuthError::unavailable(format!("plugin {}: {why}", named.name));
    let (started, started_ms) = (core.clock.monotonic(), core.clock.now_ms());
    let answer = named.grant.exchange(&call.context(Some(&client.id)), name, params).await;
    core.note_plugin(call, "extension-grant", &named.name, started, &answer, verdict(&answer));
    let granted = match answer.map_err(|ended| broken(ended.error.to_string()))? {
        ExtensionOutcome::Granted(granted) => granted,
        ExtensionOutcome::OauthError((code, why)) => return Err(extension::refusal(&code, why)),
    };
    let ExtensionGranted { account, scopes, claims_json } = granted;
    check(&account, &claims_json).map_err(|why| broken(why.to_owned()))?;
    if account.disabled {
        return Err(OAuthError::invalid_grant("the account may not log in"));
    }
    let scope = extension::decide(client, requested, &Scope::new(scopes))?;
    let reference = AccountRef { backend: named.name.clone(), id: account.id.clone() };
    let identity = identity::ensure(core, &reference, &account).await?;
    if !sync::permits(core, &reference).await? {
        return Err(OAuthError::invalid_grant("the account may not log in").because(sync::WITHDRAWN));
    }
    if identity.revoked_at_ms > started_ms {
        return Err(OAuthError::invalid_grant("the account's tokens were revoked").because("during the exchange"));
    }
    let subject = Subject {
        sub: identity.sub,
        account: reference,
        username: account.username.clone(),
        auth_time: core.clock.now(),
        amr: Vec::new(),
        acr: None,
        epoch: identity.epoch,
    };
    let bearer = Bearer {
        client,
        subject: Some(&subject),
        account: Some(&account),
        grant: GrantType::Extension,
        claims_json: &claims_json,
    };
    let granted = mint::evaluate(core, call, bearer, scope).await?;
    begin(core, call, bearer, granted, Beginning::default()).await?.ok_or_else(contended)
}

/// The most claims of a grant, in bytes of JSON: they are kept with the family.
const MAX_CLAIMS_BYTES: usize = 4 * 1024;

fn check(account: &pintle_plugin_api::Account, claims_json: &str) -> Result<(), &'static str> {
    crate::plugin::chain::check(account)?;
    if claims_json.len() > MAX_CLAIMS_BYTES {
        return Err("granted claims that are too large");
    }
    let object = || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(claims_json).is_ok();
    if claims_json.is_empty() || object() { Ok(()) } else { Err("granted claims that are no JSON object") }
}

const fn verdict(answer: &Result<ExtensionOutcome, CallError>) -> &'static str {
    match answer {
        Ok(ExtensionOutcome::Granted(_)) => "granted",
        Ok(ExtensionOutcome::OauthError(_)) => "refused",
        Err(_) => "error",
    }
}
