//! What stands at a key, for people.

use std::fmt::Write;

use super::{
    ACKNOWLEDGEMENT, CAPTURED, CHECKPOINT, COLLECTION, COMMITS, DIGEST, DOCUMENT, DROPPED, ENTRY, FORMAT, Key, LOG,
    NAMED_DOCUMENT, NEXT_PLACE, NOTE, OPERATION, PLACE, RESUME, STOP,
};
use crate::place::Place;

/// What stands at a key, for people.
pub(crate) fn describe(key: &[u8]) -> String {
    let Some((tag, rest)) = key.split_first() else { return "the empty key".to_owned() };
    let text = String::from_utf8_lossy(rest);
    match *tag {
        FORMAT => "the format record".to_owned(),
        COMMITS => "the count of commits".to_owned(),
        LOG => "the ends of the log".to_owned(),
        ENTRY => match Key::entry_index(key) {
            Some(index) => format!("the log entry at index {index}"),
            None => format!("a log entry with the malformed key {}", hex(rest)),
        },
        OPERATION => format!("the position of operation {}", hex(rest)),
        ACKNOWLEDGEMENT => format!("the acknowledgement of replica {text}"),
        CAPTURED => "the ends of the captured log".to_owned(),
        CHECKPOINT => "the checkpoint".to_owned(),
        STOP => "the stop record".to_owned(),
        DIGEST => format!("the digest of {text}"),
        RESUME => "the record beside the checkpoint".to_owned(),
        COLLECTION => format!("the description of {text}"),
        PLACE => format!("the place of {text}"),
        DROPPED => format!("the record of a dropped collection at {}", hex(rest)),
        NEXT_PLACE => "the number of the next place".to_owned(),
        NOTE => format!("the note {text}"),
        NAMED_DOCUMENT | DOCUMENT => match Place::of_document(key) {
            Some(place) => describe_document(&place.to_string(), key),
            None => format!("a document with the malformed key {}", hex(rest)),
        },
        _ => format!("the unknown key {}", hex(key)),
    }
}

/// What stands at the key of a document of a collection, for people.
pub(crate) fn describe_document(collection: &str, key: &[u8]) -> String {
    let place = Place::of_document(key);
    let id = place.and_then(|place| key.strip_prefix(place.as_bytes())).unwrap_or(key);
    format!("a document of {collection} with the key {}", hex(id))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
