//! What holds for all diffs.

use proptest::prelude::*;

use super::{
    super::{Diff, DiffError},
    maker,
};
use crate::{document::Document, testing::random::Random};

proptest! {
    #[test]
    fn the_diff_of_two_documents_makes_the_second_of_the_first(seed: u64) {
        let mut random = Random::new(seed);
        let from = maker::document(&mut random);
        let to = match random.below(4) {
            0 => maker::document(&mut random),
            _ => maker::mutated(&mut random, &from),
        };
        let diff = Diff::from_bytes(maker::diff(&mut random, &from, &to));
        if from == to && diff.is_err() {
            prop_assert_eq!(diff, Err(DiffError::Empty { path: String::new() }));
            return Ok(());
        }
        let (from, to) = (Document::from_bytes(from).unwrap(), Document::from_bytes(to).unwrap());
        prop_assert_eq!(diff.unwrap().apply(&from), Ok(to));
    }

    /// The result is a document whatever the base is, or the diff does not fit.
    #[test]
    fn the_diff_of_two_documents_makes_a_document_of_a_third_or_does_not_fit(seed: u64) {
        let mut random = Random::new(seed);
        let (from, other) = (maker::document(&mut random), maker::document(&mut random));
        let to = maker::mutated(&mut random, &from);
        let Ok(diff) = Diff::from_bytes(maker::diff(&mut random, &from, &to)) else { return Ok(()) };
        let other = Document::from_bytes(other).unwrap();
        if let Ok(result) = diff.apply(&other) {
            prop_assert_eq!(result.id(), other.id());
        }
    }

    #[test]
    fn bytes_of_any_kind_are_a_diff_or_an_error(bytes: Vec<u8>) {
        drop(Diff::from_bytes(bytes));
    }

    #[test]
    fn a_diff_with_one_byte_changed_is_an_error_or_can_be_applied(seed: u64, at: prop::sample::Index, to: u8) {
        let mut random = Random::new(seed);
        let from = maker::document(&mut random);
        let other = maker::mutated(&mut random, &from);
        let mut bytes = maker::diff(&mut random, &from, &other);
        *at.get_mut(&mut bytes) = to;
        if let Ok(diff) = Diff::from_bytes(bytes) {
            drop(diff.apply(&Document::from_bytes(from).unwrap()));
        }
    }
}
