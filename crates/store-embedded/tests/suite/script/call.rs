//! [`Call`]: one call that changes a store.

use oplogsync_core::{
    batch::Batch,
    checkpoint::{Checkpoint, Resume, Stop},
    command::Action,
    initial_sync::{Note, Piece, SyncTarget},
    lease::{Lease, LeaseName, Leases},
    position::Anchor,
    spool::SpoolLog,
    store_error::StoreError,
    testing::chain::owner_id,
};

/// One call that changes a store.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Apply(Batch),
    SetStop(Stop),
    PutNotes(Vec<Note>),
    Wipe,
    Run(Action),
    Copy(Piece, Note),
    BeginAt(Checkpoint, Resume, Vec<Note>),
    BeginCapture(Checkpoint, Resume),
    Capture(Batch),
    Trim(Anchor),
}

impl Call {
    /// Makes the call to a store that is [ours](lease).
    pub(crate) async fn make<S: SpoolLog + SyncTarget>(&self, store: &S) -> Result<(), StoreError> {
        let owner = owner_id(1);
        match self {
            Self::Apply(batch) => store.apply(batch, owner).await.map(drop),
            Self::SetStop(stop) => store.set_stop(stop).await,
            Self::PutNotes(notes) => store.put_notes(notes, owner).await,
            Self::Wipe => store.wipe(owner).await,
            Self::Run(action) => store.run(action, owner).await,
            Self::Copy(piece, note) => store.copy(piece, note, owner).await,
            Self::BeginAt(checkpoint, resume, notes) => store.begin_at(*checkpoint, resume, notes, owner).await,
            Self::BeginCapture(checkpoint, resume) => store.begin_capture(*checkpoint, resume, owner).await,
            Self::Capture(batch) => store.capture(batch, owner).await,
            Self::Trim(floor) => store.trim(floor).await,
        }
    }
}

/// Takes both leases of a store that nobody holds.
pub(crate) async fn lease(store: &impl Leases) {
    for name in [LeaseName::Log, LeaseName::Documents] {
        let lease = Lease { owner: owner_id(1), holder: "the test".to_owned(), beat: 0 };
        assert!(store.swap_lease(name, None, Some(&lease)).await.unwrap());
    }
}
