//! [`Changes`]: what an engine takes as one.

use std::vec::IntoIter;

/// A key, and the value that it gets, or none.
type KeyChange = (Vec<u8>, Option<Vec<u8>>);

/// The values that keys get, or none: each key once, in order.
#[derive(Debug, Default)]
pub struct Changes(Vec<KeyChange>);

impl Changes {
    /// Gives a key a value, or takes away what it has. The last change of a key is the one that counts.
    pub(crate) fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.0.push((key, value));
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, changes: usize) {
        self.0.reserve(changes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Changes {
    type Item = KeyChange;
    type IntoIter = IntoIter<KeyChange>;

    fn into_iter(self) -> Self::IntoIter {
        let mut changes = self.0;
        // Documents come in their order: a stable sort sees that, and leaves what comes later behind.
        changes.sort_by(|a, b| a.0.cmp(&b.0));
        changes.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        changes.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_comes_once_in_order_with_its_last_change() {
        let mut changes = Changes::default();
        for (key, value) in [(3, Some(1)), (1, Some(2)), (3, None), (2, None), (1, Some(3)), (2, Some(4)), (1, Some(5))]
        {
            changes.set(vec![key], value.map(|value| vec![value]));
        }
        let told: Vec<_> = changes.into_iter().collect();
        assert_eq!(told, [(vec![1], Some(vec![5])), (vec![2], Some(vec![4])), (vec![3], None)]);
    }
}
