//! `[list.paging]`: how one page leads to the next.

use crate::select::Path;
use pintle_plugin_api::fields::Fields;
use pintle_plugin_api::{HttpResponse, PluginError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const TYPES: [&str; 5] = ["page", "offset", "cursor", "link", "link_header"];

/// See the module.
#[derive(Debug)]
pub(crate) enum Paging {
    /// All in one answer.
    Nothing,
    /// By number; the first has this one.
    Page(String, u64),
    /// By how many came before.
    Offset(String),
    /// By what the answer says to send.
    Cursor(String, Option<Path>),
    /// By a URL in the answer.
    Link(Option<Path>),
    /// By a URL in the header `Link` (RFC 8288) with the relation `next`.
    LinkHeader,
}

/// A place in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum At {
    #[default]
    Start,
    Number(u64),
    Cursor(String),
    /// Path and query of a URL of the API.
    Link(String),
}

impl Paging {
    pub(crate) fn parse(fields: &Fields<'_>) -> Self {
        fields.require("type", "how one page leads to the next");
        let parameter = |what: &str| fields.required_text("parameter", what).unwrap_or_default().to_owned();
        let next = |what: &str| {
            fields.require("next", what);
            Path::of(fields, "next")
        };
        match fields.one_of("type", &TYPES) {
            Some("page") => {
                let first = fields.integer("first", 0..=1).unwrap_or(1);
                Self::Page(parameter("the query's parameter for a page's number"), first)
            }
            Some("offset") => Self::Offset(parameter("the query's parameter for the number of items before a page")),
            Some("cursor") => Self::Cursor(
                parameter("the query's parameter for a cursor"),
                next("the JSON path of the next page's cursor"),
            ),
            Some("link") => Self::Link(next("the JSON path of the next page's URL")),
            Some(_) => Self::LinkHeader,
            None => Self::Nothing,
        }
    }

    pub(crate) const fn follows_links(&self) -> bool {
        matches!(self, Self::Link(_) | Self::LinkHeader)
    }

    /// What of the query says which page is meant.
    pub(crate) fn parameter(&self, at: &At) -> Option<(&str, String)> {
        match (self, at) {
            (Self::Page(name, first), At::Start) => Some((name, first.to_string())),
            (Self::Page(name, _) | Self::Offset(name), At::Number(number)) => Some((name, number.to_string())),
            (Self::Cursor(name, _), At::Cursor(cursor)) => Some((name, cursor.clone())),
            _ => None,
        }
    }

    /// Where the page behind one with `count` items is; none where there is none.
    pub(crate) fn next(
        &self,
        at: &At,
        count: usize,
        answer: &HttpResponse,
        body: &Value,
    ) -> Result<Option<At>, PluginError> {
        let number = if let At::Number(number) = at { Some(*number) } else { None };
        Ok(match self {
            Self::Nothing => None,
            Self::Page(_, first) => (count > 0).then(|| At::Number(number.unwrap_or(*first).saturating_add(1))),
            Self::Offset(_) => (count > 0).then(|| At::Number(number.unwrap_or(0).saturating_add(count as u64))),
            Self::Cursor(_, path) => said(path.as_ref(), body)?.map(At::Cursor),
            Self::Link(path) => match said(path.as_ref(), body)? {
                Some(url) => Some(At::Link(path_of(&url)?)),
                None => None,
            },
            Self::LinkHeader => match next_link(answer) {
                Some(url) => Some(At::Link(path_of(url)?)),
                None => None,
            },
        })
    }
}

/// Text or a number in the answer; nothing, `null`, `false` and `""` are the end.
fn said(path: Option<&Path>, body: &Value) -> Result<Option<String>, PluginError> {
    match path.and_then(|path| path.first(body)) {
        None | Some(Value::Bool(false)) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(PluginError::Internal("list.paging.next leads to what is no text".to_owned())),
    }
}

/// Path and query of a link, which is followed on the API's own origin whatever origin it names: the plugin's
/// credentials go nowhere else.
fn path_of(link: &str) -> Result<String, PluginError> {
    let rest = link.strip_prefix("https://").or_else(|| link.strip_prefix("http://"));
    let path = match rest {
        Some(rest) => rest.find('/').map(|at| &rest[at..]),
        None => Some(link).filter(|link| link.starts_with('/') && !link.starts_with("//")),
    };
    let path = path.map(|path| path.split('#').next().unwrap_or_default().to_owned());
    path.ok_or_else(|| PluginError::Internal("the API's link to the next page is neither a URL nor a path".to_owned()))
}

/// RFC 8288 §3: `<url>; rel="next"`, among others.
fn next_link(answer: &HttpResponse) -> Option<&str> {
    let values = answer.headers.iter().filter(|(name, _)| name == "link");
    values.flat_map(|(_, value)| links(value)).find(|(_, parameters)| is_next(parameters)).map(|(url, _)| url)
}

/// Each URL of a header's value with what is behind it.
fn links(value: &str) -> Vec<(&str, &str)> {
    let (mut links, mut rest) = (Vec::new(), value);
    while let Some((_, behind)) = rest.split_once('<') {
        let Some((url, behind)) = behind.split_once('>') else { break };
        // A comma in a quoted parameter is followed by no "<" in practice; a URL has none.
        let end = behind.find('<').unwrap_or(behind.len());
        links.push((url.trim(), &behind[..end]));
        rest = &behind[end..];
    }
    links
}

fn is_next(parameters: &str) -> bool {
    parameters.split([';', ',']).any(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return false };
        let relations = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("rel")
            && relations.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_of_a_header_is_found() {
        let next = |value: &str| {
            let headers = vec![("link".to_owned(), value.to_owned())];
            next_link(&HttpResponse { headers, ..HttpResponse::default() }).map(str::to_owned)
        };
        for (value, url) in [
            ("</u?page=2>; rel=\"next\"", Some("/u?page=2")),
            (
                "<https://a/u?p=1,2>; rel=prev, <https://a/u?p=3>; rel=\"last next\"; title=\"x\"",
                Some("https://a/u?p=3"),
            ),
            ("</a>; REL=Next", Some("/a")),
            ("</a>; rel=\"prev\", </b>; title=\"next\"", None),
            ("</a; rel=next", None),
            ("", None),
        ] {
            assert_eq!(next(value).as_deref(), url, "{value}");
        }
    }

    #[test]
    fn a_link_leads_to_the_api_s_own_origin() {
        for (link, path) in [
            ("https://crm.example.com/u?page=2#x", Some("/u?page=2")),
            ("http://evil.example/u", Some("/u")),
            ("/u?page=2", Some("/u?page=2")),
            ("//evil.example/u", None),
            ("?page=2", None),
            ("ftp://a/b", None),
            ("https://a", None),
        ] {
            assert_eq!(path_of(link).ok().as_deref(), path, "{link}");
        }
    }
}
