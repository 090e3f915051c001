//! All users, or those that have changed, page by page in the order of their ids, so that a change in the middle of a run
//! moves nobody from one page to another.
//!
//! A run that follows another asks for what was written since the other began, by Tryton's own clock (the `Date` of its
//! first answer) and [`OVERLAP_S`] before it: a transaction carries the time of its beginning and is seen at its end.
//! What comes twice changes nothing.

use crate::rpc::Rpc;
use crate::user::{User, search};
use pintle_plugin_api::{AccountChange, Call, PluginError, SourcePage};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// In seconds.
const OVERLAP_S: u64 = 600;
/// Users of one page: about 1 MB.
const MAX_PAGE: u32 = 1000;

/// Where a run stands. Times are in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// What was written since then is asked for; without it, everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    /// The last user that was given.
    after: i64,
    /// When the run began; none before its first page.
    #[serde(skip_serializing_if = "Option::is_none")]
    began: Option<u64>,
}

/// One page.
pub(crate) fn pull(rpc: &Rpc, call: &Call<'_>, cursor: Option<&str>, limit: u32) -> Result<SourcePage, PluginError> {
    let cursor = match cursor {
        None => Cursor::default(),
        Some(text) => serde_json::from_str(text)
            .map_err(|_| PluginError::Invalid("the cursor is none of this source's".to_owned()))?,
    };
    let limit = limit.clamp(1, MAX_PAGE);
    let (users, at) = search(rpc, call, &cursor.domain(), limit)?;
    let began = cursor.began.or(at).unwrap_or_else(|| call.host.now_ms() / 1000);
    let complete = users.len() < limit as usize;
    let next = if complete {
        Cursor { since: Some(began), after: 0, began: None }
    } else {
        let after = users.last().map_or(cursor.after, |user| user.id);
        Cursor { after, began: Some(began), ..cursor }
    };
    let next = serde_json::to_string(&next).map_err(|error| PluginError::Internal(error.to_string()))?;
    let is_account = |user: &User| user.login != rpc.config().service_user;
    let upsert = |user: User| AccountChange::Upsert(user.into_account(rpc.config()));
    Ok(SourcePage { changes: users.into_iter().filter(is_account).map(upsert).collect(), next: Some(next), complete })
}

impl Cursor {
    /// Tryton's own `root` has the id 0 and is nobody.
    fn domain(self) -> Value {
        let Some(since) = self.since else { return json!([["id", ">", self.after]]) };
        let since = datetime(since.saturating_sub(OVERLAP_S));
        let written = |field: &str| json!([field, ">=", since]);
        let changed = json!(["OR", written("create_date"), written("write_date"), written("groups.write_date")]);
        json!([["id", ">", self.after], changed])
    }
}

/// Tryton's JSON for a point in time; its dates are in UTC.
fn datetime(seconds: u64) -> Value {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    json!({
        "__class__": "datetime", "year": year, "month": month, "day": day,
        "hour": of_day / 3600, "minute": of_day / 60 % 60, "second": of_day % 60, "microsecond": 0,
    })
}

/// The date of a number of days since the Unix epoch (Hinnant, "chrono-compatible low-level date algorithms").
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_tryton_s() {
        let parts = |seconds| {
            let value = datetime(seconds);
            ["year", "month", "day", "hour", "minute", "second"].map(|key| value[key].as_u64().unwrap())
        };
        assert_eq!(parts(0), [1970, 1, 1, 0, 0, 0]);
        assert_eq!(parts(951_827_696), [2000, 2, 29, 12, 34, 56]);
        assert_eq!(parts(1_798_761_599), [2026, 12, 31, 23, 59, 59]);
        assert_eq!(parts(4_107_542_400), [2100, 3, 1, 0, 0, 0]);
    }

    #[test]
    fn a_run_that_follows_asks_for_what_was_written_since_before_the_other_began() {
        let cursor: Cursor = serde_json::from_str(r#"{"since":86400,"after":7}"#).unwrap();
        let since = json!({"__class__": "datetime", "year": 1970, "month": 1, "day": 1, "hour": 23, "minute": 50,
            "second": 0, "microsecond": 0});
        let changed = json!([
            "OR",
            ["create_date", ">=", since],
            ["write_date", ">=", since],
            ["groups.write_date", ">=", since]
        ]);
        assert_eq!(cursor.domain(), json!([["id", ">", 7], changed]));
        assert_eq!(Cursor::default().domain(), json!([["id", ">", 0]]));
    }
}
