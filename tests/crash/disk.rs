//! A disk that forgets: it keeps what was synced, and any part of the rest.
//!
//! Of writes that were not synced each sector may be there or not, in any order. Names change in their order, as in a
//! journal, and are certain only once their folder was synced.

use crate::record::{Call, Offset};
use crate::workload::mix;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

const SECTOR: usize = 512;
const BLOCK: usize = 4096;

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

#[derive(Default)]
struct File {
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

enum NameChange {
    Create { path: PathBuf, file: usize },
    MakeFolder { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    Remove { path: PathBuf },
}

impl NameChange {
    fn is_in(&self, folder: &Path) -> bool {
        match self {
            Self::Create { path, .. } | Self::MakeFolder { path } | Self::Remove { path } => {
                path.parent() == Some(folder)
            }
            Self::Rename { from, to } => from.parent() == Some(folder) || to.parent() == Some(folder),
        }
    }
}

#[derive(Clone, Default)]
struct Names {
    files: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
}

impl Names {
    fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::Create { path, file } => drop(self.files.insert(path.clone(), *file)),
            NameChange::MakeFolder { path } => drop(self.folders.insert(path.clone())),
            NameChange::Remove { path } => {
                self.files.remove(path);
                self.folders.remove(path);
            }
            NameChange::Rename { from, to } => {
                let moved = |path: PathBuf| match path.strip_prefix(from) {
                    Ok(rest) if rest.as_os_str().is_empty() => to.clone(),
                    Ok(rest) => to.join(rest),
                    Err(_) => path,
                };
                self.files.remove(to);
                self.files =
                    std::mem::take(&mut self.files).into_iter().map(|(path, file)| (moved(path), file)).collect();
                self.folders = std::mem::take(&mut self.folders).into_iter().map(moved).collect();
            }
        }
    }
}

enum Descriptor {
    File { file: usize, cursor: usize },
    Folder(PathBuf),
    Acknowledged,
}

pub struct Disk {
    folder: PathBuf,
    /// Whether `fdatasync` does what it says; without, the test must fail.
    data_syncs: bool,
    files: Vec<File>,
    names: Names,
    changes: Vec<NameChange>,
    synced_changes: usize,
    descriptors: HashMap<i32, Descriptor>,
    /// What the process told the world.
    pub acknowledged: Vec<u8>,
}

impl Disk {
    pub fn new(folder: &Path, data_syncs: bool) -> Self {
        let names = Names { folders: [folder.to_owned()].into(), ..Names::default() };
        let (files, changes, descriptors) = (Vec::new(), Vec::new(), HashMap::new());
        let acknowledged = Vec::new();
        Self { folder: folder.into(), data_syncs, files, names, changes, synced_changes: 0, descriptors, acknowledged }
    }

    pub fn apply(&mut self, call: &Call) {
        match call {
            Call::Open { fd, path, truncates } => self.open(*fd, path, *truncates),
            Call::Write { fd, offset, bytes } => self.write(*fd, *offset, bytes),
            Call::Truncate { fd, length } => {
                if let Some(Descriptor::File { file, .. }) = self.descriptors.get(fd) {
                    self.files[*file].unsynced.push(Change::Truncate { length: *length });
                }
            }
            Call::Sync { data_only: true, .. } if !self.data_syncs => {}
            Call::Sync { fd, .. } => self.sync(*fd),
            Call::Rename { from, to } => self.rename(NameChange::Rename { from: from.clone(), to: to.clone() }),
            Call::Remove { path } => self.rename(NameChange::Remove { path: path.clone() }),
            Call::MakeFolder { path } => self.rename(NameChange::MakeFolder { path: path.clone() }),
            Call::Close => {}
        }
    }

    fn rename(&mut self, change: NameChange) {
        self.names.apply(&change);
        self.changes.push(change);
    }

    fn open(&mut self, fd: i32, path: &Path, truncates: bool) {
        let descriptor = if path == self.folder.join("acknowledged") {
            Descriptor::Acknowledged
        } else if self.names.folders.contains(path) {
            Descriptor::Folder(path.into())
        } else {
            let file = self.names.files.get(path).copied().unwrap_or_else(|| {
                self.files.push(File::default());
                self.rename(NameChange::Create { path: path.into(), file: self.files.len() - 1 });
                self.files.len() - 1
            });
            if truncates {
                self.files[file].unsynced.push(Change::Truncate { length: 0 });
            }
            Descriptor::File { file, cursor: 0 }
        };
        self.descriptors.insert(fd, descriptor);
    }

    fn write(&mut self, fd: i32, offset: Offset, bytes: &[u8]) {
        match self.descriptors.get_mut(&fd) {
            Some(Descriptor::Acknowledged) => self.acknowledged.extend(bytes),
            Some(Descriptor::File { file, cursor }) => {
                let at = match offset {
                    Offset::At(at) => at,
                    Offset::AtCursor => std::mem::replace(cursor, *cursor + bytes.len()),
                };
                self.files[*file].unsynced.push(Change::Write { offset: at, bytes: bytes.into() });
            }
            _ => panic!("a write to descriptor {fd}, which is no file"),
        }
    }

    fn sync(&mut self, fd: i32) {
        match self.descriptors.get(&fd) {
            Some(Descriptor::File { file, .. }) => {
                let File { synced, unsynced } = &mut self.files[*file];
                unsynced.drain(..).for_each(|change| keep(synced, &change, &mut |_| true, BLOCK));
            }
            Some(Descriptor::Folder(folder)) => {
                let last = self.changes.iter().rposition(|change| change.is_in(folder));
                self.synced_changes = self.synced_changes.max(last.map_or(0, |last| last + 1));
            }
            _ => {}
        }
    }

    /// Writes what a power cut now could leave, chosen by `seed`, into the folder `target`.
    pub fn cut(&self, seed: u64, target: &Path) {
        let mut state = seed;
        let mut random = move |below: u64| {
            state = mix(state);
            state % below
        };
        let kept_changes = self.synced_changes + random((self.changes.len() - self.synced_changes + 1) as u64) as usize;
        let mut names = Names::default();
        self.changes[..kept_changes].iter().for_each(|change| names.apply(change));
        let kept_percent = [0, 20, 50, 80, 97, 100][random(6) as usize];
        let piece = [SECTOR, BLOCK, usize::MAX][random(3) as usize];
        for folder in &names.folders {
            std::fs::create_dir_all(target.join(folder.strip_prefix(&self.folder).unwrap())).unwrap();
        }
        for (path, file) in &names.files {
            let File { synced, unsynced } = &self.files[*file];
            let mut bytes = synced.clone();
            let mut is_kept = |()| random(100) < kept_percent;
            unsynced.iter().for_each(|change| keep(&mut bytes, change, &mut is_kept, piece));
            let path = target.join(path.strip_prefix(&self.folder).unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// Applies those pieces of `change` for which `is_kept` says so.
fn keep(file: &mut Vec<u8>, change: &Change, is_kept: &mut impl FnMut(()) -> bool, piece: usize) {
    match change {
        Change::Truncate { length } if is_kept(()) => file.resize(*length, 0),
        Change::Truncate { .. } => {}
        Change::Write { offset, bytes } => {
            let mut start = 0;
            while start < bytes.len() {
                let at = offset + start;
                let end = bytes.len().min((at / piece + 1).saturating_mul(piece).saturating_sub(*offset));
                if is_kept(()) {
                    file.resize(file.len().max(offset + end), 0);
                    file[at..offset + end].copy_from_slice(&bytes[start..end]);
                }
                start = end;
            }
        }
    }
}
