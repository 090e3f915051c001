//! `[grants]`, `[tokens]`, `[authorize]` and `[compatibility]`.

use super::clients;
use super::model::{
    AccessTokens, Algorithm, Authorize, BearerErrors, Compatibility, Grants, MAX_ACCESS_LIFETIME, RefreshTokens, Tokens,
};
use super::read::{Node, Table};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Ten years; humantime writes it without a remainder.
const LONGEST_LOGIN: Duration = Duration::from_secs(3650 * 24 * 3600);

/// `[grants]`.
pub(super) fn grants(node: &Node<'_>) -> Option<Grants> {
    node.table(|table| Grants {
        default_client: table.optional("default_client", Node::text),
        extensions: table.key("extensions", |node| node.distinct(Node::text)),
    })
}

/// `[tokens]`; `issuer` is the default audience.
pub(super) fn tokens(node: &Node<'_>, issuer: &str) -> Option<Tokens> {
    node.table(|table| {
        let access = table.optional("access", |node| node.table(|table| access(table, issuer)));
        let refresh = table.optional("refresh", |node| node.table(refresh));
        let code_lifetime = table.key("code", |node| {
            // RFC 6749 §4.1.2: ten minutes at most.
            node.table(|table| table.key("lifetime", |node| node.duration(SECOND..=10 * MINUTE)))
        });
        Some(Tokens { access: access?, refresh: refresh?, code_lifetime })
    })?
}

fn access(table: &mut Table<'_>, issuer: &str) -> AccessTokens {
    AccessTokens {
        format: table.key("format", Node::text),
        algorithm: table.optional("algorithm", |node| node.choice(&ALGORITHMS)).unwrap_or(Algorithm::EdDsa),
        lifetime: table.key("lifetime", |node| node.duration(SECOND..=MAX_ACCESS_LIFETIME)),
        audience: table
            .optional("audience", |node| node.one_or_many(Node::text))
            .unwrap_or_else(|| vec![issuer.to_owned()]),
        typ: table.key("typ", media_type),
    }
}

const ALGORITHMS: [(&str, Algorithm); 3] = [
    (Algorithm::EdDsa.name(), Algorithm::EdDsa),
    (Algorithm::Rs256.name(), Algorithm::Rs256),
    (Algorithm::Es256.name(), Algorithm::Es256),
];

/// RFC 7515 §4.1.9: a media type, `application/` left out.
fn media_type(node: &Node<'_>) -> Option<String> {
    node.checked("a media type, such as \"at+jwt\" or \"JWT\"", |text| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+/".contains(&byte);
        if text.bytes().all(allowed) { Ok(()) } else { Err(None) }
    })
}

fn refresh(table: &mut Table<'_>) -> RefreshTokens {
    RefreshTokens {
        lifetime: table.key("lifetime", |node| node.duration(SECOND..=LONGEST_LOGIN)),
        grace: table.key("grace", |node| node.duration(Duration::ZERO..=5 * MINUTE)),
        ends_access_tokens: table.key("ends_access_tokens", Node::boolean),
    }
}

/// `[authorize]`.
pub(super) fn authorize(node: &Node<'_>) -> Option<Authorize> {
    node.table(|table| Authorize { bearer_login: table.key("bearer_login", Node::boolean) })
}

/// `[compatibility]`.
pub(super) fn compatibility(node: &Node<'_>) -> Option<Compatibility> {
    const BEARER_ERRORS: [(&str, BearerErrors); 2] =
        [("rfc6750", BearerErrors::Rfc6750), ("korap", BearerErrors::Korap)];
    node.table(|table| Compatibility {
        unauthorized_client_status: table.key("unauthorized_client_status", |node| node.integer(400..=401)),
        bearer_errors: table
            .optional("bearer_errors", |node| node.choice(&BEARER_ERRORS))
            .unwrap_or(BearerErrors::Rfc6750),
        every_scope: table.optional("every_scope", |node| node.checked(clients::SCOPE, clients::check_scope)),
    })
}
