//! Mixed writes that a number determines, so that another process can make the same one again.

use bson::rawdoc;
use oplogsync_core::{
    ids::OpId,
    namespace::Namespace,
    testing::{
        documents::{id, namespace},
        random::Random,
    },
    write::Write,
};

/// Few enough documents that most writes meet one that is there.
const IDS: u64 = 40;

/// The operation that a number names.
pub(crate) fn op_id(number: u64) -> OpId {
    OpId::from_bytes((u128::from(number) << 64 | 0x5EED).to_be_bytes())
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
