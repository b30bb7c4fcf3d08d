//! Checks raw BSON without recursion, before anything decodes it.
//!
//! `RawDocumentBuf` checks its outer frame only, and decoding nested documents recurses: hostile
//! nesting would end the process. This walk needs a fixed amount of memory for any input.

use crate::{
    document::DocumentError,
    limits::{DOCUMENT_BYTES_MAX, DOCUMENT_DEPTH_MAX},
};

/// Checks every length, text, depth and the total size of one document.
pub(crate) fn check(bytes: &[u8]) -> Result<(), DocumentError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(DocumentError::TooLarge { bytes: bytes.len() });
    }
    check_form(bytes, DOCUMENT_DEPTH_MAX)
}

/// [`check`] of bytes of any number, in which documents may be nested `depth_max` levels deep.
pub(crate) fn check_form(bytes: &[u8], depth_max: usize) -> Result<(), DocumentError> {
    let mut walk = Walk { bytes, at: 0, open: Vec::with_capacity(8), depth_max };
    walk.open_document(bytes.len())?;
    while !walk.open.is_empty() {
        walk.element()?;
    }
    if walk.at == bytes.len() { Ok(()) } else { Err(walk.malformed("bytes follow the document")) }
}

/// A document that is being walked: where it ends, and where the value around it ends, if that
/// is code with scope.
struct Open {
    end: usize,
    scope_end: Option<usize>,
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    open: Vec<Open>,
    depth_max: usize,
}

