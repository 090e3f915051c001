//! Why a login goes as it does, by command. Only the operator's socket takes this question: its answers tell more than a
//! login's may.

use super::{AdminError, SecretText, json};
use crate::flow::{Call, Core, explain};
use crate::oauth::scope::Scope;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whose login, and with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The user's name, as typed.
    pub username: String,
    /// Without it only directories are asked.
    pub password: Option<SecretText>,
    /// Whose scope decision is wanted.
    pub client: Option<String>,
    /// What the client asks for; all that it may have, where nothing is given.
    pub scopes: Vec<String>,
}

pub async fn login(core: &Core, call: &Call, question: Question) -> Result<Value, AdminError> {
    let Question { username, password, client, scopes } = question;
    let client = match client {
        Some(id) => Some(
            core.clients
                .find(core.store.as_ref(), &id)
                .await?
                .ok_or_else(|| AdminError::not_found(format!("there is no client `{id}`")))?,
        ),
        None => None,
    };
    let requested = (!scopes.is_empty()).then(|| Scope::new(scopes));
    let password = password.as_ref().map(|password| &password.0);
    let client = client.as_deref().map(|client| (client, requested.as_ref()));
    let question = explain::Question { username: &username, password, client };
    json(&explain::login(core, call, &question).await?)
}
