//! The metadata document of a wired server.

use super::App;
use super::paths::url_of;
use crate::oauth::client::GrantType;
use crate::oauth::metadata::{Facts, Metadata};

impl App {
    /// The metadata document (RFC 8414 §2) as it is now: clients come and go by command.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        let issuer = &self.config.issuer;
        let url = |paths: &[String]| url_of(issuer, paths.first().map_or("", String::as_str));
        let clients = self.core.clients.union();
        let works = |grant: &GrantType| *grant != GrantType::AuthorizationCode || self.bearer_login;
        let core = GrantType::ALL.into_iter().filter(|grant| clients.may(*grant)).filter(works);
        let answered = &self.core.settings.extension_grants;
        let extensions = clients.extension_grants.iter().filter(|name| answered.contains(name)).cloned();
        Metadata::new(Facts {
            issuer: issuer.clone(),
            authorize: self.bearer_login.then(|| url(&self.paths.authorize)),
            token: url(&self.paths.token),
            // Also after the configured tokens have become opaque, as long as signed ones live.
            jwks: self.core.keys.publishes_any().then(|| url(&self.paths.jwks)),
            introspect: url(&self.paths.introspect),
            revoke: url(&self.paths.revoke),
            scopes: clients.scopes.tokens().to_vec(),
            grants: core.map(|grant| grant.name().to_owned()).chain(extensions).collect(),
        })
    }
}