impl Walk<'_> {
    fn malformed(&self, what: &'static str) -> DocumentError {
        DocumentError::Malformed { offset: self.at, what }
    }

    /// The end of what may still be read here.
    fn end(&self) -> usize {
        self.open.last().map_or(self.bytes.len(), |open| open.end)
    }

    fn take(&mut self, count: usize) -> Result<&[u8], DocumentError> {
        let next = self.at.checked_add(count).filter(|next| *next <= self.end());
        let next = next.ok_or_else(|| self.malformed("a value is cut off"))?;
        let taken = self.bytes.get(self.at..next).ok_or_else(|| self.malformed("a value is cut off"))?;
        self.at = next;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, DocumentError> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn length(&mut self) -> Result<usize, DocumentError> {
        let mut four = [0; 4];
        four.copy_from_slice(self.take(4)?);
        usize::try_from(i32::from_le_bytes(four)).map_err(|_| self.malformed("a length is negative"))
    }

    fn text(&mut self, what: &'static str, count: usize) -> Result<(), DocumentError> {
        let start = self.at;
        let valid = std::str::from_utf8(self.take(count)?).is_ok();
        if valid { Ok(()) } else { Err(DocumentError::Malformed { offset: start, what }) }
    }

    /// Text that ends at a NUL.
    fn c_string(&mut self) -> Result<(), DocumentError> {
        let rest = self.bytes.get(self.at..self.end()).unwrap_or_default();
        let count = rest.iter().position(|byte| *byte == 0);
        let count = count.ok_or_else(|| self.malformed("a name has no end"))?;
        self.text("a name is not UTF-8", count)?;
        self.take(1).map(drop)
    }

    /// Text behind its length, which counts the NUL at its end.
    fn string(&mut self) -> Result<(), DocumentError> {
        let length = self.length()?;
        let count = length.checked_sub(1).ok_or_else(|| self.malformed("a string has no room for its end"))?;
        self.text("a string is not UTF-8", count)?;
        if self.byte()? == 0 { Ok(()) } else { Err(self.malformed("a string does not end in NUL")) }
    }

    fn binary(&mut self) -> Result<(), DocumentError> {
        let length = self.length()?;
        if self.byte()? == 2 {
            // The old binary subtype repeats its length inside.
            if self.length()?.checked_add(4) != Some(length) {
                return Err(self.malformed("an old binary value contradicts its length"));
            }
            return self.take(length - 4).map(drop);
        }
        self.take(length).map(drop)
    }

    fn open_document(&mut self, room: usize) -> Result<(), DocumentError> {
        if self.open.len() == self.depth_max {
            return Err(DocumentError::TooDeep);
        }
        let start = self.at;
        let length = self.length()?;
        if length < 5 || length > room {
            return Err(DocumentError::Malformed { offset: start, what: "a document contradicts its length" });
        }
        self.open.push(Open { end: start + length, scope_end: None });
        Ok(())
    }

    fn close_document(&mut self) -> Result<(), DocumentError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        if self.at != open.end || open.scope_end.is_some_and(|end| end != self.at) {
            return Err(self.malformed("a document contradicts its length"));
        }
        Ok(())
    }

    fn code_with_scope(&mut self) -> Result<(), DocumentError> {
        let start = self.at;
        let length = self.length()?;
        let end = start + length;
        if end > self.end() {
            return Err(self.malformed("a value is cut off"));
        }
        self.string()?;
        self.open_document(end.saturating_sub(self.at))?;
        if let Some(open) = self.open.last_mut() {
            open.scope_end = Some(end);
        }
        Ok(())
    }

    fn element(&mut self) -> Result<(), DocumentError> {
        let tag = self.byte()?;
        if tag == 0 {
            return self.close_document();
        }
        self.c_string()?;
        match tag {
            0x01 | 0x09 | 0x11 | 0x12 => self.take(8).map(drop),
            0x02 | 0x0D | 0x0E => self.string(),
            0x03 | 0x04 => self.open_document(self.end() - self.at),
            0x05 => self.binary(),
            0x06 | 0x0A | 0xFF | 0x7F => Ok(()),
            0x07 => self.take(12).map(drop),
            0x08 => match self.byte()? {
                0 | 1 => Ok(()),
                _ => Err(self.malformed("a boolean is neither 0 nor 1")),
            },
            0x0B => self.c_string().and_then(|()| self.c_string()),
            0x0C => self.string().and_then(|()| self.take(12).map(drop)),
            0x0F => self.code_with_scope(),
            0x10 => self.take(4).map(drop),
            0x13 => self.take(16).map(drop),
            _ => Err(self.malformed("the type of a value is unknown")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        const EMPTY: usize = 5;
        const AROUND: usize = 8;
        let mut bytes = Vec::new();
        for inner in (0..levels).rev() {
            bytes.extend(i32::try_from(EMPTY + AROUND * inner).unwrap().to_le_bytes());
            if inner > 0 {
                bytes.extend([0x03, b'a', 0]);
            }
        }
        bytes.resize(bytes.len() + levels, 0);
        bytes
    }

    #[test]
    fn a_document_of_every_type_passes() {
        let raw = bson::rawdoc! {
            "_id": 1, "d": 1.5, "s": "x", "doc": { "a": [1, { "b": 2 }] }, "bin": bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1, 2] },
            "oid": bson::oid::ObjectId::from_bytes([7; 12]), "t": true, "date": bson::DateTime::from_millis(5), "null": null,
            "re": bson::Regex { pattern: "a".try_into().unwrap(), options: "i".try_into().unwrap() },
            "code": bson::RawJavaScriptCodeWithScope { code: "f".to_owned(), scope: bson::rawdoc! { "x": 1 } },
            "ts": bson::Timestamp { time: 1, increment: 2 }, "long": 5_i64, "min": bson::RawBson::MinKey, "max": bson::RawBson::MaxKey,
        };
        assert_eq!(check(raw.as_bytes()), Ok(()));
    }

    #[test]
    fn a_document_of_100_levels_passes_and_one_of_101_is_refused() {
        assert_eq!(check(&nested(100)), Ok(()));
        assert_eq!(check(&nested(101)), Err(DocumentError::TooDeep));
        assert_eq!(check(&nested(100_000)), Err(DocumentError::TooDeep));
    }

    #[test]
    fn every_cut_and_every_wrong_length_is_refused() {
        let raw = bson::rawdoc! { "_id": 1, "s": "text", "doc": { "a": [1, 2] } };
        let bytes = raw.as_bytes();
        for end in 0..bytes.len() {
            assert!(check(&bytes[..end]).is_err(), "cut at {end}");
        }
        for (at, wrong) in [(0, 0xFF), (16, 0x00), (16, 0x7F)] {
            let mut damaged = bytes.to_vec();
            damaged[at] = wrong;
            assert!(check(&damaged).is_err(), "byte {at} set to {wrong}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        let mut bytes = bson::rawdoc! { "s": "text" }.into_bytes();
        let at = bytes.windows(4).position(|four| four == b"text").unwrap();
        bytes[at] = 0xFF;
        assert!(matches!(check(&bytes), Err(DocumentError::Malformed { .. })));
    }
}
