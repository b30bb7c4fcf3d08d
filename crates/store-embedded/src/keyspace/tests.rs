use bson::rawdoc;
use oplogsync_core::{
    initial_sync::{Note, Piece},
    lease::{Lease, LeaseName},
    limits::Limits,
    store_error::Fault,
    testing::{
        chain::{Chain, log_id, owner_id, valid},
        documents::{id, namespace},
    },
};

use super::*;
use crate::{changes::Changes, place::Place, toy::Toy};

/// Damages a record of an open store, beside its back.
fn flip(keyspace: &Keyspace<Toy>, key: &Key) {
    let flipped = keyspace.engine.contain(|tree| {
        let mut bytes = tree.get(key.as_bytes()).map_err(Trouble::reading)?.unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let mut changes = Changes::default();
        changes.set(key.as_bytes().to_vec(), Some(bytes));
        tree.apply(changes).map_err(Trouble::writing)
    });
    flipped.unwrap();
}

fn assert_damage<T: std::fmt::Debug>(result: Result<T, StoreError>, record: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.fault(), error.node()), (&Fault::Corrupt, "a"));
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains(record), "{cause:?} does not name {record:?}");
}

#[test]
fn damage_is_found_by_every_read_and_poisons_nothing_else() {
    let keyspace = Keyspace::<Toy>::memory("a").unwrap();
    let (mut chain, ns, owner) = (Chain::new(log_id(1)), namespace("items"), owner_id(1));
    let lease = Lease { owner, holder: "the test".to_owned(), beat: 0 };
    assert!(keyspace.leases.write().unwrap().swap(LeaseName::Documents, None, Some(lease)));
    let batch = chain.insert(&ns, rawdoc! { "_id": 1 }).insert(&ns, rawdoc! { "_id": 2 }).take_batch();
    keyspace.create_log(chain.log()).unwrap();
    keyspace.append(batch.entries()).unwrap();
    keyspace.apply(&batch, owner).unwrap();
    let all = Limits::default();

    flip(&keyspace, &Key::entry(2));
    assert_damage(keyspace.read_log(1, all), "the log entry at index 2");
    assert_damage(keyspace.append(batch.entries()), "the log entry at index 2");
    let op_id = batch.entries()[0].op_id();
    flip(&keyspace, &Key::operation(op_id));
    assert_damage(keyspace.find(op_id), &format!("the position of operation {op_id}"));
    flip(&keyspace, &Place::numbered(0).document(&id(2)));
    assert_damage(keyspace.get(&ns, &[id(1), id(2)]), "a document of shop.items");
    assert_damage(keyspace.scan(&ns, None, all), "a document of shop.items");
    let update = chain.update(&ns, rawdoc! { "_id": 2, "n": 1 }).take_batch();
    assert_damage(keyspace.apply(&update, owner), "a document of shop.items");
    assert_eq!(keyspace.checkpoint().unwrap().unwrap().anchor, batch.last());
    flip(&keyspace, &Key::digest(&ns));
    assert_damage(keyspace.digest(&ns), "the digest of shop.items");
    assert_damage(keyspace.namespaces(), "the digest of shop.items");
    flip(&keyspace, &Key::checkpoint());
    assert_damage(keyspace.checkpoint(), "the checkpoint");
    assert_damage(keyspace.apply(&update, owner), "the checkpoint");
    assert_eq!(keyspace.get(&ns, &[id(1)]).unwrap().len(), 1);
    flip(&keyspace, &Key::log());
    assert_damage(keyspace.log_ends(), "the ends of the log");
}

#[test]
fn a_panic_of_the_engine_is_damage_and_poisons_the_store() {
    let keyspace = Keyspace::<Toy>::memory("a").unwrap();
    let result: Result<(), _> = keyspace.read(|| "read".to_owned(), |_| panic!("a page is not what it was"));
    assert_damage(result, "a page is not what it was");
    assert_eq!(*keyspace.log_ends().unwrap_err().fault(), Fault::Poisoned);
}

#[test]
fn the_files_of_a_store_in_memory_are_private_and_gone_with_it() {
    let keyspace = Keyspace::<Toy>::memory("a").unwrap();
    let path = keyspace.folder.path().to_owned();
    assert!(path.join("oplogsync.mark").exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
    drop(keyspace);
    assert!(!path.exists());
}

#[test]
fn a_piece_whose_documents_are_not_those_of_its_part_is_a_defect() {
    let (keyspace, ns, owner) = (Keyspace::<Toy>::memory("a").unwrap(), namespace("items"), owner_id(1));
    let lease = Lease { owner, holder: "the test".to_owned(), beat: 0 };
    assert!(keyspace.leases.write().unwrap().swap(LeaseName::Documents, None, Some(lease)));
    let note = Note { name: "range".to_owned(), document: Some(rawdoc! { "done": 1 }) };
    for ids in [vec![2, 1], vec![1, 1], vec![0], vec![1, 6]] {
        let documents = ids.iter().map(|number| valid(rawdoc! { "_id": *number })).collect();
        let (after, until) = (Some(id(0)), Some(id(5)));
        let piece = Piece { ns: ns.clone(), after, until, documents, is_fresh: false };
        assert_eq!(*keyspace.copy(&piece, &note, owner).unwrap_err().fault(), Fault::Defect, "{ids:?}");
    }
    assert_eq!((keyspace.namespaces().unwrap(), keyspace.notes().unwrap()), (vec![], vec![]));
}
