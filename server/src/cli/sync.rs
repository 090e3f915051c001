//! `pintle sync …`.

use super::admin::{Place, Shown, answer};
use super::args::{SyncCommand, SyncRunArgs};
use super::exit::Failure;
use super::open::Opening;
use super::progress::Progress;
use super::{block_on, log, text};
use pintle::admin::{Command, SyncPreview, SyncRun};
use pintle::flow::sync::preview::{Difference, Guard, PreviewPage, What};
use pintle::flow::sync::records::RunKind;
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Differences that are listed; all are counted.
const MOST_LISTED: usize = 1000;

const SYNCS: &[(&str, &str)] = &[
    ("PLUGIN", "plugin"),
    ("ACCOUNTS", "accounts"),
    ("STATE", "state"),
    ("LAST", "last_at"),
    ("LAST FULL", "last_full_at"),
    ("DUE", "due_at"),
    ("ERROR", "error"),
];
const DIFFERENCES: &[(&str, &str)] = &[("WHAT", "what"), ("ID", "id"), ("NAME", "username"), ("CHANGES", "fields")];

pub fn sync(open: &Opening, json: bool, command: SyncCommand) -> Result<(), Failure> {
    match command {
        SyncCommand::List => answer(open, json, Command::SyncList, Shown::Table(SYNCS)),
        SyncCommand::Run(args) => {
            log::install_for_command()?;
            let said =
                block_on(async { if args.dry_run { preview(open, &args).await } else { run(open, &args).await } })?;
            if json {
                text::print_json(&said)
            } else {
                text::print(&sentence(&said))
            }
            Ok(())
        }
    }
}

async fn run(open: &Opening, args: &SyncRunArgs) -> Result<Value, Failure> {
    let mut step = SyncRun { plugin: args.plugin.clone(), number: None, full: args.full, force: args.force };
    let mut place = Place::find_for(open, &Command::SyncRun(step.clone())).await?;
    let mut progress: Option<Progress> = None;
    loop {
        let answer = place.once(Command::SyncRun(step.clone())).await?;
        if answer["done"] == true {
            return Ok(answer);
        }
        step.number = answer["number"].as_u64();
        let known = answer["known_before"].as_u64().filter(|known| *known > 0 && answer["kind"] == "full");
        let progress = progress.get_or_insert_with(|| Progress::new(known, "accounts"));
        progress.at(answer["seen"].as_u64().unwrap_or_default(), answer["phase"].as_str().unwrap_or_default());
    }
}

/// What has been found.
#[derive(Default)]
struct Found {
    added: u64,
    changed: u64,
    disabled: u64,
    removed: u64,
    listed: Vec<Difference>,
}

impl Found {
    fn add(&mut self, difference: Difference) {
        match difference.what {
            What::Add => self.added += 1,
            What::Change => self.changed += 1,
            What::Disable => self.disabled += 1,
            What::Remove => self.removed += 1,
        }
        if self.listed.len() < MOST_LISTED {
            self.listed.push(difference);
        }
    }

    fn into_json(self, first: &PreviewPage) -> Value {
        let Self { added, changed, disabled, removed, listed } = self;
        let refuses = |guard: &Guard| guard.refuses(disabled + removed);
        let refused = first.guard.as_ref().is_some_and(refuses);
        json!({
            "dry_run": true, "kind": first.kind, "goes_on": first.goes_on.is_some(), "accounts": first.known,
            "counts": { "added": added, "changed": changed, "disabled": disabled, "removed": removed },
            "refused": refused, "refuse_removal_over": first.guard.map(|guard| guard.most.to_string()),
            "truncated": added + changed + disabled + removed > listed.len() as u64, "differences": listed,
        })
    }
}

/// Of each account that a full run names eight bytes are kept here, so that those which it does not name show.
async fn preview(open: &Opening, args: &SyncRunArgs) -> Result<Value, Failure> {
    let mut ask = SyncPreview { plugin: args.plugin.clone(), full: args.full, at: None };
    let mut place = Place::find_for(open, &Command::SyncPreview(ask.clone())).await?;
    let (mut found, mut seen) = (Found::default(), Vec::new());
    let mut progress: Option<Progress> = None;
    let mut first = None;
    let first = loop {
        let answer = place.once(Command::SyncPreview(ask.clone())).await?;
        let mut page: PreviewPage = serde_json::from_value(answer).map_err(Failure::unavailable)?;
        seen.extend(page.seen.iter().map(|id| hash(id)));
        for difference in std::mem::take(&mut page.differences) {
            if difference.what == What::Remove {
                seen.push(hash(&difference.id));
            }
            found.add(difference);
        }
        let known = Some(page.known).filter(|known| *known > 0 && page.kind == RunKind::Full);
        progress.get_or_insert_with(|| Progress::new(known, "accounts")).at(seen.len() as u64, "pulling");
        ask.at = page.next.take().map(|next| (page.kind, next));
        let first = first.get_or_insert(page);
        if ask.at.is_none() {
            break first.clone();
        }
    };
    if first.kind == RunKind::Full {
        seen.sort_unstable();
        let is_seen = |id: &str, run: Option<u64>| {
            (run.is_some() && run == first.goes_on) || seen.binary_search(&hash(id)).is_ok()
        };
        missing(&mut place, &args.plugin, is_seen, &mut found).await?;
    }
    Ok(found.into_json(&first))
}

