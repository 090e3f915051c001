//! Accounts as lines of CSV or JSON.

use super::exit::Failure;
use clap::ValueEnum;
use pintle::admin::UserRow;
use pintle::clock::UnixTime;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;

/// The columns of CSV.
const COLUMNS: [&str; 8] = ["username", "password_hash", "name", "email", "groups", "disabled", "id", "created_at"];

/// Bytes of a line of JSON: a command to a server is not much longer.
const MAX_LINE: u64 = 192 * 1024;

/// How accounts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Csv,
    Jsonl,
}

impl Format {
    /// The one that was asked for, or that a file's name says.
    pub fn of(asked: Option<Self>, path: &Path) -> Result<Self, Failure> {
        let named = || match path.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        };
        asked.or_else(named).ok_or_else(|| Failure::usage("--format csv or --format jsonl is needed for this file"))
    }
}

/// A row and the number of its line, the first being 1; or what is wrong with it.
pub type Numbered = (u64, Result<UserRow, String>);

/// The rows of a file.
pub fn read(
    format: Format,
    source: impl BufRead + 'static,
) -> Result<Box<dyn Iterator<Item = io::Result<Numbered>>>, Failure> {
    match format {
        Format::Csv => csv_rows(source),
        Format::Jsonl => Ok(Box::new(JsonLines { source, line: 0 })),
    }
}

fn csv_rows(source: impl Read + 'static) -> Result<Box<dyn Iterator<Item = io::Result<Numbered>>>, Failure> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(source);
    let headers = reader.headers().map_err(|error| Failure::refused(format!("line 1: {error}")))?.clone();
    if let Some(unknown) = headers.iter().find(|header| !COLUMNS.contains(header)) {
        let known = COLUMNS.join(", ");
        return Err(Failure::refused(format!("line 1: there is no column {unknown:?}; the columns are {known}")));
    }
    if !headers.iter().any(|header| header == "username") {
        return Err(Failure::refused("line 1: there is no column username"));
    }
    let line = |error: &csv::Error| error.position().map_or(0, csv::Position::line);
    Ok(Box::new(reader.into_records().map(move |record| match record {
        Ok(record) => Ok((record.position().map_or(0, csv::Position::line), csv_row(&headers, &record))),
        Err(error) if error.is_io_error() => Err(io::Error::other(error)),
        Err(error) => Ok((line(&error), Err(error.to_string()))),
    })))
}

fn csv_row(headers: &csv::StringRecord, record: &csv::StringRecord) -> Result<UserRow, String> {
    if record.len() != headers.len() {
        return Err(format!("it has {} fields instead of {}", record.len(), headers.len()));
    }
    let mut row = UserRow::default();
    for (header, cell) in headers.iter().zip(record).filter(|(_, cell)| !cell.is_empty()) {
        let text = cell.to_owned();
        match header {
            "username" => row.username = text,
            "password_hash" => row.password_hash = Some(text.into()),
            "name" => row.name = Some(text),
            "email" => row.email = Some(text),
            "groups" => row.groups = Some(groups(cell)?),
            "disabled" => {
                row.disabled = Some(cell.parse().map_err(|_| "disabled is neither true nor false".to_owned())?)
            }
            "id" => row.id = Some(text),
            _ => row.created_at = Some(UnixTime(cell.parse().map_err(|_| "created_at is no number".to_owned())?)),
        }
    }
    Ok(row)
}

/// `a;b`, or a list as JSON.
fn groups(cell: &str) -> Result<Vec<String>, String> {
    if cell.starts_with('[') {
        return serde_json::from_str(cell).map_err(|_| "groups is no list of texts in JSON".to_owned());
    }
    Ok(cell.split(';').map(str::to_owned).collect())
}

/// An empty cell would leave an account's groups as they are.
fn groups_cell(groups: &[String]) -> String {
    let is_plain = |group: &String| !group.is_empty() && !group.contains(';') && !group.starts_with('[');
    if !groups.is_empty() && groups.iter().all(is_plain) {
        groups.join(";")
    } else {
        serde_json::json!(groups).to_string()
    }
}

struct JsonLines<R> {
    source: R,
    line: u64,
}

