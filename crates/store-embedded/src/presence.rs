//! [`Presence`]: which documents there may be, in little memory.

use fastbloom::BloomFilter;
use xxhash_rust::xxh3::xxh3_64;

/// One key in three hundred that is not there is looked up for nothing.
const BITS_PER_KEY: usize = 12;
/// The first layer has room for so many keys.
const KEYS_MIN: usize = 1 << 16;
/// The most that all layers take together; with more keys than they have room for, every key is looked up.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// The keys of all documents, and a few others: what it does not hold is not there, and need not be looked up.
/// Most of what is inserted is new, and looking for it would cost as much as inserting it.
///
/// A Bloom filter that grows by layers, each twice as large as the one before ("Scalable Bloom Filters", Almeida
/// and others, 2007). Nothing is taken out of it: a deleted document is looked up once more.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    layers: Vec<Layer>,
    is_full: bool,
}

#[derive(Debug)]
struct Layer {
    filter: BloomFilter,
    keys: usize,
    keys_max: usize,
}

impl Presence {
    /// The key of a document that is there, or is about to be.
    pub(crate) fn add(&mut self, key: &[u8]) {
        if self.is_full {
            return;
        }
        let hash = xxh3_64(key);
        if self.holds(hash) {
            return;
        }
        if self.layers.last().is_none_or(|last| last.keys == last.keys_max) {
            self.grow();
        }
        if let Some(last) = self.layers.last_mut() {
            last.filter.insert_hash(hash);
            last.keys += 1;
        }
    }

    /// Whether there may be a document at this key: one that is there always may.
    pub(crate) fn may_hold(&self, key: &[u8]) -> bool {
        self.is_full || self.holds(xxh3_64(key))
    }

    fn grow(&mut self) {
        let keys_max = self.layers.last().map_or(KEYS_MIN, |last| last.keys_max * 2);
        // Those before it have about as many bits as the new one.
        if 2 * keys_max * BITS_PER_KEY / 8 > BYTES_MAX {
            *self = Self { layers: Vec::new(), is_full: true };
            return;
        }
        let filter = BloomFilter::with_num_bits(keys_max * BITS_PER_KEY).seed(&0).expected_items(keys_max);
        self.layers.push(Layer { filter, keys: 0, keys_max });
    }

    fn holds(&self, hash: u64) -> bool {
        self.layers.iter().rev().any(|layer| layer.filter.contains_hash(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> [u8; 8] {
        number.to_be_bytes()
    }

    #[test]
    fn what_was_added_may_be_there_however_much_there_is_and_little_else() {
        let mut presence = Presence::default();
        let count = 5 * KEYS_MIN;
        for number in 0..count {
            presence.add(&key(number));
        }
        assert!(presence.layers.len() > 2, "{} layers", presence.layers.len());
        assert!((0..count).all(|number| presence.may_hold(&key(number))));
        let wrong = (count..2 * count).filter(|number| presence.may_hold(&key(*number))).count();
        assert!(wrong < count / 50, "{wrong} of {count} for nothing");
    }

    #[test]
    fn nothing_may_be_there_at_first() {
        assert!(!Presence::default().may_hold(&key(1)));
    }

    #[test]
    fn a_key_that_is_added_again_takes_no_room() {
        let mut presence = Presence::default();
        for _ in 0..2 * KEYS_MIN {
            presence.add(&key(1));
        }
        assert_eq!(presence.layers.iter().map(|layer| layer.keys).sum::<usize>(), 1);
    }

    #[test]
    fn with_more_keys_than_there_is_room_for_everything_may_be_there() {
        let mut presence = Presence::default();
        let mut number = 0;
        while !presence.is_full {
            presence.add(&key(number));
            number += 1;
        }
        assert!(number * BITS_PER_KEY / 8 > BYTES_MAX / 4, "full with {number} keys already");
        assert!(presence.layers.is_empty() && presence.may_hold(&key(number + 1)));
    }
}
