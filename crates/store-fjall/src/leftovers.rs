//! What a kill in the middle of the first open leaves.

use std::{ffi::OsString, fs, io, path::Path};

pub(crate) const LOCK: &str = "lock";
pub(crate) const VERSION: &str = "version";
pub(crate) const KEYSPACES: &str = "keyspaces";
pub(crate) const JOURNAL_EXTENSION: &str = ".jnl";
/// The length of the file that tells the version.
const VERSION_BYTES: u64 = 4;

/// The first journal and the file of the version, when the first open has not come further: the engine refuses the
/// one when it does not find the other, and the other when it is cut off. As long as there is no keyspace, not even the
/// engine's own, neither holds anything.
pub(crate) fn leftovers(folder: &Path) -> io::Result<Vec<OsString>> {
    let is_whole = or_none(fs::metadata(folder.join(VERSION)))?.is_some_and(|version| version.len() >= VERSION_BYTES);
    let has_keyspaces = match or_none(fs::read_dir(folder.join(KEYSPACES)))? {
        Some(mut keyspaces) => keyspaces.next().transpose()?.is_some(),
        None => false,
    };
    if is_whole || has_keyspaces {
        return Ok(Vec::new());
    }
    let names = fs::read_dir(folder)?.map(|item| item.map(|item| item.file_name())).collect::<io::Result<Vec<_>>>()?;
    let is_begun = |name: &str| name == VERSION || name.ends_with(JOURNAL_EXTENSION);
    Ok(names.into_iter().filter(|name| name.to_str().is_some_and(is_begun)).collect())
}

fn or_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_open_that_was_cut_off_leaves_nothing_to_keep() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at(LOCK), "").unwrap();
        assert_eq!(leftovers(folder.path()).unwrap(), Vec::<OsString>::new());
        fs::create_dir(at(KEYSPACES)).unwrap();
        fs::write(at("0.jnl"), [0; 100]).unwrap();
        assert_eq!(leftovers(folder.path()).unwrap(), ["0.jnl"]);
        for written in ["", "F", "FJL"] {
            fs::write(at(VERSION), written).unwrap();
            let mut left = leftovers(folder.path()).unwrap();
            left.sort();
            assert_eq!(left, ["0.jnl", VERSION]);
        }
        fs::write(at(VERSION), "FJL\x03").unwrap();
        assert_eq!(leftovers(folder.path()).unwrap(), Vec::<OsString>::new());
    }

    #[test]
    fn where_there_is_a_keyspace_nothing_is_left_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(KEYSPACES).join("0")).unwrap();
        fs::write(folder.path().join("0.jnl"), "entries").unwrap();
        assert_eq!(leftovers(folder.path()).unwrap(), Vec::<OsString>::new());
    }
}
