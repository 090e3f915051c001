//! Token revocation (RFC 7009).

use super::client::Client;

/// Whether `client` may revoke a token of `owner`. Where not, the answer is 200 all the same and nothing happens: RFC 7009
/// §2.1 asks for a refusal, but that would tell whether somebody else's token is valid.
#[must_use]
pub fn permitted(client: &Client, owner: &str) -> bool {
    client.id == owner
}
