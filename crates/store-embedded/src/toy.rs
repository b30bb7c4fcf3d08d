//! [`Toy`]: an engine that is a map, for tests of what stands above one.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::Path,
    sync::{PoisonError, RwLock},
};

use crate::{
    changes::Changes,
    engine::{Engine, Failure},
    place::Range,
};

/// A map, in no file.
#[derive(Debug, Default)]
pub(crate) struct Toy(RwLock<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Engine for Toy {
    const NAME: &'static str = "a map";
    const KEY_BYTES_MAX: usize = 1000;

    type Bytes = Vec<u8>;

    fn owns(_: &str) -> bool {
        false
    }

    fn leftovers(_: &Path) -> io::Result<Vec<OsString>> {
        Ok(Vec::new())
    }

    fn open(_: &Path) -> Result<Self, Failure> {
        Ok(Self::default())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn range(&self, keys: Range) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), Failure>> + use<> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let records: Vec<_> = map.range(keys).map(|(key, value)| Ok((key.clone(), value.clone()))).collect();
        records.into_iter()
    }

    fn apply(&self, changes: Changes) -> Result<(), Failure> {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in changes {
            match value {
                Some(value) => drop(map.insert(key, value)),
                None => drop(map.remove(&key)),
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn sync(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn sync_new(_: &Path) -> io::Result<()> {
        Ok(())
    }
}
