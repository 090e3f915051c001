//! Clients (RFC 6749 §2).

use super::scope::Scope;
use std::time::Duration;

/// RFC 6749 §2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientType {
    /// It can keep a secret.
    Confidential,
    /// It cannot.
    Public,
}

impl ClientType {
    /// The name in configurations and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::Public => "public",
        }
    }
}

/// The grants of the token endpoint, by `grant_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 §4.3.
    Password,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §4.5: a plugin's, whose `grant_type` is an absolute URI.
    Extension,
}

impl GrantType {
    /// Those that the core answers itself.
    pub const ALL: [Self; 4] = [Self::AuthorizationCode, Self::ClientCredentials, Self::Password, Self::RefreshToken];

    /// The value of `grant_type`; for a plugin's grant a word that stands for any.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::AuthorizationCode => "authorization_code",
            Self::Extension => "extension",
        }
    }

    /// The grant of the core's own whose `grant_type` is `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.name() == name)
    }
}

/// How a client's secret is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientSecret {
    /// HMAC-SHA256 under the server's own key: secrets of machines are long, and checking them has to be cheap.
    Keyed([u8; 32]),
    /// A PHC string as the operator gave it.
    Phc(String),
}

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Keyed(_) => "Keyed(…)",
            Self::Phc(_) => "Phc(…)",
        })
    }
}

/// A registered client.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// RFC 6749 §2.1.
    pub client_type: ClientType,
    /// One, or two while one is being rotated.
    pub secrets: Vec<ClientSecret>,
    /// First-party: may handle a user's password.
    pub trusted: bool,
    /// May introspect tokens that are not its own.
    pub introspect: bool,
    /// What it may ask for at the token endpoint.
    pub grants: Vec<GrantType>,
    /// Values of `grant_type` of plugins that it may ask for.
    pub extension_grants: Vec<String>,
    /// What it may ask for, and what it gets when it asks for nothing.
    pub scopes: Scope,
    /// Where authorization answers may go.
    pub redirect_uris: Vec<String>,
    /// Origins of its browser applications.
    pub cors: Vec<String>,
    /// Instead of the configured lifetime of access tokens.
    pub access_lifetime: Option<Duration>,
}

impl Client {
    /// Whether it can keep a secret.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.client_type == ClientType::Confidential
    }

    /// Whether it may use `grant`.
    #[must_use]
    pub fn may(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }
}
