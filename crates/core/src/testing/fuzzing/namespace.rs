//! Which namespaces are replicated.

use super::corpus::{Seed, seed};
use crate::namespace::{Namespace, NamespaceError};

/// A text is a namespace exactly when a plain reading of the rules says so, and then splits into
/// its database and its collection.
///
/// # Panics
/// When it is not.
pub fn check_namespace(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match (Namespace::new(text), expected(text)) {
        (Ok(ns), Answer::Taken) => {
            assert_eq!(format!("{}.{}", ns.database(), ns.collection()), text);
            assert_eq!(Namespace::new(ns.as_str()).as_ref(), Ok(&ns));
        }
        (Err(NamespaceError::Malformed { .. }), Answer::Malformed)
        | (Err(NamespaceError::Forbidden { .. }), Answer::Forbidden) => {}
        (found, expected) => panic!("{text:?} is {found:?} and should be {expected:?}"),
    }
}

#[derive(Debug)]
enum Answer {
    Taken,
    Malformed,
    Forbidden,
}

/// The rules, read from the manual character by character.
fn expected(text: &str) -> Answer {
    let parts: Vec<&str> = text.split('.').collect();
    let [database, collection @ ..] = parts.as_slice() else { return Answer::Malformed };
    let database_plain = database.chars().all(|c| !"/\\ \"$\0".contains(c)) && database.len() <= 63;
    if collection.is_empty() || database.is_empty() || !database_plain {
        return Answer::Malformed;
    }
    let database = database.to_ascii_lowercase();
    let reserved = ["admin", "config", "local", "oplogsync"].contains(&database.as_str());
    if reserved || collection.contains(&"system") || collection.first() == Some(&"oplogsync") {
        return Answer::Forbidden;
    }
    let named = collection.first().is_some_and(|first| !first.is_empty());
    let collection_plain = collection.iter().all(|part| part.chars().all(|c| c != '$' && c != '\0'));
    if !named || !collection_plain || text.len() > 255 {
        return Answer::Malformed;
    }
    Answer::Taken
}

pub(super) fn seeds() -> Vec<Seed> {
    let long = format!("db.{}", "c".repeat(297));
    vec![
        seed("plain", "shop.orders"),
        seed("dotted-collection", "shop.orders.2026"),
        seed("not-ascii", "shop.b\u{fc}cher"),
        seed("no-collection", "a"),
        seed("three-hundred-bytes", long),
        seed("exactly-255-bytes", format!("db.{}", "c".repeat(252))),
        seed("database-of-64-bytes", format!("{}.c", "d".repeat(64))),
        seed("nul-inside", "shop.or\0ders"),
        seed("dollar-inside", "shop.$cmd"),
        seed("double-dot", "shop..orders"),
        seed("dot-at-the-end", "shop.orders."),
        seed("colon-in-the-database", "od:d.orders"),
        seed("dollar-at-the-servers", "admin.$cmd"),
        seed("system-users", "admin.system.users"),
        seed("server-oplog", "local.oplog.rs"),
        seed("config", "config.chunks"),
        seed("config-upper-case", "CONFIG.chunks"),
        seed("views", "x.system.views"),
        seed("own-database", "oplogsync.oplog"),
        seed("own-collection", "shop.oplogsync.node"),
    ]
}
