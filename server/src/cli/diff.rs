//! `pintle plugin diff`: what plugins in shadow said, as a page for people.

use super::admin::Place;
use super::exit::Failure;
use super::open::Opening;
use super::{block_on, log, text};
use pintle::admin::Command;
use serde_json::Value;

const SHADOWS: &[(&str, &str)] = &[
    ("SHADOW", "shadow"),
    ("OF", "live"),
    ("SAME", "same"),
    ("DIFFERENT", "different"),
    ("SKIPPED", "skipped"),
    ("MS", "shadow_ms"),
    ("MS OF THE OTHER", "live_ms"),
];
const DIFFERENCES: &[(&str, &str)] = &[
    ("WHEN", "compared_at"),
    ("SHADOW", "shadow"),
    ("KIND", "kind"),
    ("USER", "user"),
    ("FACT", "fact"),
    ("LIVE", "live_answer"),
    ("IN SHADOW", "shadow_answer"),
    ("REQUEST", "request_id"),
];

pub fn show(open: &Opening, json: bool, shadow: Option<String>) -> Result<(), Failure> {
    log::install_for_command()?;
    let answer = block_on(ask(open, Command::PluginDiff { shadow }))?;
    if json {
        text::print_json(&answer);
    } else {
        text::print(&page(&answer));
    }
    Ok(())
}

async fn ask(open: &Opening, command: Command) -> Result<Value, Failure> {
    match Place::find_for(open, &command).await? {
        mut server @ Place::Server(_) => server.once(command).await,
        Place::Store(_) => {
            Err(Failure::refused("no server is running, and only its memory has what its shadows answered"))
        }
    }
}

fn page(answer: &Value) -> String {
    let rows = |key: &str| answer[key].as_array().map(Vec::as_slice).unwrap_or_default().to_vec();
    let (shadows, differences) = (rows("shadows"), rows("differences"));
    if shadows.is_empty() {
        return "no plugin is in shadow; shadow = \"<plugin>\" in an entry of [plugins] makes it one\n".to_owned();
    }
    let sums = text::table(SHADOWS, &shadows);
    if differences.is_empty() {
        return sums;
    }
    format!("{sums}\n{}", text::table(DIFFERENCES, &differences))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_shows_the_sums_and_each_difference() {
        let nothing = page(&json!({ "shadows": [], "differences": [] }));
        assert!(nothing.starts_with("no plugin is in shadow"), "{nothing}");
        let mut answer = json!({
            "shadows": [{
                "shadow": "next", "live": "ldap", "same": 7, "different": 1, "skipped": 0, "live_ms": 12, "shadow_ms": 9,
            }],
            "differences": [{
                "compared_at": 1_700_000_000, "shadow": "next", "live": "ldap", "kind": "user-verifier",
                "request_id": "r1", "user": "ann", "fact": "groups", "live_answer": "a b", "shadow_answer": "a",
            }],
        });
        let expected = "\
SHADOW  OF    SAME  DIFFERENT  SKIPPED  MS  MS OF THE OTHER
next    ldap  7     1          0        9   12

WHEN                  SHADOW  KIND           USER  FACT    LIVE  IN SHADOW  REQUEST
2023-11-14T22:13:20Z  next    user-verifier  ann   groups  a b   a          r1
";
        assert_eq!(page(&answer), expected);
        answer["differences"] = json!([]);
        assert_eq!(page(&answer).lines().count(), 2);
    }
}
