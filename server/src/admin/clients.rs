//! `client …`. Clients of the configuration are shown and never changed.

use super::{AdminError, PAGE, json};
use crate::clock::UnixTime;
use crate::config::ClientValue;
use crate::entropy;
use crate::flow::Core;
use crate::flow::clients::{from_stored, keyed_secret};
use crate::flow::records::{ClientEpoch, StoredClient, client_epoch_key};
use crate::oauth::client::{Client, ClientType, GrantType};
use crate::oauth::scope::MAX_SCOPES;
use crate::store::record::{self, Loaded, Record};
use crate::store::{Batch, CommitError, Key};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How often a change is tried again when another command comes between.
const MAX_TRIES: usize = 16;
const MAX_NAME_BYTES: usize = 512;
/// The record has to stay under the store's limit.
const MAX_URIS: usize = 64;
const MAX_URI_BYTES: usize = 512;

/// A new client; the rules are those of the configuration's `[[clients]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewClient {
    /// `client_id`.
    pub id: String,
    /// A name for people; the id, if left out.
    pub name: Option<String>,
    /// A confidential one gets a secret.
    pub client_type: ClientType,
    /// What it may ask for.
    pub grants: Vec<GrantType>,
    /// Values of `grant_type` of plugins.
    #[serde(default)]
    pub extension_grants: Vec<String>,
    /// What it may have.
    pub scopes: Vec<String>,
    /// Where authorization answers may go.
    pub redirect_uris: Vec<String>,
    /// Origins of its browser applications.
    pub cors: Vec<String>,
    /// First-party.
    pub trusted: bool,
    /// May introspect tokens that are not its own.
    pub introspect: bool,
}

/// What is shown of a client.
#[derive(Serialize)]
struct ClientView {
    id: String,
    name: String,
    #[serde(rename = "type")]
    client_type: &'static str,
    /// `config` or `command`.
    origin: &'static str,
    grants: Vec<String>,
    scopes: Vec<String>,
    redirect_uris: Vec<String>,
    cors: Vec<String>,
    trusted: bool,
    introspect: bool,
    /// How many secrets work.
    secrets: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<UnixTime>,
    /// Only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl ClientView {
    fn new(client: &Client, created_at: Option<UnixTime>) -> Self {
        Self {
            id: client.id.clone(),
            name: client.name.clone(),
            client_type: client.client_type.name(),
            origin: if created_at.is_some() { "command" } else { "config" },
            grants: client
                .grants
                .iter()
                .map(|grant| grant.name().to_owned())
                .chain(client.extension_grants.iter().cloned())
                .collect(),
            scopes: client.scopes.tokens().to_vec(),
            redirect_uris: client.redirect_uris.clone(),
            cors: client.cors.clone(),
            trusted: client.trusted,
            introspect: client.introspect,
            secrets: client.secrets.len(),
            created_at,
            secret: None,
        }
    }

    fn stored(id: &str, stored: StoredClient) -> Self {
        let created_at = stored.created_at;
        Self::new(&from_stored(id, stored), Some(created_at))
    }
}

/// The first page has the clients of the configuration in front.
pub(super) async fn list(core: &Core, after: Option<&str>) -> Result<Value, AdminError> {
    let after_key = after.map(client_key);
    let found = core.store.scan(&StoredClient::key(&[]), after_key.as_ref(), PAGE).await?;
    let configured = if after.is_none() { core.clients.configured() } else { Vec::new() };
    let mut clients: Vec<ClientView> = configured.iter().map(|client| ClientView::new(client, None)).collect();
    let full = found.len() == PAGE;
    for (key, found) in found {
        let Some(id) = id_of(&key) else { continue };
        clients.push(ClientView::stored(&id, record::decode(&found.value)?));
    }
    let next = if full { clients.last().map(|client| client.id.clone()) } else { None };
    Ok(json!({ "items": json(&clients)?, "next": next }))
}

