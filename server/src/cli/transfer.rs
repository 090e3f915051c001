//! `pintle user import | export`.

use super::admin::Place;
use super::args::{UserExport, UserImport};
use super::exit::Failure;
use super::open::Opening;
use super::progress::Progress;
use super::user_rows::{self, Format, RowWriter};
use super::{block_on, log, text};
use pintle::admin::{Command, ImportUsers, UserRow};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Accounts of one command.
const BATCH: usize = 64;
/// And their bytes, as JSON: the server takes no longer commands.
const BATCH_BYTES: usize = 200 * 1024;
/// Refused rows that `--json` lists; all are counted, and said on standard error.
const MOST_LISTED: usize = 1000;

pub fn export(open: &Opening, args: &UserExport) -> Result<(), Failure> {
    log::install_for_command()?;
    let format = match &args.output {
        Some(path) => Format::of(args.format, path)?,
        None => args.format.unwrap_or(Format::Jsonl),
    };
    block_on(async {
        let mut place = Place::find_for(open, &Command::UserExport { after: None }).await?;
        let target: Box<dyn Write> = match &args.output {
            Some(path) => Box::new(private_file(path).map_err(|error| unwritten(path, &error))?),
            None => Box::new(io::stdout()),
        };
        let unwritten = |error| unwritten(args.output.as_deref().unwrap_or(Path::new("standard output")), &error);
        let mut writer = RowWriter::new(format, BufWriter::new(target)).map_err(unwritten)?;
        let (mut after, mut count, progress) = (None, 0, Progress::new(None, "accounts"));
        loop {
            let mut page = place.once(Command::UserExport { after }).await?;
            let rows: Vec<UserRow> = serde_json::from_value(page["items"].take()).map_err(Failure::unavailable)?;
            rows.iter().try_for_each(|row| writer.write(row)).map_err(unwritten)?;
            count += rows.len() as u64;
            progress.at(count, "");
            match page["next"].take() {
                Value::String(next) => after = Some(next),
                _ => return writer.flush().map_err(unwritten),
            }
        }
    })
}

/// Password hashes are nobody else's business.
fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::unavailable(format!("cannot write {}: {error}", path.display()))
}

pub fn import(open: &Opening, json: bool, args: &UserImport) -> Result<(), Failure> {
    log::install_for_command()?;
    let is_stdin = args.file == Path::new("-");
    let format = match args.format {
        Some(format) => format,
        None => Format::of(None, &args.file)?,
    };
    let unread = |error: io::Error| Failure::refused(format!("cannot read {}: {error}", args.file.display()));
    let (source, size): (Box<dyn Read>, _) = if is_stdin {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(&args.file).map_err(unread)?;
        let size = file.metadata().map_err(unread)?.len();
        (Box::new(file), Some(size))
    };
    let read = Arc::new(AtomicU64::new(0));
    let rows = user_rows::read(format, BufReader::new(Counted { source, read: read.clone() }))?;
    block_on(async {
        let progress = Progress::new(size, "bytes");
        let empty = ImportUsers { rows: Vec::new(), update: args.update, dry_run: args.dry_run };
        let place = Place::find_for(open, &Command::UserImport(empty.clone())).await?;
        let mut import = Import { place, empty, waiting: Vec::new(), bytes: 0, report: Report::default(), progress };
        for row in rows {
            let (line, row) = row.map_err(unread)?;
            match row {
                Ok(row) => import.add(line, row).await?,
                Err(why) => import.report.refuse(&import.progress, line, "", &why),
            }
            import.progress.at(read.load(Relaxed), "");
        }
        import.send().await?;
        let Import { report, progress, .. } = import;
        drop(progress);
        report.end(json, args.dry_run)
    })
}

/// Counts what is read.
struct Counted {
    source: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read.fetch_add(count as u64, Relaxed);
        Ok(count)
    }
}

struct Import {
    place: Place,
    empty: ImportUsers,
    /// Rows of the next command, and their lines.
    waiting: Vec<(u64, UserRow)>,
    bytes: usize,
    report: Report,
    progress: Progress,
}

impl Import {
    async fn add(&mut self, line: u64, row: UserRow) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(&row).map(zeroize::Zeroizing::new).map_err(Failure::refused)?.len();
        if bytes > BATCH_BYTES {
            self.report.refuse(&self.progress, line, &row.username, "it is too long");
            return Ok(());
        }
        if self.waiting.len() == BATCH || self.bytes + bytes > BATCH_BYTES {
            self.send().await?;
        }
        self.bytes += bytes + 1;
        self.waiting.push((line, row));
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Failure> {
        self.bytes = 0;
        let (lines, rows): (Vec<u64>, Vec<UserRow>) = std::mem::take(&mut self.waiting).into_iter().unzip();
        if rows.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = rows.iter().map(|row| row.username.clone()).collect();
        let answer = self.place.once(Command::UserImport(ImportUsers { rows, ..self.empty.clone() })).await;
        // What came before is done: who imports the file again with --update finishes it.
        let first = lines.first().copied().unwrap_or_default();
        let answer =
            answer.inspect_err(|_| self.progress.say(&format!("nothing from line {first} on was confirmed")))?;
        let outcomes = answer["outcomes"].as_array().map(Vec::as_slice).unwrap_or_default();
        for ((line, name), outcome) in lines.into_iter().zip(names).zip(outcomes) {
            match (outcome.as_str(), outcome["refused"].as_str()) {
                (Some("added"), _) => self.report.added += 1,
                (Some("updated"), _) => self.report.updated += 1,
                (_, why) => self.report.refuse(&self.progress, line, &name, why.unwrap_or("no outcome")),
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Report {
    added: u64,
    updated: u64,
    refused: u64,
    listed: Vec<Value>,
}

impl Report {
    fn refuse(&mut self, progress: &Progress, line: u64, name: &str, why: &str) {
        self.refused += 1;
        let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
        let of = if name.is_empty() { String::new() } else { format!(" ({shown})") };
        progress.say(&format!("line {line}{of}: {why}"));
        if self.listed.len() < MOST_LISTED {
            self.listed.push(json!({ "line": line, "username": name, "reason": why }));
        }
    }

    fn end(self, json: bool, dry_run: bool) -> Result<(), Failure> {
        let Self { added, updated, refused, listed } = self;
        if json {
            let counts = json!({ "added": added, "updated": updated, "refused": refused });
            text::print_json(&json!({ "dry_run": dry_run, "counts": counts, "refused": listed }));
        } else {
            let would = if dry_run { "would be " } else { "" };
            text::print(&format!("{added} {would}added, {updated} {would}updated, {refused} refused\n"));
        }
        if refused == 0 { Ok(()) } else { Err(Failure::refused(format!("{refused} rows were refused"))) }
    }
}
