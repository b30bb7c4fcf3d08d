//! [`Sections`]: which parts of diffs a run has seen, and what they name.

use std::collections::BTreeMap;

use bson::{RawBsonRef, RawDocument};

/// How often each was there. An item of an array is counted as `u0` or `s0`.
#[derive(Debug, Default)]
pub(super) struct Sections(BTreeMap<&'static str, usize>);

impl Sections {
    /// Counts the sections of a diff of `base`.
    pub(super) fn count(&mut self, diff: &RawDocument, base: &RawDocument) {
        for (name, value) in diff.iter().map(Result::unwrap) {
            let fields = || value.as_document().unwrap().iter().map(|field| field.unwrap().0);
            let (name, inside) = name.as_str().split_at(1);
            match name {
                "d" => fields().for_each(|field| self.field("d", "d of nothing", base, field.as_str())),
                "u" => fields().for_each(|field| self.field("u", "u of nothing", base, field.as_str())),
                "i" => fields().for_each(|field| self.field("i of something", "i", base, field.as_str())),
                "s" => {
                    self.field("s", "s of nothing", base, inside);
                    self.count_inside(value, base.get(inside).unwrap());
                }
                _ => self.add("unknown"),
            }
        }
    }

    fn count_array(&mut self, diff: &RawDocument, base: &RawDocument) {
        for (name, value) in diff.iter().skip(1).map(Result::unwrap) {
            let (name, inside) = name.as_str().split_at(1);
            match name {
                "l" => self.add("l"),
                "u" => self.field("u0", "u0 beyond the end", base, inside),
                "s" => {
                    self.field("s0", "s of nothing", base, inside);
                    self.count_inside(value, base.get(inside).unwrap());
                }
                _ => self.add("unknown"),
            }
        }
    }

    fn count_inside(&mut self, diff: RawBsonRef<'_>, base: Option<RawBsonRef<'_>>) {
        let diff = diff.as_document().unwrap();
        match base {
            Some(RawBsonRef::Document(base)) => self.count(diff, base),
            Some(RawBsonRef::Array(base)) => self.count_array(diff, RawDocument::from_bytes(base.as_bytes()).unwrap()),
            _ => {}
        }
    }

    fn field(&mut self, there: &'static str, not_there: &'static str, base: &RawDocument, name: &str) {
        if name == "_id" {
            self.add("_id");
        }
        self.add(if base.get(name).unwrap().is_some() { there } else { not_there });
    }

    fn add(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Fails if the run has left out a kind, or if a server has changed or deleted what is not there.
    pub(super) fn assert_manifold(&self) {
        for kind in ["d", "u", "i", "i of something", "s", "l", "u0", "u0 beyond the end", "s0", "_id"] {
            assert!(self.0.contains_key(kind), "no diff had {kind}");
        }
        for kind in ["d of nothing", "u of nothing", "s of nothing", "unknown"] {
            assert!(!self.0.contains_key(kind), "a diff had {kind}");
        }
    }
}
