//! A copy of a folder with everything in it.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

/// Copies `from`, if there is such a folder, to `to`.
pub(crate) fn copy(from: &Path, to: &Path) {
    try_copy(from, to).unwrap();
}

/// Copies the folder of an open store as it is at one moment: an engine's threads can be at work in it.
pub(crate) fn copy_at_rest(from: &Path, to: &Path) {
    for _ in 0..1000 {
        let before = files(from);
        if let (Ok(before), Ok(())) = (before, try_copy(from, to))
            && files(from).is_ok_and(|after| after == before)
        {
            return;
        }
        fs::remove_dir_all(to).unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{} does not come to rest", from.display());
}

/// The files of a folder, how long they are, and when they were last written to.
fn files(folder: &Path) -> io::Result<Vec<(PathBuf, u64, SystemTime)>> {
    let mut files = Vec::new();
    if !folder.exists() {
        return Ok(files);
    }
    for item in fs::read_dir(folder)? {
        let (path, metadata) = item.and_then(|item| Ok((item.path(), item.metadata()?)))?;
        if metadata.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push((path, metadata.len(), metadata.modified()?));
        }
    }
    files.sort();
    Ok(files)
}

fn try_copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    if !from.exists() {
        return Ok(());
    }
    for item in fs::read_dir(from)? {
        let item = item?;
        let target = to.join(item.file_name());
        if item.file_type()?.is_dir() {
            try_copy(&item.path(), &target)?;
        } else {
            copy_file(&item.path(), &target)?;
        }
    }
    Ok(())
}

/// An engine can take the space for a file before it writes to it, from the beginning on: what has no blocks yet is
/// not copied, but is there in the copy as well.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    const BLOCK: u64 = 512;
    let file = File::open(from)?;
    let metadata = file.metadata()?;
    if metadata.len() <= metadata.blocks() * BLOCK {
        return fs::copy(from, to).map(drop);
    }
    let mut copied = File::create(to)?;
    io::copy(&mut file.take(metadata.blocks() * BLOCK), &mut copied)?;
    copied.set_len(metadata.len())
}
