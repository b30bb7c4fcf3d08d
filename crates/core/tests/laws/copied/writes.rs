//! What a primary is asked to do, while it is copied.

use bson::rawdoc;
use oplogsync_core::{
    catalog::{CollectionOptions, Index},
    command::Action,
    initial_sync::SyncTarget,
    log::Log,
    namespace::Namespace,
    primary::{Primary, WriteError},
    testing::{documents::id, manual_host::ManualHost, random::Random},
    write::Write,
};

/// A write or a command of a few documents and collections, whatever comes of it.
pub(super) async fn write<S: Log + SyncTarget + Clone>(primary: &Primary<S, ManualHost>, random: &mut Random) {
    let names = ["shop.a", "shop.b", "shop.c", "crm.d", "crm.e"].map(|name| Namespace::new(name).unwrap());
    let mut name = || names[usize::try_from(random.below(5)).unwrap()].clone();
    let (ns, to) = (name(), name());
    let (number, content) = (i32::try_from(random.below(10)).unwrap(), i32::try_from(random.below(100)).unwrap());
    let done = match random.below(24) {
        kind @ 0..=9 => primary.run(action(kind, ns, to, content)).await,
        10 | 11 => primary.write(Write::Delete { ns, id: id(number) }).await,
        _ => {
            let document = rawdoc! { "_id": number, "n": content };
            primary.write(Write::Replace { ns, id: id(number), document, upsert: true }).await
        }
    };
    if let Err(error) = done {
        assert!(matches!(error, WriteError::Refused(_)), "{error}: {error:?}");
    }
}

fn action(kind: u64, ns: Namespace, to: Namespace, content: i32) -> Action {
    let index = rawdoc! { "v": 2, "key": { "n": 1 }, "name": "n_1", "sparse": content % 2 == 0 };
    let validator = rawdoc! { "validator": { "n": { "$gte": content % 3 } } };
    let view = Namespace::new(if content % 2 == 0 { "shop.va" } else { "crm.vd" }).unwrap();
    let definition = rawdoc! { "viewOn": "a", "pipeline": [{ "$match": { "n": content } }] };
    match kind {
        0 => Action::Drop { ns },
        1 | 2 => Action::Rename { ns, to, drop_target: true },
        3 | 4 => Action::CreateIndexes { ns, indexes: vec![Index::new(&index).unwrap()] },
        5 => Action::DropIndexes { ns, names: vec!["n_1".to_owned()] },
        6 => Action::Create { ns, options: CollectionOptions::new(&validator).unwrap() },
        7 => Action::Modify { ns, changes: validator },
        8 if content < 60 => Action::DropDatabase { database: ns.database_name() },
        8 => Action::Modify { ns: view, changes: definition },
        _ if content < 20 => Action::Drop { ns: view },
        _ => Action::Create { ns: view, options: CollectionOptions::new(&definition).unwrap() },
    }
}
