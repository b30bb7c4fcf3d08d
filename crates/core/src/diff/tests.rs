//! What a mongod 6.0.5 makes of each, where nothing else is said.

mod arrays;
mod documents;
mod ids;
mod maker;
mod malformed;
mod misfits;
mod properties;

use bson::{RawBson, RawDocumentBuf, rawdoc};

use super::*;
use crate::{document::DocumentError, limits::DOCUMENT_DEPTH_MAX};

const NULL: RawBson = RawBson::Null;

fn diff(raw: RawDocumentBuf) -> Diff {
    Diff::new(raw).unwrap()
}

fn apply(base: RawDocumentBuf, raw: RawDocumentBuf) -> Result<RawDocumentBuf, Misfit> {
    diff(raw).apply(&Document::new(base).unwrap()).map(Document::into_raw)
}

fn becomes(base: RawDocumentBuf, raw: RawDocumentBuf, result: RawDocumentBuf) {
    assert_eq!(apply(base, raw), Ok(result));
}

fn is_refused(raw: RawDocumentBuf) -> DiffError {
    Diff::new(raw).unwrap_err()
}

#[test]
fn a_change_of_the_deepest_level_fits_and_one_deeper_does_not() {
    const INSIDE: usize = DOCUMENT_DEPTH_MAX - 1;
    let base = |x: i32| rawdoc! { "_id": 1, "a": nested(INSIDE, rawdoc! { "x": x }) };
    let change = |levels: usize| (0..levels).fold(rawdoc! { "u": { "x": 2 } }, |inner, _| rawdoc! { "sa": inner });
    on_a_small_stack(move || {
        becomes(base(1), change(INSIDE), base(2));
        assert_eq!(is_refused(change(INSIDE + 1)), DiffError::TooDeep);
        assert_eq!(Diff::from_bytes(crate::testing::hostile::nested(100_000)), Err(DiffError::TooDeep));
    });
}

#[test]
fn the_same_in_arrays() {
    const INSIDE: usize = DOCUMENT_DEPTH_MAX - 1;
    let base = |x: i32| {
        let array = (0..INSIDE).fold(RawBson::Int32(x), |inner, _| RawBson::Array([inner].into_iter().collect()));
        rawdoc! { "_id": 1, "a": array }
    };
    let inner = rawdoc! { "a": true, "u0": 2 };
    let change = (1..INSIDE).fold(inner, |inner, _| rawdoc! { "a": true, "s0": inner });
    on_a_small_stack(move || becomes(base(1), rawdoc! { "sa": change }, base(2)));
}

fn name(name: &str) -> bson::raw::CString {
    name.to_owned().try_into().unwrap()
}

/// A document of so many levels, the innermost of which is this one.
fn nested(levels: usize, innermost: RawDocumentBuf) -> RawDocumentBuf {
    (1..levels).fold(innermost, |inner, _| rawdoc! { "a": inner })
}

/// A quarter of what a thread of the runtime has.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(512 * 1024).spawn(run).unwrap().join().unwrap();
}