impl<R: BufRead> Iterator for JsonLines<R> {
    type Item = io::Result<Numbered>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut line = zeroize::Zeroizing::new(Vec::new());
            match self.source.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) => self.line += 1,
                Err(error) => return Some(Err(error)),
            }
            if line.len() as u64 == MAX_LINE && line.last() != Some(&b'\n') {
                let skipped = self.source.skip_until(b'\n');
                let outcome = (self.line, Err(format!("it has more than {MAX_LINE} bytes")));
                return Some(skipped.map(|_| outcome));
            }
            if !line.trim_ascii().is_empty() {
                // Of the error only where it is: its text may hold what stands there.
                let row = serde_json::from_slice(&line).map_err(|error| no_row(&error));
                return Some(Ok((self.line, row)));
            }
        }
    }
}

fn no_row(error: &serde_json::Error) -> String {
    let what = if error.is_data() { "not an account of these keys" } else { "no JSON" };
    format!("{what}, at column {}; the keys are {}", error.column(), COLUMNS.join(", "))
}

/// Writes rows.
pub enum RowWriter<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Jsonl(W),
}

impl<W: Write> RowWriter<W> {
    pub fn new(format: Format, target: W) -> io::Result<Self> {
        match format {
            Format::Jsonl => Ok(Self::Jsonl(target)),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(target);
                writer.write_record(COLUMNS)?;
                Ok(Self::Csv(Box::new(writer)))
            }
        }
    }

    pub fn write(&mut self, row: &UserRow) -> io::Result<()> {
        match self {
            Self::Jsonl(target) => {
                serde_json::to_writer(&mut *target, row)?;
                target.write_all(b"\n")
            }
            Self::Csv(writer) => {
                let text = |value: &Option<String>| value.clone().unwrap_or_default();
                writer.write_record([
                    row.username.as_str(),
                    row.password_hash.as_ref().map_or("", |hash| hash.0.as_str()),
                    &text(&row.name),
                    &text(&row.email),
                    &row.groups.as_deref().map(groups_cell).unwrap_or_default(),
                    &row.disabled.map(|disabled| disabled.to_string()).unwrap_or_default(),
                    &text(&row.id),
                    &row.created_at.map(|at| at.0.to_string()).unwrap_or_default(),
                ])?;
                Ok(())
            }
        }
    }

    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Jsonl(target) => target.flush(),
            Self::Csv(writer) => writer.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(format: Format, text: &'static str) -> Vec<Numbered> {
        read(format, text.as_bytes()).unwrap().collect::<io::Result<_>>().unwrap()
    }

    #[test]
    fn what_is_written_is_read_again_in_both_formats() {
        let row = UserRow {
            username: "d\"or,y".to_owned(),
            password_hash: Some("$argon2id$x".to_owned().into()),
            name: Some("Dory\nBlue".to_owned()),
            email: None,
            groups: Some(vec!["a;b".to_owned(), "c".to_owned()]),
            disabled: Some(true),
            id: Some("1".to_owned()),
            created_at: Some(UnixTime(7)),
        };
        for format in [Format::Csv, Format::Jsonl] {
            let mut bytes = Vec::new();
            let mut writer = RowWriter::new(format, &mut bytes).unwrap();
            writer.write(&row).unwrap();
            writer.flush().unwrap();
            drop(writer);
            let read = read(format, io::Cursor::new(bytes)).unwrap().next().unwrap().unwrap();
            assert_eq!(read.1.unwrap(), row, "{format:?}");
        }
    }

    #[test]
    fn a_bad_line_is_named_and_the_next_one_read() {
        let found =
            rows(Format::Csv, "username,groups,disabled\nann,a;b,\nbob,\neve,,maybe\n\"multi\nline\",[\"x\"],true\n");
        let outcome =
            |(line, row): &Numbered| (*line, row.as_ref().map(|row| row.username.clone()).map_err(|e| e.len() > 5));
        let ok = |name: &str| Ok(name.to_owned());
        let expected = [(2, ok("ann")), (3, Err(true)), (4, Err(true)), (5, ok("multi\nline"))];
        assert_eq!(found.iter().map(outcome).collect::<Vec<_>>(), expected);
        let found = rows(
            Format::Jsonl,
            "{\"username\":\"ann\"}\n\n{\"username\":1}\n{\"user\":\"x\"}\nnonsense\n{\"username\":\"bob\"}",
        );
        let expected = [(1, ok("ann")), (3, Err(true)), (4, Err(true)), (5, Err(true)), (6, ok("bob"))];
        assert_eq!(found.iter().map(outcome).collect::<Vec<_>>(), expected);
        assert!(read(Format::Csv, "username,pasword\n".as_bytes()).is_err());
        assert!(read(Format::Csv, "name\nx\n".as_bytes()).is_err());
    }
}
