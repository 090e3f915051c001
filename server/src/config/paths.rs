//! `[paths]`.

use super::model::Paths;
use super::read::Node;

const PATH: &str = "a path that starts with \"/\", without \"//\", \"?\", \"#\" or \"%\"";

/// `[paths]`, each endpoint's paths with `root` in front.
pub(super) fn paths(node: &Node<'_>) -> Option<Paths> {
    node.table(|table| {
        let root = table.key("root", root);
        let mut endpoint = |key| -> Vec<String> {
            let values = table.key(key, |node| node.one_or_many(path));
            values.into_iter().map(|value| format!("{root}{value}")).collect()
        };
        Paths {
            token: endpoint("token"),
            authorize: endpoint("authorize"),
            introspect: endpoint("introspect"),
            revoke: endpoint("revoke"),
            jwks: endpoint("jwks"),
            root,
        }
    })
}

/// The only path that may be empty.
fn root(node: &Node<'_>) -> Option<String> {
    if matches!(node.value, figment::value::Value::String(_, text) if text.is_empty()) {
        return Some(String::new());
    }
    node.checked("an empty string, or a path that starts with \"/\" and does not end with it", |text| {
        if text.ends_with('/') { Err(Some(format!("write {:?}", text.trim_end_matches('/')))) } else { check(text) }
    })
}

fn path(node: &Node<'_>) -> Option<String> {
    node.checked(PATH, check)
}

fn check(text: &str) -> Result<(), Option<String>> {
    if !text.starts_with('/') {
        return Err(Some(format!("write {:?}", format!("/{text}"))));
    }
    // RFC 3986 §3.3, without escapes: requests are matched byte by byte.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte);
    let dots = text.split('/').any(|part| matches!(part, "." | ".."));
    if text.bytes().all(allowed) && !text.contains("//") && !dots { Ok(()) } else { Err(None) }
}
