//! `pintle sync …`.

use super::admin::{Place, Shown, answer};
use super::args::{SyncCommand, SyncRunArgs};
use super::exit::Failure;
use super::open::Opening;
use super::progress::Progress;
use super::{block_on, log, text};
use pintle::admin::{Command, SyncPreview, SyncRun};
use pintle::flow::sync::preview::{Difference, PreviewPage, What};
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
    removed: u64,
    listed: Vec<Difference>,
}

impl Found {
    fn add(&mut self, difference: Difference) {
        match difference.what {
            What::Add => self.added += 1,
            What::Change => self.changed += 1,
            What::Remove => self.removed += 1,
        }
        if self.listed.len() < MOST_LISTED {
            self.listed.push(difference);
        }
    }
}

/// Of each account that a full run names eight bytes are kept here, so that those which it does not name show.
async fn preview(open: &Opening, args: &SyncRunArgs) -> Result<Value, Failure> {
    let mut ask = SyncPreview { plugin: args.plugin.clone(), full: args.full, at: None };
    let mut place = Place::find_for(open, &Command::SyncPreview(ask.clone())).await?;
    let (mut found, mut seen) = (Found::default(), Vec::new());
    let mut progress: Option<Progress> = None;
    let (kind, known) = loop {
        let answer = place.once(Command::SyncPreview(ask.clone())).await?;
        let page: PreviewPage = serde_json::from_value(answer).map_err(Failure::unavailable)?;
        seen.extend(page.seen.iter().map(|id| hash(id)));
        for difference in page.differences {
            if difference.what == What::Remove {
                seen.push(hash(&difference.id));
            }
            found.add(difference);
        }
        let known = Some(page.known).filter(|known| *known > 0 && page.kind == RunKind::Full);
        progress.get_or_insert_with(|| Progress::new(known, "accounts")).at(seen.len() as u64, "pulling");
        match page.next {
            Some(next) => ask.at = Some((page.kind, next)),
            None => break (page.kind, page.known),
        }
    };
    if kind == RunKind::Full {
        seen.sort_unstable();
        missing(&mut place, &args.plugin, &seen, &mut found).await?;
    }
    let Found { added, changed, removed, listed } = found;
    Ok(json!({
        "dry_run": true, "kind": kind, "accounts": known,
        "counts": { "added": added, "changed": changed, "removed": removed },
        "truncated": added + changed + removed > listed.len() as u64, "differences": listed,
    }))
}

/// Finds the known accounts that are not among `seen`.
async fn missing(place: &mut Place, plugin: &str, seen: &[u64], found: &mut Found) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let mut page = place.once(Command::SyncKnown { plugin: plugin.to_owned(), after }).await?;
        for account in page["items"].as_array().into_iter().flatten() {
            let of = |key: &str| account[key].as_str().unwrap_or_default().to_owned();
            if seen.binary_search(&hash(&of("id"))).is_err() {
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
            "{kind} run: {} added, {} changed, {} unchanged, {} removed; {} accounts\n",
            counts["added"], counts["changed"], counts["unchanged"], counts["removed"], said["accounts"]
        );
    }
    let listed = said["differences"].as_array().map(Vec::as_slice).unwrap_or_default();
    let table = if listed.is_empty() { String::new() } else { text::table(DIFFERENCES, listed) };
    let more = if said["truncated"] == true { format!("(the first {MOST_LISTED} of them)\n") } else { String::new() };
    format!(
        "{table}{more}a {kind} run would add {}, change {} and remove {} of {} accounts\n",
        counts["added"], counts["changed"], counts["removed"], said["accounts"]
    )
}
