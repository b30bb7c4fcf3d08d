//! [`Mark`]: remembers, beside the engine, how much of it was synced.
//!
//! The engine takes damage in the middle of its file for the end of it, and opens without what
//! followed. The mark tells that something is missing.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

use oplogsync_core::store_error::Fault;
use xxhash_rust::xxh3::xxh3_64;

use crate::{folder::unavailable, group_commit::Ticket, trouble::Trouble};

/// A file of 16 bytes: the count of the writes that are on the disk, and its XXH3-64.
///
/// It is written after every sync and not synced itself: after a loss of power an older mark may
/// be found, which only demands less. It lies in one sector, so that it is never found in halves.
#[derive(Debug)]
pub(crate) struct Mark(File);

/// The mark is damaged.
#[derive(Debug, thiserror::Error)]
#[error("the checksum of oplogsync.mark does not match")]
struct Unreadable;

impl Mark {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path).map(Self)
    }

    /// The mark; zero when none was ever made.
    pub(crate) fn get(&self) -> Result<Ticket, Trouble> {
        let mut bytes = [0; 16];
        match read_exact_at(&self.0, &mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let length = self.0.metadata().map_err(unavailable)?.len();
                return if length == 0 { Ok(Ticket(0)) } else { Err(damaged()) };
            }
            result => result.map_err(unavailable)?,
        }
        let content = u128::from_be_bytes(bytes);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
        let (count, checksum) = ((content >> 64) as u64, content as u64);
        if checksum == xxh3_64(&count.to_be_bytes()) { Ok(Ticket(count)) } else { Err(damaged()) }
    }

    pub(crate) fn set(&self, Ticket(count): Ticket) -> io::Result<()> {
        let checksum = xxh3_64(&count.to_be_bytes());
        let content = u128::from(count) << 64 | u128::from(checksum);
        write_all_at(&self.0, &content.to_be_bytes())
    }
}

fn damaged() -> Trouble {
    Trouble::new(Fault::Corrupt).because(Unreadable)
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, 0)
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, 0)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, bytes: &mut [u8]) -> io::Result<()> {
    use io::{Read, Seek};
    file.rewind().and_then(|()| file.read_exact(bytes))
}

#[cfg(not(unix))]
fn write_all_at(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    use io::{Seek, Write};
    file.rewind().and_then(|()| file.write_all(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_what_was_set_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark");
        assert_eq!(Mark::open(&path).unwrap().get().unwrap(), Ticket(0));
        for count in [1, u64::MAX, 2] {
            Mark::open(&path).unwrap().set(Ticket(count)).unwrap();
            assert_eq!(Mark::open(&path).unwrap().get().unwrap(), Ticket(count));
        }
    }

    #[test]
    fn a_damaged_mark_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark");
        Mark::open(&path).unwrap().set(Ticket(258)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for bit in 0..128 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bytes).unwrap();
            assert!(Mark::open(&path).unwrap().get().is_err(), "bit {bit}");
        }
        std::fs::write(&path, &whole[..15]).unwrap();
        assert!(Mark::open(&path).unwrap().get().is_err());
    }
}
