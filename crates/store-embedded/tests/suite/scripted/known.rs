//! [`Known`]: a script that was run before.

use std::{collections::BTreeSet, path::Path};

use oplogsync_core::store_error::Fault;

use super::{LARGE, UNSYNCED, assert_swept, open};
use crate::{
    engine::{Step, Store},
    suite::script::{Call, Script, State, state},
};

/// A script that was run, call by call: what each was answered, and the states before and after.
pub(super) struct Known {
    pub(super) calls: Vec<(Call, Result<(), Fault>)>,
    states: Vec<State>,
}

impl Known {
    /// The first calls that a seed names.
    pub(super) fn new(seed: u64, count: usize) -> Self {
        let mut script = Script::new(seed, LARGE);
        let (mut calls, mut states) = (Vec::new(), vec![script.state()]);
        for _ in 0..count {
            calls.push(script.next());
            states.push(script.state());
        }
        Self { calls, states }
    }

    /// Makes all calls to a store, until one fails that should not; `made` is told how many were answered.
    pub(super) async fn run(&self, store: &Store, made: impl Fn(usize)) -> Option<(usize, Fault)> {
        for (number, (call, expected)) in self.calls.iter().enumerate() {
            let answer = call.make(store).await.map_err(|error| error.fault().clone());
            if answer != *expected {
                return Some((number, answer.expect_err("no call does what it must not")));
            }
            made(number + 1);
        }
        None
    }

    /// What is left after `made` calls were answered and the next one was cut off is the state before that
    /// one or after it, and the store goes on: with this call again, whose answer nobody got.
    pub(super) async fn check(&self, folder: &Path, made: usize) {
        const MORE: usize = 3;
        let store = open(folder, UNSYNCED).await;
        let found = state(&store).await;
        let is_done = self.states.get(made + 1) == Some(&found);
        let is_in_part = || self.calls.get(made).is_some_and(|(call, _)| is_in_part(call, &self.states[made], &found));
        assert!(
            is_done || found == self.states[made] || is_in_part(),
            "neither before nor after {:?}",
            self.calls.get(made)
        );
        let rest = self.calls.iter().enumerate().skip(made).take(MORE);
        for (number, (call, expected)) in rest {
            let answer = call.make(&store).await.map_err(|error| error.fault().clone());
            let is_again = number == made && is_done && matches!(answer, Err(Fault::CheckpointMoved { .. }));
            assert!(is_again || answer == *expected, "{call:?}: {answer:?}");
            assert!(state(&store).await == self.states[number + 1], "after {call:?}");
        }
        drop(store);
        // An open finishes what was cut off.
        drop(Store::open(folder, "a", UNSYNCED).unwrap());
        assert_swept(folder, &self.states[self.calls.len().min(made + MORE)]);
    }
}

/// Whether a copy has done nothing but delete documents, as it does where there are many.
fn is_in_part(call: &Call, before: &State, found: &State) -> bool {
    let Call::Copy(piece, _) = call else { return false };
    let is_kept = |(key, document)| before.documents.get(key) == Some(document);
    let outside = |state: &State| {
        let outside = state.documents.keys().filter(|(ns, id)| *ns != piece.ns || !piece.contains(id));
        outside.cloned().collect::<BTreeSet<_>>()
    };
    let rest = State { documents: before.documents.clone(), digests: before.digests.clone(), ..found.clone() };
    rest == *before && found.documents.iter().all(is_kept) && outside(before) == outside(found)
}

/// The steps that a script must come to, beside those of every write.
pub(super) const STEPS: [Step; 12] = [
    Step::Apply,
    Step::Sweep,
    Step::Stop,
    Step::Note,
    Step::Wipe,
    Step::Run,
    Step::Copy,
    Step::BeginAt,
    Step::BeginCapture,
    Step::Capture,
    Step::Floor,
    Step::Truncate,
];
