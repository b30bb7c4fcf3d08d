//! [`Camera`]: copies the files of two nodes at every step.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, mpsc::SyncSender},
};

use crate::{
    engine::{Moment, Step},
    suite::{copy::copy_at_rest, pair::NODES},
};

/// One step of one node, before or after it is done.
pub(super) type Point = (&'static str, Step, Moment);

/// How often something came to each point.
pub(super) type Counts = BTreeMap<(Cut, Point), usize>;

/// What ends the two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cut {
    /// A kill leaves everything that was written to the files.
    Kill,
    /// A loss of power leaves, at worst, what the last sync of each node has found.
    PowerLoss,
}

/// The files that are left at a point.
pub(super) struct Crash {
    pub(super) cut: Cut,
    pub(super) point: Point,
    /// Which occurrence of the point it is, from 1.
    pub(super) occurrence: usize,
    pub(super) files: PathBuf,
    /// How many acknowledgements there had been.
    pub(super) acknowledged: usize,
}

/// Copies what each crash would leave, while the nodes are at work.
pub(super) struct Camera {
    live: PathBuf,
    synced: PathBuf,
    copies: PathBuf,
    taken: Mutex<Counts>,
    crashes: SyncSender<Crash>,
}

impl Camera {
    /// One for the nodes in `live`; it works in `folder`.
    pub(super) fn new(live: &Path, folder: &Path, crashes: SyncSender<Crash>) -> Self {
        let (synced, copies) = (folder.join("synced"), folder.join("copies"));
        Self { live: live.to_owned(), synced, copies, taken: Mutex::default(), crashes }
    }

    /// A node has come to a point, after so many acknowledgements.
    pub(super) fn see(&self, point: Point, acknowledged: usize) {
        self.take(Cut::Kill, &self.live, point, acknowledged);
        let (node, step, moment) = point;
        match (step, moment) {
            (Step::Sync, Moment::Before) => self.take(Cut::PowerLoss, &self.synced, point, acknowledged),
            (Step::Sync, Moment::After) => {
                let synced = self.synced.join(node);
                if synced.exists() {
                    fs::remove_dir_all(&synced).unwrap();
                }
                copy_at_rest(&self.live.join(node), &synced);
            }
            _ => {}
        }
    }

    fn take(&self, cut: Cut, from: &Path, point: Point, acknowledged: usize) {
        let mut taken = self.taken.lock().unwrap();
        let occurrence = taken.entry((cut, point)).or_default();
        *occurrence += 1;
        let files = self.copies.join(format!("{cut:?} {point:?} {occurrence}"));
        for node in NODES {
            copy_at_rest(&from.join(node), &files.join(node));
        }
        let crash = Crash { cut, point, occurrence: *occurrence, files, acknowledged };
        self.crashes.send(crash).expect("the checkers wait");
    }
}
