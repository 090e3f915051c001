//! The store's folder: one process at a time, readable by its owner only, created whole or not at all.
//!
//! `<path>/lock` is held while the store is open; `<path>/sled/` is sled's own. Two things sled does not do:
//!
//! - A kill while sled opens leaves `snap.*.generating`, which it later takes for its newest snapshot and then refuses
//!   to open (upstream #1527, #1533). Such a file was never renamed into place, so it is only ever a copy: remove it.
//! - A kill while sled creates its first files can leave a `conf` without its checksum. So a new store is made under
//!   another name, synced and renamed; what is found under that name never held anything that was acknowledged.

use super::OpenError;
use super::schema::{self, Migration};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const OWNER_FOLDER: u32 = 0o700;
const OWNER_FILE: u32 = 0o600;
const SLED: &str = "sled";

/// A folder that is locked until this is dropped.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    pub(super) fn lock(path: &Path) -> Result<Self, OpenError> {
        let failed = |cause: io::Error| OpenError::Folder { path: path.into(), cause };
        make_folder(path).map_err(|cause| failed(at(path)(cause)))?;
        fs::set_permissions(path, Permissions::from_mode(OWNER_FOLDER)).map_err(|cause| failed(at(path)(cause)))?;
        let file = path.join("lock");
        let failed = |cause: io::Error| failed(at(&file)(cause));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(OWNER_FILE);
        let mut lock = options.open(&file).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
            Err(TryLockError::WouldBlock) => return Err(in_use(path, &mut lock)),
        }
        lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { path: path.into(), _lock: lock })
    }

    fn sled(&self) -> PathBuf {
        self.path.join(SLED)
    }

    /// Makes the folder fit for sled to open; returns where.
    pub(super) fn prepare(&self, migrations: &[Migration]) -> Result<PathBuf, OpenError> {
        let failed = |cause: io::Error| OpenError::Folder { path: self.path.clone(), cause };
        let new = self.path.join("sled.new");
        if new.exists() {
            fs::remove_dir_all(&new).map_err(at(&new)).map_err(failed)?;
        }
        if self.sled().exists() {
            remove_unfinished_snapshots(&self.sled()).map_err(failed)?;
            self.settle().map_err(failed)?;
        } else {
            let damaged = |cause| OpenError::Damaged { path: self.path.clone(), cause };
            create(&new, migrations).map_err(damaged)?;
            sync_all_below(&new).map_err(failed)?;
            fs::rename(&new, self.sled()).map_err(at(&new)).map_err(failed)?;
            sync_folder(&self.path).map_err(failed)?;
        }
        Ok(self.sled())
    }

    /// Syncs all of sled's files and names.
    ///
    /// Before opening, because sled derives a snapshot, which it does sync, from a log that a killed process may not have
    /// synced, and it syncs that log only where it has to cut off a torn end; a snapshot ahead of its log is refused as
    /// corrupt. After opening, because sled renames the new snapshot into place and removes the old one without syncing
    /// the folder. Both are caution: the power-cut test found no cut that needs them. On a clean store they cost nothing.
    pub(super) fn settle(&self) -> io::Result<()> {
        sync_all_below(&self.sled())
    }

    /// A handle for syncing, once sled's lock is free.
    ///
    /// sled's threads may keep its files locked for a moment after a store of this very process was dropped; another
    /// process is shut out by our own lock.
    pub(super) fn database(&self) -> io::Result<File> {
        let path = self.sled().join("db");
        // sled writes to it; a file of another user's is better named here.
        let database = OpenOptions::new().read(true).write(true).open(&path).map_err(at(&path))?;
        for _ in 0..500 {
            match database.try_lock() {
                Ok(()) => return database.unlock().map(|()| database),
                Err(TryLockError::Error(cause)) => return Err(cause),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        Err(io::Error::other("the database file stays locked by something else than a pintle server"))
    }

    /// Takes others' rights away from sled's files; returns how many bytes they have beside the database's.
    pub(super) fn close_to_others(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.sled())? {
            let entry = entry?;
            let (path, metadata) = (entry.path(), entry.metadata()?);
            let mode = if metadata.is_dir() { OWNER_FOLDER } else { OWNER_FILE };
            fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(at(&path))?;
            if metadata.is_file() && entry.file_name() != "db" {
                bytes += metadata.len();
            }
        }
        Ok(bytes)
    }
}

/// Names the file in what the system says of it.
fn at(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    move |cause| io::Error::new(cause.kind(), format!("{}: {cause}", path.display()))
}

/// Whether a store was made in this folder: it gets its name once it is whole.
pub(super) fn holds_store(path: &Path) -> bool {
    path.join(SLED).exists()
}

/// Makes the folder and those above it, durably.
fn make_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<_> =
        path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(OWNER_FOLDER).create(path)?;
    missing.into_iter().filter_map(Path::parent).try_for_each(sync_folder)
}

fn in_use(path: &Path, lock: &mut File) -> OpenError {
    let mut holder = String::new();
    let holder = lock.read_to_string(&mut holder).ok().map(|_| holder).filter(|holder| !holder.is_empty());
    OpenError::InUse { path: path.into(), process: holder.unwrap_or_else(|| "unknown".into()) }
}

fn create(path: &Path, migrations: &[Migration]) -> sled::Result<()> {
    DirBuilder::new().mode(OWNER_FOLDER).create(path)?;
    let db = sled::Config::new().path(path).open()?;
    schema::begin(&db, migrations)
}

fn remove_unfinished_snapshots(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::warn!(file = %path.display(), "removing an unfinished snapshot: an earlier start was killed");
            fs::remove_file(&path).map_err(at(&path))?;
        }
    }
    Ok(())
}

fn sync_all_below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            sync_all_below(&path)?;
        } else {
            File::open(&path).and_then(|file| file.sync_all()).map_err(at(&path))?;
        }
    }
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|open| open.sync_all()).map_err(at(folder))
}
