//! What a [`SyncTarget`] owes beside the copying of documents.

use bson::rawdoc;

use super::{
    StoreBuilder, apply,
    apply_checks::{at, checkpoint, resume},
    command_checks::{assert_gone, assert_holds, collections, index, validated},
    copy_checks::note,
    document_checks::{all, fill},
    lease_documents,
    log_checks::{append, dense, empty_log},
};
use crate::{
    catalog::Collection,
    checkpoint::{Checkpoint, Resume, Stop, Token},
    command::Action,
    documents::Documents,
    filter::FilterId,
    initial_sync::{Note, Piece, SyncTarget},
    log::Appended,
    store_error::{Fault, StoreError},
    testing::{
        chain::{Chain, log_id, owner_id, valid},
        documents::{every_type, id, namespace, only_id},
    },
};

async fn put_notes(store: &impl SyncTarget, notes: &[Note]) {
    lease_documents(store, owner_id(1)).await;
    store.put_notes(notes, owner_id(1)).await.expect("they are written");
}

async fn wipe(store: &impl SyncTarget) {
    lease_documents(store, owner_id(1)).await;
    store.wipe(owner_id(1)).await.expect("it is wiped");
}

async fn notes(store: &impl SyncTarget) -> Vec<Note> {
    store.notes().await.expect("they are read")
}

fn gone(name: &str) -> Note {
    Note { name: name.to_owned(), document: None }
}

pub(super) async fn notes_are_remembered_by_name<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    assert_eq!(notes(&store).await, []);
    let [sync, orders, items] = ["sync", "range:shop.orders:0001", "collection:shop.items"].map(|name| note(name, 1));
    put_notes(&store, &[sync.clone(), orders.clone(), items.clone()]).await;
    assert_eq!(notes(&store).await, [items.clone(), orders, sync.clone()], "by name");
    put_notes(&store, &[note("sync", 2), gone("range:shop.orders:0001"), gone("never")]).await;
    assert_eq!(notes(&store).await, [items, note("sync", 2)]);
    put_notes(&store, &[]).await;
    put_notes(&store, &[gone("sync"), gone("collection:shop.items")]).await;
    assert_eq!(notes(&store).await, []);
    assert_eq!(store.namespaces().await.expect("they are read"), [], "notes are no documents of the node");
}

pub(super) async fn notes_are_written_in_their_order<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    put_notes(&store, &[note("a", 1), note("a", 2), note("b", 1), gone("b"), gone("c"), note("c", 3)]).await;
    assert_eq!(notes(&store).await, [note("a", 2), note("c", 3)], "the last one counts");
}

pub(super) async fn notes_survive_a_restart<B: StoreBuilder>(builder: &B) {
    let (guard, store) = builder.build().await;
    let large = Note { name: "d.b$ \u{e9}".to_owned(), document: Some(every_type(1)) };
    put_notes(&store, &[note("sync", 1), large.clone()]).await;
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_eq!(notes(&store).await, [large, note("sync", 1)]);
}

pub(super) async fn a_wipe_leaves_nothing_but_notes_and_log<B: StoreBuilder>(builder: &B) {
    let (guard, store, mut chain) = empty_log(builder).await;
    let names = ["items", "orders"].map(namespace);
    let token = Some(Token::new(*b"token"));
    let batch = chain.insert(&names[0], only_id(1)).insert(&names[1], only_id(1)).take_batch().with_token(token);
    assert_eq!(append(&store, batch.entries()).await, Appended::All);
    apply(&store, &batch).await.expect("the batch is applied");
    lease_documents(&store, owner_id(1)).await;
    let create = Action::Create { ns: namespace("empty"), options: validated() };
    store.run(&create, owner_id(1)).await.expect("the command is run");
    put_notes(&store, &[note("sync", 1)]).await;
    let stop = Stop { at: chain.last().position, too_stale: true, reason: "a test".to_owned() };
    store.set_stop(&stop).await.expect("it is remembered");
    for _ in 0..2 {
        wipe(&store).await;
        assert_eq!((checkpoint(&store).await, resume(&store).await), (None, Resume::default()));
        assert_eq!(store.stop().await.expect("it is read"), None);
        assert_eq!(store.unfinished().await.expect("it is read"), None);
        assert_eq!(store.namespaces().await.expect("they are read"), []);
        assert_eq!(store.collections().await.expect("they are read"), []);
        for ns in &names {
            assert_gone(&store, ns).await;
        }
        assert_eq!(notes(&store).await, [note("sync", 1)]);
        assert_eq!(dense(&store).await, batch.entries());
    }
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_eq!((checkpoint(&store).await, store.namespaces().await.expect("they are read")), (None, vec![]));
    assert_eq!(notes(&store).await, [note("sync", 1)]);
}

