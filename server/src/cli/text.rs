//! Answers for people.

use pintle::printable;
use serde_json::{Map, Value};
use std::io::Write;

/// Prints to standard output. Control characters are shown escaped: a name must not steer the terminal.
pub fn print(text: &str) {
    print_as_it_is(&printable::lines(text));
}

/// Prints what is ours to standard output. Whoever closed it wants no more.
pub fn print_as_it_is(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Prints a value as `--json` does.
pub fn print_json(value: &Value) {
    print_as_it_is(&printable::json(&format!("{value:#}\n")));
}

/// Prints an answer as JSON, or an object for people.
#[cfg(feature = "wasm")]
pub fn answer(json: bool, answer: &Value) {
    match answer {
        Value::Object(object) if !json => print(&self::object(object)),
        answer => print_json(answer),
    }
}

/// A table with a column for each of `columns`: title and key.
pub fn table(columns: &[(&str, &str)], rows: &[Value]) -> String {
    let mut cells = vec![columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>()];
    cells.extend(rows.iter().map(|row| columns.iter().map(|(_, key)| cell(key, &row[*key])).collect()));
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    cells.iter().map(line).collect()
}

/// An object, a key on each line.
pub fn object(object: &Map<String, Value>) -> String {
    let width = object.keys().map(String::len).max().unwrap_or_default() + 1;
    object.iter().map(|(key, value)| format!("{:<width$} {}\n", format!("{key}:"), cell(key, value))).collect()
}

/// On one line, whatever is in it.
fn cell(key: &str, value: &Value) -> String {
    let plain = match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_u64().filter(|_| is_time(key)).map_or_else(|| number.to_string(), time),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(|value| cell(key, value)).collect::<Vec<_>>().join(" "),
        Value::Object(object) => {
            object.iter().map(|(key, value)| format!("{key}={}", cell(key, value))).collect::<Vec<_>>().join(" ")
        }
    };
    printable::one_line(&plain)
}

fn is_time(key: &str) -> bool {
    ["_at", "_from", "_until", "last_failure"].iter().any(|end| key.ends_with(end))
        || matches!(key, "exp" | "iat" | "auth_time")
}

/// The last second of the year 9999: RFC 3339 writes no later one.
const LAST_SECOND: u64 = 253_402_300_799;

/// A time in seconds since the Unix epoch, for people.
pub fn time(seconds: u64) -> String {
    if seconds > LAST_SECOND {
        return seconds.to_string();
    }
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_aligns_its_columns_and_shows_times_and_lists() {
        let rows = [json!({ "name": "dory", "groups": ["a", "b"], "created_at": 0, "disabled": false })];
        let columns = [("NAME", "name"), ("GROUPS", "groups"), ("CREATED", "created_at"), ("DISABLED", "disabled")];
        let expected = "NAME  GROUPS  CREATED               DISABLED\ndory  a b     1970-01-01T00:00:00Z  no\n";
        assert_eq!(table(&columns, &rows), expected);
    }

    #[test]
    fn a_name_does_not_steer_the_terminal_and_a_time_beyond_all_calendars_is_a_number() {
        assert_eq!(cell("name", &json!("a\u{1b}[31m")), "a\\u{1b}[31m");
        assert_eq!(cell("exp", &json!(u64::MAX)), u64::MAX.to_string());
        assert_eq!(cell("exp", &json!(LAST_SECOND)), "9999-12-31T23:59:59Z");
        assert_eq!(cell("exp", &json!(LAST_SECOND + 1)), "253402300800");
    }
}
