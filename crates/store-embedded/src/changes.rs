//! [`Changes`]: what an engine takes as one.

use std::collections::{BTreeMap, btree_map::IntoIter};

/// The values that keys get, or none: each key once, in order.
#[derive(Debug, Default)]
pub struct Changes(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl Changes {
    /// Gives a key a value, or takes away what it has. The last change of a key is the one that counts.
    pub(crate) fn set(&mut self, key: &[u8], value: Option<Vec<u8>>) {
        self.0.insert(key.to_vec(), value);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Changes {
    type Item = (Vec<u8>, Option<Vec<u8>>);
    type IntoIter = IntoIter<Vec<u8>, Option<Vec<u8>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
