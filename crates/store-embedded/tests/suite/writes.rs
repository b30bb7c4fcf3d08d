//! Mixed writes and commands that a number determines, so that another process can make the same one again.

use bson::rawdoc;
use oplogsync_core::{
    catalog::{CollectionOptions, Index},
    command::Action,
    host::Host,
    ids::OpId,
    namespace::Namespace,
    primary::{Primary, WriteError},
    testing::{
        documents::{id, namespace},
        random::Random,
    },
    write::{Write, Written},
};

use crate::engine::Store;

/// Few enough documents that most writes meet one that is there.
const IDS: u64 = 40;

/// The operation that a number names.
pub(crate) fn op_id(number: u64) -> OpId {
    OpId::from_bytes((u128::from(number) << 64 | 0x5EED).to_be_bytes())
}

/// Makes the write or the command with a number, which may have been tried before.
pub(crate) async fn make<H: Host>(primary: &Primary<Store, H>, number: u64) -> Result<Written, WriteError> {
    match command(number) {
        Some(action) => primary.run_once(op_id(number), action).await,
        None => primary.write_once(op_id(number), write(number)).await,
    }
}

/// The command with a number, if it is not that of a write. Many are refused, for there is nothing that they
/// could be about.
fn command(number: u64) -> Option<Action> {
    let mut random = Random::new(!number ^ 5);
    if random.below(4) > 0 {
        return None;
    }
    let mut name = || namespace(["items", "goods", "orders"][usize::try_from(random.below(3)).unwrap()]);
    let (ns, to) = (name(), name());
    let index = rawdoc! { "v": 2, "key": { "by": 1 }, "name": "by_1" };
    Some(match random.below(8) {
        0..2 => Action::Drop { ns },
        2..4 => Action::Rename { ns, to, drop_target: random.below(4) > 0 },
        4 => Action::Create { ns, options: CollectionOptions::new(&rawdoc! { "validator": { "n": 1 } }).unwrap() },
        5 => Action::CreateIndexes { ns, indexes: vec![Index::new(&index).unwrap()] },
        6 => Action::DropIndexes { ns, names: vec!["by_1".to_owned()] },
        _ => Action::Modify { ns, changes: rawdoc! { "validator": { "by": i64::try_from(number).unwrap() } } },
    })
}

/// The write with a number: an insert, a replacement, an update or a delete, in one of two namespaces.
pub(crate) fn write(number: u64) -> Write {
    let mut random = Random::new(number);
    let ns: Namespace = namespace(if random.below(4) == 0 { "orders" } else { "items" });
    let key = i64::try_from(random.below(IDS)).unwrap();
    let by = i64::try_from(number).unwrap();
    // Now and then one of some pages, and one that the engine keeps in a file of its own.
    let filler_bytes = match random.below(200) {
        0 => 600_000,
        1..10 => random.below(9000),
        _ => random.below(200),
    };
    let filler = "x".repeat(usize::try_from(filler_bytes).unwrap());
    match random.below(10) {
        0..3 => Write::Insert { ns, document: rawdoc! { "_id": key, "by": by, "filler": filler } },
        3..5 => Write::Replace { ns, id: id(key), document: rawdoc! { "by": by, "filler": filler }, upsert: true },
        5..8 => Write::Update {
            ns,
            id: id(key),
            update: rawdoc! { "$inc": { "n": 1 }, "$set": { "by": by } },
            upsert: true,
        },
        _ => Write::Delete { ns, id: id(key) },
    }
}
