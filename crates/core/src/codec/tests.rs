use bson::rawdoc;
use proptest::prelude::*;

use super::*;
use crate::testing::{
    chain::{Chain, log_id},
    documents::{every_type, id, namespace},
    strategies,
};

fn encoded(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(entry, &mut bytes);
    bytes
}

fn one_of_each_kind() -> Vec<Entry> {
    let ns = namespace("items");
    let mut chain = Chain::new(log_id(1));
    chain.insert(&ns, rawdoc! { "_id": 1 }).update(&ns, rawdoc! { "_id": 1, "a": [1.5, "x"] }).delete(&ns, id(1));
    chain.noops(1).new_term().take()
}

/// Bytes whose checksum is right, whatever they hold.
fn sealed(envelope: &Envelope<'_>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![FORMAT_VERSION];
    options().serialize_into(&mut bytes, envelope).unwrap();
    bytes.extend_from_slice(payload);
    with_checksum(bytes)
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

fn envelope(entry: &Entry) -> Envelope<'_> {
    let (seconds, increment) = entry.optime().to_timestamp();
    Envelope {
        term: entry.position().term,
        index: entry.position().index,
        seconds,
        increment,
        op_id: u128::from_le_bytes(entry.op_id().to_bytes()),
        prev_hash: u128::from_le_bytes(entry.prev_hash().to_bytes()),
        hash: u128::from_le_bytes(entry.hash().to_bytes()),
        kind: entry.operation().kind().code(),
        ns: entry.operation().namespace().map_or(&[], |ns| ns.as_str().as_bytes()),
    }
}

#[test]
fn every_bson_type_survives() {
    let entries = Chain::new(log_id(1)).insert(&namespace("items"), every_type(1)).take();
    assert_eq!(decode(&encoded(&entries[0])), Ok(entries[0].clone()));
}

#[test]
fn every_cut_is_refused() {
    for entry in one_of_each_kind() {
        let bytes = encoded(&entry);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{entry:?} cut at {end}");
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    for entry in one_of_each_kind() {
        let bytes = encoded(&entry);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "{entry:?} with bit {bit} flipped");
        }
    }
}

#[test]
fn bytes_behind_an_entry_are_refused() {
    let mut bytes = encoded(&one_of_each_kind()[0]);
    bytes.push(0);
    assert_eq!(decode(&bytes), Err(DecodeError::Checksum));
}

#[test]
fn an_unknown_version_is_refused_by_its_number() {
    for found in [0, FORMAT_VERSION + 1, u8::MAX] {
        let mut bytes = encoded(&one_of_each_kind()[0]);
        bytes[0] = found;
        bytes.truncate(bytes.len() - CHECKSUM_BYTES);
        assert_eq!(decode(&with_checksum(bytes)), Err(DecodeError::Version { found }));
    }
}

#[test]
fn an_unknown_kind_is_refused_by_its_code() {
    let entry = &one_of_each_kind()[3];
    let bytes = sealed(&Envelope { kind: b'x', ..envelope(entry) }, &[]);
    assert_eq!(decode(&bytes), Err(DecodeError::Kind { code: b'x' }));
}

#[test]
fn content_that_is_not_what_was_hashed_is_refused() {
    let entries = one_of_each_kind();
    let other = rawdoc! { "_id": 2 };
    assert!(matches!(decode(&sealed(&envelope(&entries[0]), other.as_bytes())), Err(DecodeError::Hash(_))));
    let moved = Envelope { index: 7, ..envelope(&entries[3]) };
    assert!(matches!(decode(&sealed(&moved, &[])), Err(DecodeError::Hash(_))));
}

#[test]
fn a_payload_that_does_not_fit_its_kind_is_refused() {
    let entries = one_of_each_kind();
    let document = rawdoc! { "_id": 1, "a": 1 };
    for entry in &entries[2..] {
        assert_eq!(decode(&sealed(&envelope(entry), document.as_bytes())), Err(DecodeError::Payload), "{entry:?}");
    }
    let named = Envelope { ns: b"shop.items", ..envelope(&entries[3]) };
    assert_eq!(decode(&sealed(&named, &[])), Err(DecodeError::Payload));
    for entry in &entries[..3] {
        assert!(matches!(decode(&sealed(&envelope(entry), &[])), Err(DecodeError::Document(_))), "{entry:?}");
    }
}

#[test]
fn a_namespace_that_is_never_replicated_is_refused() {
    let entries = one_of_each_kind();
    let document = rawdoc! { "_id": 1 };
    for ns in ["admin.system.users", "local.oplog.rs", "shop", "", "shop.\0"] {
        let forbidden = Envelope { ns: ns.as_bytes(), ..envelope(&entries[0]) };
        let decoded = decode(&sealed(&forbidden, document.as_bytes()));
        assert!(matches!(decoded, Err(DecodeError::Namespace(_))), "{ns:?}: {decoded:?}");
    }
    let not_text = Envelope { ns: &[b'a', b'.', 0xFF], ..envelope(&entries[0]) };
    assert_eq!(decode(&sealed(&not_text, document.as_bytes())), Err(DecodeError::Envelope));
}

#[test]
fn a_length_that_lies_is_refused_before_anything_is_reserved_for_it() {
    let entry = &one_of_each_kind()[3];
    let bytes = sealed(&envelope(entry), &[]);
    let length_at = bytes.len() - CHECKSUM_BYTES - 8;
    for length in [1, ENVELOPE_BYTES_MAX as u64, u64::MAX] {
        let mut lying = bytes[..bytes.len() - CHECKSUM_BYTES].to_vec();
        lying[length_at..].copy_from_slice(&length.to_le_bytes());
        assert_eq!(decode(&with_checksum(lying)), Err(DecodeError::Envelope), "{length}");
    }
    let long = vec![b'n'; ENVELOPE_BYTES_MAX];
    let mut bytes = vec![FORMAT_VERSION];
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .serialize_into(&mut bytes, &Envelope { ns: &long, ..envelope(entry) })
        .unwrap();
    assert_eq!(decode(&with_checksum(bytes)), Err(DecodeError::Envelope), "an envelope above its limit");
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_to_the_same(entries in strategies::entries(20)) {
        let mut together = Vec::new();
        for entry in entries {
            let bytes = encoded(&entry);
            encode(&entry, &mut together);
            prop_assert!(together.ends_with(&bytes), "encoding appends");
            prop_assert_eq!(decode(&bytes), Ok(entry));
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&bytes).is_err());
        let mut likely = vec![FORMAT_VERSION];
        likely.extend(bytes);
        // With a right checksum they get further; no entry's hash comes about by chance.
        prop_assert!(decode(&with_checksum(likely)).is_err());
    }
}
