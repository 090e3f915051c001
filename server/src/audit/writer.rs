use crate::clock::Clock;
use crate::metrics::Metrics;
use serde::Serialize;
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Lines that wait for the disk; at most about 8 MB.
const QUEUE: usize = 8192;

/// A thread that appends lines to a file.
#[derive(Debug)]
pub struct Writer {
    /// None only while dropping.
    queue: Option<SyncSender<String>>,
    thread: Option<JoinHandle<()>>,
    missing: Arc<AtomicU64>,
    metrics: Metrics,
}

struct Appender {
    path: PathBuf,
    file: File,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    /// Lines that are not in the file and not yet reported there.
    missing: Arc<AtomicU64>,
    /// The last write failed, perhaps amid a line.
    torn: bool,
}

#[derive(Serialize)]
struct Dropped {
    event: &'static str,
    count: u64,
}

impl Writer {
    pub fn start(path: &Path, clock: Arc<dyn Clock>, metrics: Metrics) -> io::Result<Self> {
        Self::with_queue(path, clock, metrics, QUEUE)
    }

    pub fn with_queue(path: &Path, clock: Arc<dyn Clock>, metrics: Metrics, queue: usize) -> io::Result<Self> {
        let missing = Arc::new(AtomicU64::new(0));
        let appender = Appender {
            path: path.to_owned(),
            file: open(path)?,
            clock,
            metrics: metrics.clone(),
            missing: missing.clone(),
            torn: false,
        };
        let (queue, lines) = sync_channel(queue);
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || appender.run(&lines))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), missing, metrics })
    }

    /// Queues `line`; if there is no room, it is counted as missing.
    pub fn write(&self, line: String) {
        if self.queue.as_ref().is_none_or(|queue| queue.try_send(line).is_err()) {
            self.missing.fetch_add(1, Relaxed);
            self.metrics.audit_dropped();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Appender {
    fn run(mut self, lines: &Receiver<String>) {
        while let Ok(line) = lines.recv() {
            self.report_missing();
            self.append_or_count(&line, 1);
        }
        self.report_missing();
    }

    fn report_missing(&mut self) {
        let count = self.missing.swap(0, Relaxed);
        if count > 0 {
            let line = super::line(&*self.clock, &Dropped { event: "audit.dropped", count });
            self.append_or_count(&line, 0);
            if self.torn {
                self.missing.fetch_add(count, Relaxed);
            }
        }
    }

    /// `lost`: how many records a failure loses.
    fn append_or_count(&mut self, line: &str, lost: u64) {
        let failed = self.append(line).err();
        if let Some(cause) = &failed {
            self.missing.fetch_add(lost, Relaxed);
            (0..lost).for_each(|_| self.metrics.audit_dropped());
            if !self.torn {
                tracing::error!(path = %self.path.display(), %cause, "the audit file cannot be written");
            }
        }
        self.torn = failed.is_some();
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        self.follow_rotation()?;
        let start = if self.torn { "\n" } else { "" };
        // One write: a reader never sees half a line of a healthy disk.
        self.file.write_all(format!("{start}{line}\n").as_bytes())
    }

    fn follow_rotation(&mut self) -> io::Result<()> {
        let held = self.file.metadata()?;
        let named = std::fs::metadata(&self.path).ok();
        if named.is_none_or(|named| (named.dev(), named.ino()) != (held.dev(), held.ino())) {
            self.file = open(&self.path)?;
            self.torn = false;
        }
        Ok(())
    }
}

/// Whether [`AuditLog::open`](super::AuditLog::open) could append to `path`; makes nothing.
///
/// # Errors
/// Why not, with the file or its folder and what to do.
pub fn check_writable(path: &Path) -> io::Result<()> {
    let remedy = "let the server's user write there, or name another file";
    let refused = |place: &Path, cause: io::Error| {
        io::Error::new(cause.kind(), format!("cannot write to {}: {cause}; {remedy}", place.display()))
    };
    match OpenOptions::new().append(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder =
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
            folder_is_writable(folder).map_err(|cause| refused(folder, cause))
        }
        Err(error) => Err(refused(path, error)),
    }
}

fn folder_is_writable(folder: &Path) -> io::Result<()> {
    let name = CString::new(folder.as_os_str().as_bytes())?;
    if !folder.metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    // SAFETY: `name` is a string with its end, and lives longer than the call, which keeps nothing.
    let answer = unsafe { libc::faccessat(libc::AT_FDCWD, name.as_ptr(), libc::W_OK | libc::X_OK, libc::AT_EACCESS) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}