pub(super) async fn add(core: &Core, new: NewClient) -> Result<Value, AdminError> {
    check(&new).map_err(AdminError::refused)?;
    refuse_configured(core, &new.id)?;
    let secret = (new.client_type == ClientType::Confidential).then(|| new_secret(core));
    let stored = StoredClient {
        name: new.name.unwrap_or_else(|| new.id.clone()),
        client_type: new.client_type,
        secrets: secret.iter().map(|secret| kept(core, &new.id, secret)).collect(),
        trusted: new.trusted,
        introspect: new.introspect,
        grants: new.grants,
        extension_grants: new.extension_grants,
        scopes: new.scopes,
        redirect_uris: new.redirect_uris,
        cors: new.cors,
        created_at: core.clock.now(),
    };
    let key = client_key(&new.id);
    let batch = Batch::new().expect_absent(key.clone()).put_record(key, &stored, None)?;
    match core.store.commit(batch).await {
        Ok(_) => json(&ClientView { secret, ..ClientView::stored(&new.id, stored) }),
        Err(CommitError::Conflict) => Err(AdminError::refused(format!("there is a client {:?} already", new.id))),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn rotate_secret(core: &Core, id: &str) -> Result<Value, AdminError> {
    let secret = new_secret(core);
    let client = change(core, id, |client| {
        if client.client_type == ClientType::Public {
            return Err(AdminError::refused(format!("{id:?} is a public client: it has no secret")));
        }
        if client.secrets.len() > 1 {
            let command = format!("pintle client rotate-secret {} --drop-old", shell_word(id));
            return Err(AdminError::refused(format!("{id:?} has two secrets already: `{command}` ends the older")));
        }
        client.secrets.push(kept(core, id, &secret));
        Ok(())
    });
    json(&ClientView { secret: Some(secret.clone()), ..client.await? })
}

/// An id, which is any printable ASCII, as one word of a shell.
fn shell_word(id: &str) -> String {
    if id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.,:/=+%@".contains(&byte)) {
        return id.to_owned();
    }
    format!("'{}'", id.replace('\'', r"'\''"))
}

pub(super) async fn drop_old_secret(core: &Core, id: &str) -> Result<Value, AdminError> {
    let client = change(core, id, |client| {
        if client.secrets.len() < 2 {
            return Err(AdminError::refused(format!("{id:?} has no older secret beside the one in use")));
        }
        client.secrets.remove(0);
        Ok(())
    });
    json(&client.await?)
}

/// A client of the same name that is added later starts in a new epoch, so that no old token becomes its own.
pub(super) async fn remove(core: &Core, id: &str) -> Result<Value, AdminError> {
    let epoch_key = client_epoch_key(id);
    for _ in 0..MAX_TRIES {
        let loaded = load(core, id).await?;
        let epoch = record::load::<ClientEpoch>(core.store.as_ref(), &epoch_key).await?;
        let next = ClientEpoch { epoch: epoch.as_ref().map_or(0, |epoch| epoch.value.epoch).wrapping_add(1) };
        let batch = Batch::new()
            .expect_at(client_key(id), loaded.version)
            .expect_as_loaded(epoch_key.clone(), epoch.map(|epoch| epoch.version))
            .delete(client_key(id))
            .put_record(epoch_key.clone(), &next, None)?;
        match core.store.commit(batch).await {
            Ok(_) => return json(&ClientView::stored(id, loaded.value)),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(AdminError::contended())
}

async fn change(
    core: &Core,
    id: &str,
    change: impl Fn(&mut StoredClient) -> Result<(), AdminError>,
) -> Result<ClientView, AdminError> {
    for _ in 0..MAX_TRIES {
        let Loaded { mut value, version } = load(core, id).await?;
        change(&mut value)?;
        let batch = Batch::new().expect_at(client_key(id), version).put_record(client_key(id), &value, None)?;
        match core.store.commit(batch).await {
            Ok(_) => return Ok(ClientView::stored(id, value)),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(AdminError::contended())
}

async fn load(core: &Core, id: &str) -> Result<Loaded<StoredClient>, AdminError> {
    refuse_configured(core, id)?;
    let unknown = || AdminError::not_found(format!("there is no client {id:?}"));
    ClientValue::Id.check(id).map_err(|_| unknown())?;
    record::load(core.store.as_ref(), &client_key(id)).await?.ok_or_else(unknown)
}

fn refuse_configured(core: &Core, id: &str) -> Result<(), AdminError> {
    if core.clients.is_configured(id) {
        let why = format!("the client {id:?} is in the configuration (`[[clients]]`): change it there and restart");
        return Err(AdminError::refused(why));
    }
    Ok(())
}

fn check(new: &NewClient) -> Result<(), String> {
    check_values(new)?;
    let public = new.client_type == ClientType::Public;
    let may = |grant: GrantType| new.grants.contains(&grant);
    if public && may(GrantType::ClientCredentials) {
        return Err("client_credentials is for confidential clients (RFC 6749 §4.4)".to_owned());
    }
    if public && new.introspect {
        return Err("a public client cannot introspect: that is authenticated (RFC 7662 §2.1)".to_owned());
    }
    if may(GrantType::Password) && !new.trusted {
        return Err("the password grant is for trusted clients: such a client handles users' passwords".to_owned());
    }
    Ok(())
}

fn check_values(new: &NewClient) -> Result<(), String> {
    let named = |what: &str| {
        let what = what.to_owned();
        move |why| format!("{what}: {why}")
    };
    ClientValue::Id.check(&new.id).map_err(named("id"))?;
    if new.name.as_ref().is_some_and(|name| name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control)) {
        return Err(format!("name: longer than {MAX_NAME_BYTES} bytes, or with control characters"));
    }
    if new.scopes.len() > MAX_SCOPES {
        return Err(format!("scopes: {} of them, at most {MAX_SCOPES}", new.scopes.len()));
    }
    for grant in &new.extension_grants {
        if url::Url::parse(grant).is_err() {
            return Err(format!("extension-grant: {grant:?} is no absolute URI (RFC 6749 §4.5)"));
        }
    }
    let lists = [
        ("scope", ClientValue::Scope, &new.scopes),
        ("redirect-uri", ClientValue::RedirectUri, &new.redirect_uris),
        ("cors", ClientValue::Origin, &new.cors),
    ];
    for (what, value, texts) in lists {
        if texts.len() > MAX_URIS || texts.iter().any(|text| text.len() > MAX_URI_BYTES) {
            return Err(format!("{what}: at most {MAX_URIS} of at most {MAX_URI_BYTES} bytes"));
        }
        for (index, text) in texts.iter().enumerate() {
            value.check(text).map_err(named(what))?;
            if texts[..index].contains(text) {
                return Err(format!("{what}: {text:?} a second time"));
            }
        }
    }
    Ok(())
}

/// 32 random bytes, 43 characters.
fn new_secret(core: &Core) -> String {
    URL_SAFE_NO_PAD.encode(entropy::array::<32>(core.entropy.as_ref()))
}

fn kept(core: &Core, id: &str, secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(keyed_secret(&core.keys, id, secret.as_bytes()))
}

fn client_key(id: &str) -> Key {
    StoredClient::key(&[id.as_bytes()])
}

fn id_of(key: &Key) -> Option<String> {
    let [_, id] = <[Vec<u8>; 2]>::try_from(record::parts(key)?).ok()?;
    String::from_utf8(id).ok()
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn an_id_that_a_shell_would_take_apart_is_quoted() {
        assert_eq!(shell_word("billing-2"), "billing-2");
        assert_eq!(shell_word("it's $me"), r"'it'\''s $me'");
    }
}
