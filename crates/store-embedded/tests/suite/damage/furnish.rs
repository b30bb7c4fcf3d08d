//! Folders with records of every kind.

use std::{io, path::Path, sync::Arc};

use bson::rawdoc;
use oplogsync_core::{
    catalog::Index,
    checkpoint::{Checkpoint, Resume, Stop, Token},
    command::Action,
    document::Document,
    documents::Documents,
    initial_sync::{Note, Piece, SyncTarget},
    lease::{Lease, LeaseName, Leases},
    position::Position,
    spool::SpoolLog,
    testing::{
        chain::{Chain, owner_id},
        documents::namespace,
    },
};

use super::open;
use crate::{
    engine::{Options, Step, Store, Watch},
    suite::history::{lease, log, write},
};

/// Makes a folder with records of every kind, but those of a captured log.
pub(super) async fn furnish(folder: &Path) {
    // Nothing of what is dropped goes yet.
    let watch: Watch = Arc::new(|step, _| if step == Step::Sweep { Err(io::ErrorKind::Other.into()) } else { Ok(()) });
    let setup = open(folder).unwrap();
    write(&setup, 90).await;
    let owner = owner_id(1);
    let mut chain = Chain::after(log(), setup.checkpoint().await.unwrap().unwrap().anchor);
    let command = Action::CreateIndexes { ns: namespace("items"), indexes: vec![by_n()] };
    let batch = chain.command(command).take_batch().with_token(Some(Token::new(*b"a token")));
    setup.apply(&batch, owner).await.unwrap();
    let note = Note { name: "sync".to_owned(), document: Some(rawdoc! { "phase": "copy" }) };
    let document = Document::new(rawdoc! { "_id": 1 }).unwrap();
    let ns = namespace("orders");
    let piece = Piece { ns: ns.clone(), after: None, until: None, documents: vec![document], is_fresh: true };
    setup.copy(&piece, &note, owner).await.unwrap();
    let stop = Stop { at: Position::default(), too_stale: false, reason: "an update found nothing".to_owned() };
    setup.set_stop(&stop).await.unwrap();
    drop(setup);
    let store = Store::open_watched(folder, "a", Options::default(), watch).unwrap();
    lease(&store).await;
    store.run(&Action::Drop { ns }, owner).await.unwrap_err();
}

fn by_n() -> Index {
    Index::new(&rawdoc! { "v": 2, "key": { "n": 1 }, "name": "n_1" }).unwrap()
}

/// Makes a folder with a captured log.
pub(super) async fn capture(folder: &Path) {
    let store = open(folder).unwrap();
    let mut feed = Chain::new(log());
    feed.noops(40).take();
    let lease = Lease { owner: owner_id(1), holder: "the test".to_owned(), beat: 0 };
    assert!(store.swap_lease(LeaseName::Log, None, Some(&lease)).await.unwrap());
    let checkpoint = Checkpoint { log: feed.log(), anchor: feed.last() };
    store.begin_capture(checkpoint, &Resume::default(), owner_id(1)).await.unwrap();
    store.capture(&feed.noops(3).take_batch(), owner_id(1)).await.unwrap();
}
