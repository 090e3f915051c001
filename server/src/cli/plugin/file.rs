//! Reading and writing the files of the commands about bundles.

use crate::cli::exit::Failure;
use pintle::plugin::bundle::{Bundle, MAX_BUNDLE_BYTES};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// The bytes of a file; of one that is too large for a bundle so many that it is refused.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BUNDLE_BYTES as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| Failure::unavailable(format!("{}: {error}", path.display())))?;
    Ok(bytes)
}

/// A bundle that is whole.
pub fn read(path: &Path) -> Result<Bundle, Failure> {
    Bundle::parse(&read_bytes(path)?).map_err(|error| Failure::refused(format!("{}: {error}", path.display())))
}

/// Replaces the file as a whole: a server may be reading it.
pub fn write(path: &Path, bundle: &Bundle) -> Result<(), Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = Path::new(&name);
    let written = File::create_new(new)
        .and_then(|mut file| file.write_all(&bundle.to_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(new, path));
    written.map_err(|error| {
        // What matters is the first error.
        let _ = std::fs::remove_file(new);
        Failure::unavailable(format!("{}: {error}", path.display()))
    })
}
