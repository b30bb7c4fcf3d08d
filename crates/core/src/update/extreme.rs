//! `$min` and `$max`.

use std::cmp::Ordering;

use super::value::Value;
use crate::{
    element::{RawValue, RawValueBuf},
    sort_key,
};

/// Keeps the lesser or the greater of two values, in MongoDB's order of all values.
#[derive(Debug, Clone)]
pub(super) struct Extreme {
    value: RawValueBuf,
    /// How the argument must compare with the field to take its place.
    wanted: Ordering,
}

impl Extreme {
    pub(super) fn min(argument: RawValue<'_>) -> Self {
        Self { value: argument.into(), wanted: Ordering::Less }
    }

    pub(super) fn max(argument: RawValue<'_>) -> Self {
        Self { value: argument.into(), wanted: Ordering::Greater }
    }

    pub(super) fn change<'a>(&'a self, target: &mut Value<'a>) -> bool {
        let changes = sort_key::of(self.value.as_raw()).cmp(&target.sort_key()) == self.wanted;
        if changes {
            *target = self.create();
        }
        changes
    }

    pub(super) fn create(&self) -> Value<'_> {
        Value::from(&self.value)
    }
}
