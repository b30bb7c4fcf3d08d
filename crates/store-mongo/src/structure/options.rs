//! Whether the options of a collection are those that it is to have.

use bson::{RawBsonRef, RawDocument, raw::CStr};
use oplogsync_core::catalog::CollectionOptions;

/// Whether a collection that has these options was made with those.
pub(super) fn is_made_with(found: &RawDocument, wanted: &CollectionOptions) -> bool {
    let Ok(found) = CollectionOptions::new(found) else { return false };
    let (found, wanted) = (telling(&found), telling(wanted));
    let is_there = |(name, value): &(&str, RawBsonRef<'_>)| {
        found.iter().any(|(other, found)| other == name && is_same(name, *found, *value))
    };
    found.len() == wanted.len() && wanted.iter().all(is_there)
}

/// The options but for those that say what is so without them.
fn telling(options: &CollectionOptions) -> Vec<(&str, RawBsonRef<'_>)> {
    let fields = options.as_raw().iter().flatten().map(|(name, value)| (name.as_str(), value));
    let says_nothing = |name: &str, value: &RawBsonRef<'_>| match (name, value) {
        ("recordPreImages", RawBsonRef::Boolean(false)) => true,
        ("changeStreamPreAndPostImages", RawBsonRef::Document(images)) => {
            images.get_bool("enabled").is_ok_and(|enabled| !enabled)
        }
        ("collation", RawBsonRef::Document(collation)) => {
            collation.get_str("locale").is_ok_and(|locale| locale == "simple")
        }
        _ => false,
    };
    fields.filter(|(name, value)| !says_nothing(name, value)).collect()
}

fn is_same(name: &str, found: RawBsonRef<'_>, wanted: RawBsonRef<'_>) -> bool {
    match (name, found, wanted) {
        // A server completes a collation.
        ("collation", RawBsonRef::Document(found), RawBsonRef::Document(wanted)) => {
            let is_there =
                |(name, value): (&CStr, RawBsonRef<'_>)| found.get(name).is_ok_and(|found| found == Some(value));
            wanted.iter().flatten().all(is_there)
        }
        _ => found == wanted,
    }
}
