//! [`Fragments`]: events that the server has split because they are larger than a document may be.

use std::borrow::Cow;

use bson::{RawDocument, RawDocumentBuf};

use super::EventError;
use crate::fields::{FieldError, Fields};

/// More than an event has: a document, its change, and little else.
const EVENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The fragments of one event that have come so far. Each has some of the event's fields, whole, and
/// `splitEvent: { fragment, of }`. A stream goes on behind the last one only.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    joined: RawDocumentBuf,
    next: i32,
    of: i32,
}

impl Fragments {
    /// Whether others have to come.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The whole event, if this is one or the last fragment of one; it has the token of the last fragment.
    pub(super) fn join<'a>(&mut self, raw: &'a RawDocument) -> Result<Option<Cow<'a, RawDocument>>, EventError> {
        let Some(split) = raw.get("splitEvent").map_err(|_| FieldError::Malformed)? else {
            return if self.open.is_none() { Ok(Some(Cow::Borrowed(raw))) } else { Err(EventError::Fragments) };
        };
        let mut split = Fields::new(split.as_document().ok_or(FieldError::Type("splitEvent"))?)?;
        let mut number = |name| split.take(name)?.as_i32().ok_or(FieldError::Type(name));
        let (fragment, of) = (number("fragment")?, number("of")?);
        split.end()?;
        let mut open = match self.open.take() {
            None => Open { joined: RawDocumentBuf::new(), next: 1, of },
            Some(open) => open,
        };
        if fragment != open.next || of != open.of || fragment > of {
            return Err(EventError::Fragments);
        }
        let is_last = fragment == of;
        for field in raw {
            let (name, value) = field.map_err(|_| FieldError::Malformed)?;
            let is_kept = match name.as_str() {
                "splitEvent" => false,
                "_id" => is_last,
                _ => true,
            };
            if is_kept {
                open.joined.append(name, value);
            }
        }
        if open.joined.as_bytes().len() > EVENT_BYTES_MAX {
            return Err(EventError::TooLarge(EVENT_BYTES_MAX));
        }
        if is_last {
            return Ok(Some(Cow::Owned(open.joined)));
        }
        open.next += 1;
        self.open = Some(open);
        Ok(None)
    }
}
