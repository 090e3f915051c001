//! The keys outside tables: `issuer`, `data_dir`.

use super::read::{Node, Table, quoted};
use super::uri;
use std::path::PathBuf;
use url::Url;

const ISSUER: &str = "the issuer's URL: http or https, a host, no query, no fragment, no slash at the end \
                      (RFC 8414 §2)";

/// `issuer`.
pub(super) fn issuer(table: &mut Table<'_>) -> String {
    table.required("issuer", ISSUER, parse_issuer)
}

/// `data_dir`.
pub(super) fn data_dir(table: &mut Table<'_>) -> PathBuf {
    table.key("data_dir", Node::file)
}

/// Clients compare the issuer byte by byte, so it is refused rather than normalised where it has two spellings.
fn parse_issuer(node: &Node<'_>) -> Option<String> {
    node.checked(ISSUER, |text| {
        let url = Url::parse(text).map_err(|error| Some(uri::reason(error)))?;
        let plain = url.username().is_empty() && url.password().is_none();
        if !matches!(url.scheme(), "http" | "https") || !plain || url.query().is_some() || url.fragment().is_some() {
            return Err(None);
        }
        let normal = url.as_str().trim_end_matches('/');
        if normal == text { Ok(()) } else { Err(Some(format!("write {}", quoted(normal)))) }
    })
}