pub(super) async fn a_wiped_target_is_filled_again<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    for number in 1..4 {
        fill(&store, &ns, &[only_id(number), only_id(7)]).await;
        assert_holds(&store, &ns, &[only_id(number), only_id(7)]).await;
        wipe(&store).await;
    }
    wipe(&store).await;
    assert_gone(&store, &ns).await;
}

pub(super) async fn a_command_is_run_outside_of_any_batch<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let (ns, to) = (namespace("items"), namespace("goods"));
    let chain = fill(&store, &ns, &[rawdoc! { "_id": 1, "n": 1 }]).await;
    lease_documents(&store, owner_id(1)).await;
    let indexes = vec![index("n", true)];
    let actions = [
        Action::CreateIndexes { ns: ns.clone(), indexes: indexes.clone() },
        Action::Rename { ns, to: to.clone(), drop_target: false },
    ];
    for action in actions.iter().flat_map(|action| [action; 2]) {
        store.run(action, owner_id(1)).await.expect("the command is run");
    }
    assert_holds(&store, &to, &[rawdoc! { "_id": 1, "n": 1 }]).await;
    let expected = Collection { indexes, ..Collection::plain(to.clone()) };
    assert_eq!(collections(&store).await, [expected]);
    assert_eq!(checkpoint(&store).await, Some(at(&chain)), "the checkpoint stays");
    for _ in 0..2 {
        store.run(&Action::Drop { ns: to.clone() }, owner_id(1)).await.expect("the command is run");
        assert_gone(&store, &to).await;
    }
}

pub(super) async fn a_copied_target_begins_at_a_checkpoint<B: StoreBuilder>(builder: &B) {
    let (guard, store) = builder.build().await;
    let ns = namespace("items");
    let mut chain = Chain::new(log_id(1));
    chain.noops(5).new_term().take();
    let begin = Checkpoint { log: chain.log(), anchor: chain.last() };
    let beside = Resume { filter: FilterId::from_bytes([3; 16]), token: Some(Token::new(*b"token")) };
    lease_documents(&store, owner_id(1)).await;
    let piece = Piece { ns: ns.clone(), after: None, until: None, documents: vec![valid(only_id(1))], is_fresh: true };
    store.copy(&piece, &note("range", 1), owner_id(1)).await.expect("the piece is copied");
    let stop = Stop { at: chain.last().position, too_stale: true, reason: "a test".to_owned() };
    store.set_stop(&stop).await.expect("it is remembered");
    for _ in 0..2 {
        store.begin_at(begin, &beside, &[note("sync", 1), gone("range")], owner_id(1)).await.expect("it begins");
        assert_eq!((checkpoint(&store).await, resume(&store).await), (Some(begin), beside.clone()));
        assert_eq!(store.stop().await.expect("it is read"), None, "a stop is forgotten");
        assert_eq!(notes(&store).await, [note("sync", 1)]);
    }
    let Some(store) = builder.reopen(&guard, store).await else { return };
    assert_eq!((checkpoint(&store).await, resume(&store).await), (Some(begin), beside));
    assert_eq!(store.unfinished().await.expect("it is read"), None);
    apply(&store, &chain.insert(&ns, only_id(2)).delete(&ns, id(1)).take_batch()).await.expect("the log goes on");
    assert_holds(&store, &ns, &[only_id(2)]).await;
    assert_eq!(resume(&store).await, Resume::default());
}

pub(super) async fn a_target_of_somebody_else_is_left_alone<B: StoreBuilder>(builder: &B) {
    let (_guard, store) = builder.build().await;
    let ns = namespace("items");
    let chain = fill(&store, &ns, &[only_id(1)]).await;
    lease_documents(&store, owner_id(2)).await;
    let (mine, piece) =
        (owner_id(1), Piece { ns: ns.clone(), after: None, until: None, documents: vec![], is_fresh: false });
    let begin = Checkpoint { log: log_id(2), anchor: chain.last() };
    let results = [
        store.put_notes(&[note("sync", 1)], mine).await,
        store.wipe(mine).await,
        store.run(&Action::Drop { ns: ns.clone() }, mine).await,
        store.copy(&piece, &note("range", 1), mine).await,
        store.begin_at(begin, &Resume::default(), &[note("sync", 1)], mine).await,
    ];
    for (number, result) in results.into_iter().enumerate() {
        let is_busy =
            |error: &StoreError| matches!(error.fault(), Fault::Busy { .. }) && error.node() == builder.node();
        assert!(result.as_ref().is_err_and(is_busy), "call {number}: {result:?}");
    }
    assert_eq!((all(&store, &ns).await, notes(&store).await), (vec![valid(only_id(1))], vec![]));
    assert_eq!(checkpoint(&store).await, Some(at(&chain)));
}
