//! [`Ahead`]: what folding a batch has found before anybody asked.

use std::{
    mem,
    sync::{Mutex, PoisonError},
};

use super::{Change, Contradiction};

type Found = Result<Vec<Change>, Contradiction>;

/// What folding a batch finds, found already, until it is taken. Only a matter of when: two batches that differ in
/// nothing else are equal.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<Option<Box<Found>>>);

impl Ahead {
    pub(super) fn put(&self, found: Found) {
        self.swap(Some(Box::new(found)));
    }

    pub(super) fn take(&self) -> Option<Found> {
        self.swap(None).map(|found| *found)
    }

    fn swap(&self, other: Option<Box<Found>>) -> Option<Box<Found>> {
        mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), other)
    }
}

impl Clone for Ahead {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Ahead {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
