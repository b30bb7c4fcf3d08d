//! Patches: what is told by a difference is made of the documents as they are now.
//!
//! Where data and checkpoint are not one write, a batch may be applied again over documents that it has
//! changed already, and a patch does not tell whether it was made. So the note of what is about to be
//! written holds the hashes of what the patches come to: on the second try a document that has such a
//! hash is done, and one that does not come to such a hash is not what it was.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use mongodb::ClientSession;
use oplogsync_core::{
    batch::{Change, Unfit},
    doc_id::DocId,
    document::Document,
    hash::Hash,
    namespace::Namespace,
    store_error::Fault,
};

use super::{Begun, Pass, drift_failure};
use crate::{error::Failure, store::MongoStore};

/// About how many bytes of documents are held at once. A patch is small, but its document may not be.
const HELD_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How many documents are read first, when nothing is known of their size.
const FIRST_DOCUMENTS: usize = 32;
/// How many patches of one document may have been made already when its steps were cut off.
const STEPS_MAX: usize = 256;

/// Changes that are told by patches only, in the order of the fold.
#[derive(Debug, Clone)]
pub(crate) struct Patched {
    waiting: VecDeque<Change>,
    /// How many are to be read next.
    next: usize,
}

impl Patched {
    /// Takes those out of the changes of a batch that need the documents before it, and resolves the others.
    pub(crate) fn take(changes: &mut Vec<Change>) -> Result<Self, Failure> {
        let waiting = changes.extract_if(.., |change| change.needs_current()).collect();
        for change in changes {
            change.resolve(None).map_err(misfit)?;
        }
        Ok(Self { waiting, next: FIRST_DOCUMENTS })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The first of them, of one namespace, as many as are to be read next.
    fn pop(&mut self) -> Vec<Change> {
        let same = self
            .waiting
            .front()
            .map_or(0, |first| self.waiting.iter().take(self.next).take_while(|change| change.ns == first.ns).count());
        self.waiting.drain(..same).collect()
    }

    /// Learns from those that were read how many the next ones may be.
    fn learn(&mut self, bases: &[Option<Document>]) {
        let bytes: usize = bases.iter().flatten().map(|document| document.as_bytes().len()).sum();
        let average = (bytes / bases.len().max(1)).max(1);
        self.next = (HELD_BYTES_MAX / average).max(1);
    }
}

/// A change with its patches made to the document before it.
pub(crate) fn resolve(mut change: Change, base: &Document) -> Result<Change, Failure> {
    change.resolve(Some(base)).map_err(misfit)?;
    Ok(change)
}

fn misfit(unfit: Unfit) -> Failure {
    Failure::new(Fault::from(&unfit)).because(unfit)
}

/// What tells an image from any other, of this document and of others.
fn hash_of(ns: &Namespace, image: &Document) -> Hash {
    Hash::of(&[ns.as_str().as_bytes(), &[0], &Hash::of(image.as_bytes()).to_bytes()].concat())
}

impl MongoStore {
    /// Reads the documents before the next of the changes. One that is not there is drift, but where
    /// entries are replayed: then there is nothing to change.
    pub(crate) async fn next_patched(
        &self,
        patched: &mut Patched,
        session: Option<&mut ClientSession>,
    ) -> Result<Vec<(Change, Document)>, Failure> {
        let changes = patched.pop();
        let Some(first) = changes.first() else { return Ok(Vec::new()) };
        let ids: Vec<DocId> = changes.iter().map(|change| change.id.clone()).collect();
        let bases = self.read_by_ids_in(&first.ns, &ids, session).await?;
        patched.learn(&bases);
        let absent = changes.iter().zip(&bases).filter(|(change, base)| base.is_none() && change.before.is_some());
        if let Some((drifted, _)) = absent.min_by_key(|(change, _)| change.index) {
            return Err(drift_failure(drifted));
        }
        Ok(changes.into_iter().zip(bases).filter_map(|(change, base)| Some((change, base?))).collect())
    }

    /// What the changes come to: those that can be held until they are written, and the hashes of all,
    /// in their order. The rest keeps waiting.
    pub(super) async fn foresee(&self, patched: &mut Patched) -> Result<(Vec<Arc<Change>>, Vec<Hash>), Failure> {
        let (mut ready, mut images, mut held, mut left) = (Vec::new(), Vec::new(), 0, VecDeque::new());
        while !patched.is_empty() {
            for (change, base) in self.next_patched(patched, None).await? {
                let resolved = resolve(change.clone(), &base)?;
                let Some(image) = &resolved.after else { continue };
                images.push(hash_of(&resolved.ns, image));
                held += image.as_bytes().len();
                if held <= HELD_BYTES_MAX {
                    ready.push(Arc::new(resolved));
                } else {
                    left.push_back(change);
                }
            }
        }
        patched.waiting = left;
        Ok((ready, images))
    }

    /// Resolves the next changes of a batch that is noted as begun; and how many of them are done already.
    pub(super) async fn resolve_begun(
        &self,
        begun: &mut Begun<'_>,
        patched: &mut Patched,
    ) -> Result<(Vec<Arc<Change>>, usize), Failure> {
        let known: HashSet<Hash> = begun.window.images.iter().copied().collect();
        let (mut ready, mut done) = (Vec::new(), 0);
        for (change, base) in self.next_patched(patched, None).await? {
            if known.contains(&hash_of(&change.ns, &base)) {
                done += 1;
                continue;
            }
            let (rest, resolved) = rest_of(&change, &base, begun.pass, &known)?;
            if rest != change.patches.first().map(|(index, _)| *index) {
                begun.next.extend(rest.map(|index| ((change.ns.clone(), change.id.clone()), index)));
            }
            ready.push(Arc::new(resolved));
        }
        Ok((ready, done))
    }
}

/// What is left of a change to be made to a document, with the first entry of that: all of it, or, where
/// steps were taken, what is behind those.
fn rest_of(
    change: &Change,
    base: &Document,
    pass: Pass,
    known: &HashSet<Hash>,
) -> Result<(Option<u64>, Change), Failure> {
    let tries = if pass == Pass::Steps { STEPS_MAX } else { 1 };
    let mut unfit = None;
    for taken in 0..change.patches.len().min(tries) {
        let patches = change.patches.get(taken..).unwrap_or_default().to_vec();
        let first = patches.first().map(|(index, _)| *index);
        let mut rest = Change { patches, ..change.clone() };
        match rest.resolve(Some(base)) {
            Ok(()) if rest.after.as_ref().is_some_and(|image| known.contains(&hash_of(&rest.ns, image))) => {
                return Ok((first, rest));
            }
            Ok(()) => {}
            Err(found) => unfit = unfit.or(Some(found)),
        }
    }
    // The image of the last entry, if the source can tell it, needs none of those before.
    let failure = Failure::new(Fault::Misfit { ns: change.ns.clone(), id: change.id.clone(), index: change.index });
    Err(match unfit {
        Some(unfit) => failure.because(unfit),
        None => failure,
    })
}
