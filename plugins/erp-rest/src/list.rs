//! `[list]`: the request for all accounts, or for those that have changed.
//!
//! A run by page or offset ends at the first empty page, not at one that is shorter than asked for: an API that caps its
//! pages would else seem to have lost everybody behind the first one.

use crate::api::{Api, body};
use crate::mapping::{Flag, Mapping};
use crate::paging::{At, Paging};
use crate::request::{Request, Slots};
use crate::select::Path;
use pintle_plugin_api::fields::Fields;
use pintle_plugin_api::{AccountChange, Call, HttpRequest, HttpResponse, PluginError, SourcePage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::{Duration, UNIX_EPOCH};

const FORMATS: [&str; 3] = ["rfc3339", "unix", "unix_ms"];
const OVERLAP_S: u64 = 600;
const PAGE_SIZE: u64 = 200;

/// See the module.
#[derive(Debug)]
pub(crate) struct List {
    request: Request,
    page_size: u32,
    items: Option<Path>,
    deleted: Option<Flag>,
    paging: Paging,
    changed: Option<Changed>,
}

/// `[list.changed]`.
#[derive(Debug)]
struct Changed {
    parameter: String,
    format: String,
    overlap_s: u64,
}

/// Where a run stands. Times are in seconds since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    began: Option<u64>,
    #[serde(default)]
    at: At,
    /// Items of this page that were given.
    #[serde(default)]
    given: usize,
    /// The first id of the page before: an API that repeats its pages would be asked for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
}

impl List {
    pub(crate) fn parse(fields: &Fields<'_>) -> Self {
        let request = Request::parse(fields, Slots { url: &["limit"], body: &["limit"] });
        let paging = fields.table("paging").map_or(Paging::Nothing, |fields| Paging::parse(&fields));
        if paging.follows_links() && !request.is_get() {
            fields.fault("method", "links are followed by GET only");
        }
        Self {
            request,
            page_size: fields.integer("page_size", 1..=10_000).unwrap_or(PAGE_SIZE) as u32,
            items: Path::of(fields, "items"),
            deleted: Flag::of(fields, "deleted"),
            paging,
            changed: fields.table("changed").map(|fields| Changed::parse(&fields)),
        }
    }

    pub(crate) fn pull(
        &self,
        api: &Api,
        mapping: &Mapping,
        call: &Call<'_>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<SourcePage, PluginError> {
        let cursor: Cursor = match cursor {
            None => Cursor::default(),
            Some(text) => serde_json::from_str(text)
                .map_err(|_| PluginError::Invalid("the cursor is none of this source's".to_owned()))?,
        };
        let answer = api.send(call, self.request(api, &cursor)?)?;
        let body = body(&answer)?;
        let items = self.items(&body)?;
        let began = cursor.began.or_else(|| date(&answer)).unwrap_or_else(|| call.host.now_ms() / 1000);
        let end = items.len().min(cursor.given.saturating_add(limit.max(1) as usize));
        let given = items.get(cursor.given..end).unwrap_or_default();
        let changes = given.iter().map(|item| self.change(mapping, item)).collect::<Result<Vec<_>, _>>()?;
        let following = if end < items.len() {
            Some(Cursor { given: end, ..cursor })
        } else {
            let next = self.paging.next(&cursor.at, items.len(), &answer, &body)?;
            self.following(mapping, &cursor, items, next)?
        };
        let complete = following.is_none();
        let next = match following {
            Some(cursor) => Some(Cursor { began: Some(began), ..cursor }),
            None => self.changed.as_ref().map(|_| Cursor { since: Some(began), ..Cursor::default() }),
        };
        let next = next.map(|cursor| serde_json::to_string(&cursor)).transpose();
        Ok(SourcePage { changes, next: next.map_err(|error| PluginError::Internal(error.to_string()))?, complete })
    }

    fn request(&self, api: &Api, cursor: &Cursor) -> Result<HttpRequest, PluginError> {
        let limit = self.page_size.to_string();
        let values = [("limit", limit.as_str())];
        if let At::Link(link) = &cursor.at {
            return Ok(self.request.to(format!("{}{link}", api.origin()), &values));
        }
        let since = self.changed.as_ref().zip(cursor.since).map(|(changed, since)| changed.value(since));
        let position = self.paging.parameter(&cursor.at);
        let mut more: Vec<(&str, &str)> = Vec::new();
        more.extend(since.as_ref().map(|(name, value)| (*name, value.as_str())));
        more.extend(position.as_ref().map(|(name, value)| (*name, value.as_str())));
        let request = self.request.fill(&api.base, &values, &more);
        request.ok_or_else(|| PluginError::Internal("list.path makes no request".to_owned()))
    }

    /// The one list that `items` leads to: one that is not there is no empty one, or everybody would be gone.
    fn items<'a>(&self, body: &'a Value) -> Result<&'a [Value], PluginError> {
        match self.items.as_ref().map_or_else(|| vec![body], |path| path.all(body)).as_slice() {
            [Value::Array(items)] => Ok(items),
            _ => Err(PluginError::Internal("list.items does not lead to a list in the API's answer".to_owned())),
        }
    }

    fn change(&self, mapping: &Mapping, item: &Value) -> Result<AccountChange, PluginError> {
        if self.deleted.as_ref().and_then(|deleted| deleted.is_set(item)).unwrap_or(false) {
            return mapping.id(item).map(AccountChange::Delete);
        }
        mapping.account(item).map(AccountChange::Upsert)
    }

    /// Where the run goes on behind this page's items; none where it is complete.
    fn following(
        &self,
        mapping: &Mapping,
        cursor: &Cursor,
        items: &[Value],
        next: Option<At>,
    ) -> Result<Option<Cursor>, PluginError> {
        let Some(at) = next else { return Ok(None) };
        let first = items.first().map(|item| mapping.id(item)).transpose()?;
        if at == cursor.at || (first.is_some() && first == cursor.before) {
            return Err(PluginError::Internal("the API repeats a page".to_owned()));
        }
        Ok(Some(Cursor { since: cursor.since, began: cursor.began, at, given: 0, before: first }))
    }
}

impl Changed {
    fn parse(fields: &Fields<'_>) -> Self {
        let overlap = fields.text("overlap").map(|text| {
            let parsed = humantime::parse_duration(text).ok();
            if parsed.is_none() {
                fields.fault("overlap", format_args!("expected a duration such as \"10m\", found {text:?}"));
            }
            parsed.unwrap_or_default().as_secs()
        });
        Self {
            parameter: fields
                .required_text("parameter", "the query's parameter for a time")
                .unwrap_or_default()
                .to_owned(),
            format: fields.one_of("format", &FORMATS).unwrap_or("rfc3339").to_owned(),
            overlap_s: overlap.unwrap_or(OVERLAP_S),
        }
    }

    fn value(&self, since: u64) -> (&str, String) {
        let since = since.saturating_sub(self.overlap_s).min(253_402_300_799);
        let value = match self.format.as_str() {
            "unix" => since.to_string(),
            "unix_ms" => format!("{since}000"),
            _ => humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(since)).to_string(),
        };
        (&self.parameter, value)
    }
}

/// The API's own time: what was written is compared with it.
fn date(answer: &HttpResponse) -> Option<u64> {
    let date = httpdate::parse_http_date(answer.header("date")?).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}
