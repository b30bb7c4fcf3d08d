//! Decoding an entry.

use bson::rawdoc;
use xxhash_rust::xxh3::xxh3_64;

use super::corpus::{Seed, seed};
use crate::{
    codec,
    entry::{Entry, Operation},
    testing::{
        chain::{Chain, log_id},
        documents::{every_type, id, namespace},
    },
};

/// Bytes that decode as an entry encode to the same bytes again: the bytes as they are, and with
/// the checksum that they should have, so that what lies behind it is reached.
///
/// # Panics
/// When they do not.
pub fn decode_entry(bytes: &[u8]) {
    check(bytes);
    check(&[bytes, xxh3_64(bytes).to_be_bytes().as_slice()].concat());
}

fn check(bytes: &[u8]) {
    if let Ok(entry) = codec::decode(bytes) {
        assert_eq!(encoded(&entry), bytes);
    }
}

fn encoded(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(entry, &mut bytes);
    bytes
}

pub(super) fn seeds() -> Vec<Seed> {
    const CHECKSUM: usize = 8;
    let ns = namespace("fuzz");
    let mut chain = Chain::new(log_id(1));
    chain.new_term().insert(&ns, every_type(1)).update(&ns, rawdoc! { "_id": 1, "a": [{ "b": 2 }] });
    chain.delete(&ns, id(1)).delete(&ns, id(rawdoc! { "a": -0.0 })).push(Operation::Noop);
    let names = ["new-term", "insert-of-every-type", "update", "delete", "delete-by-document", "noop"];
    let entries = names.iter().zip(chain.take());
    let mut seeds: Vec<Seed> = entries.map(|(name, entry)| seed(name, encoded(&entry))).collect();
    // The same without a checksum: the body computes it, so that changes behind it are seen.
    let bare = |(name, bytes): &Seed| seed(&format!("{name}-bare"), bytes.split_at(bytes.len() - CHECKSUM).0);
    seeds.extend(seeds.iter().map(bare).collect::<Vec<_>>());
    let mut hostile = Chain::new(log_id(1));
    hostile.insert(&ns, rawdoc! { "_id": 1, "$set": { "__proto__": 1 }, "a.b": f64::NAN });
    seeds.extend(hostile.take().iter().map(|entry| seed("insert-of-hostile-names", encoded(entry))));
    let unknown_version = seed("unknown-version", [&[2_u8][..], &[0; 80]].concat());
    seeds.push(unknown_version);
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise a decoder that refuses everything would pass.
    #[test]
    fn the_whole_entries_of_the_corpus_decode() {
        let (mut whole, mut bare) = (0, 0);
        for (name, bytes) in seeds() {
            if name.ends_with("-bare") {
                let bytes = [bytes.as_slice(), &xxh3_64(&bytes).to_be_bytes()].concat();
                assert!(codec::decode(&bytes).is_ok(), "{name}");
                bare += 1;
            } else {
                assert_eq!(codec::decode(&bytes).is_ok(), name != "unknown-version", "{name}");
                whole += 1;
            }
        }
        assert_eq!((whole, bare), (8, 6));
    }
}
