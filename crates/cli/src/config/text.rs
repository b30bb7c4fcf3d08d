//! Reading a small file.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
};

/// The largest file that a configuration, or a uri, is read from.
const BYTES_MAX: u64 = 1024 * 1024;

/// The text of a file.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if read as u64 > BYTES_MAX {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(text)
}