/// Finds the known accounts that are not seen, by their ids and the run that last named them.
async fn missing(
    place: &mut Place,
    plugin: &str,
    is_seen: impl Fn(&str, Option<u64>) -> bool,
    found: &mut Found,
) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let mut page = place.once(Command::SyncKnown { plugin: plugin.to_owned(), after }).await?;
        for account in page["items"].as_array().into_iter().flatten() {
            let of = |key: &str| account[key].as_str().unwrap_or_default().to_owned();
            if !is_seen(&of("id"), account["seen_in"].as_u64()) {
                found.add(Difference {
                    what: What::Remove,
                    id: of("id"),
                    username: of("username"),
                    fields: Vec::new(),
                });
            }
        }
        match page["next"].take() {
            Value::String(next) => after = Some(next),
            _ => return Ok(()),
        }
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

fn sentence(said: &Value) -> String {
    let counts = &said["counts"];
    let kind = said["kind"].as_str().unwrap_or_default();
    if said["dry_run"] != true {
        return format!(
            "{kind} run: {} added, {} changed, {} disabled, {} unchanged, {} removed; {} accounts\n",
            counts["added"],
            counts["changed"],
            counts["disabled"],
            counts["unchanged"],
            counts["removed"],
            said["accounts"]
        );
    }
    let listed = said["differences"].as_array().map(Vec::as_slice).unwrap_or_default();
    let table = if listed.is_empty() { String::new() } else { text::table(DIFFERENCES, listed) };
    let more = if said["truncated"] == true { format!("(the first {MOST_LISTED} of them)\n") } else { String::new() };
    let run = if said["goes_on"] == true {
        format!("the {kind} run in progress would still")
    } else {
        format!("a {kind} run would")
    };
    let most = said["refuse_removal_over"].as_str().unwrap_or_default();
    let refused = if said["refused"] == true {
        format!("it would be refused: that is more than refuse_removal_over = \"{most}\" allows\n")
    } else {
        String::new()
    };
    format!(
        "{table}{more}{run} add {}, change {}, disable {} and remove {} of {} accounts\n{refused}",
        counts["added"], counts["changed"], counts["disabled"], counts["removed"], said["accounts"]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle::config::model::Share;

    fn said(disabled: usize, goes_on: Option<u64>, guard: Option<Guard>) -> Value {
        let (kind, known) = (RunKind::Full, 100);
        let first = PreviewPage { kind, goes_on, known, guard, differences: Vec::new(), seen: Vec::new(), next: None };
        let mut found = Found::default();
        for number in 0..disabled {
            let (id, username) = (number.to_string(), format!("user{number}"));
            found.add(Difference { what: What::Disable, id, username, fields: vec!["disabled".to_owned()] });
        }
        found.into_json(&first)
    }

    #[test]
    fn a_dry_run_says_whether_the_run_would_be_refused() {
        let guard = Some(Guard { ended_before: 3, known_before: 100, most: Share(500) });
        let within = said(2, None, guard);
        assert_eq!((&within["refused"], &within["counts"]["disabled"]), (&json!(false), &json!(2)));
        let text = sentence(&within);
        assert!(text.ends_with("a full run would add 0, change 0, disable 2 and remove 0 of 100 accounts\n"), "{text}");
        assert!(text.contains("user1"), "{text}");
        let beyond = said(3, Some(7), guard);
        assert_eq!((&beyond["refused"], &beyond["goes_on"]), (&json!(true), &json!(true)));
        let text = sentence(&beyond);
        assert!(text.contains("the full run in progress would still add 0, change 0, disable 3 and"), "{text}");
        assert!(text.ends_with("refused: that is more than refuse_removal_over = \"5%\" allows\n"), "{text}");
        assert_eq!(said(100, Some(7), None)["refused"], false, "it is decided already");
    }
}
