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
    count_ids(bytes).map(drop)
}

/// [`check`], and how many of the document's own fields are called `_id`.
pub(crate) fn count_ids(bytes: &[u8]) -> Result<usize, DocumentError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(DocumentError::TooLarge { bytes: bytes.len() });
    }
    walk(bytes, DOCUMENT_DEPTH_MAX)
}

/// [`check`] of bytes of any number, in which documents may be nested `depth_max` levels deep.
pub(crate) fn check_form(bytes: &[u8], depth_max: usize) -> Result<(), DocumentError> {
    walk(bytes, depth_max).map(drop)
}

fn walk(bytes: &[u8], depth_max: usize) -> Result<usize, DocumentError> {
    let mut walk = Walk { rest: bytes, end: bytes.len(), behind: Vec::with_capacity(8), depth_max, ids: 0 };
    walk.open_document()?;
    while !walk.behind.is_empty() {
        walk.element()?;
    }
    if walk.rest.is_empty() { Ok(walk.ids) } else { Err(walk.malformed("bytes follow the document")) }
}

struct Walk<'a> {
    /// What is still to be read of the innermost open document.
    rest: &'a [u8],
    /// Where that ends, for messages.
    end: usize,
    /// What follows each open document, in the one around it.
    behind: Vec<&'a [u8]>,
    depth_max: usize,
    /// How many fields of the outermost document are called `_id`.
    ids: usize,
}

impl<'a> Walk<'a> {
    #[cold]
    fn malformed(&self, what: &'static str) -> DocumentError {
        DocumentError::Malformed { offset: self.end - self.rest.len(), what }
    }

    #[cold]
    fn cut_off(&self) -> DocumentError {
        self.malformed("a value is cut off")
    }

    fn skip(&mut self, count: usize) -> Result<(), DocumentError> {
        self.rest = self.rest.get(count..).ok_or_else(|| self.cut_off())?;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, DocumentError> {
        let (byte, rest) = self.rest.split_first().ok_or_else(|| self.cut_off())?;
        self.rest = rest;
        Ok(*byte)
    }

    /// The length that stands here.
    fn peek_length(&self) -> Result<usize, DocumentError> {
        let four = self.rest.first_chunk().ok_or_else(|| self.cut_off())?;
        usize::try_from(i32::from_le_bytes(*four)).map_err(|_| self.malformed("a length is negative"))
    }

    fn length(&mut self) -> Result<usize, DocumentError> {
        let length = self.peek_length()?;
        self.skip(4)?;
        Ok(length)
    }

    /// Text that ends at a NUL.
    fn c_string(&mut self) -> Result<&'a [u8], DocumentError> {
        let (count, is_ascii) = until_nul(self.rest).ok_or_else(|| self.malformed("a name has no end"))?;
        let text = self.rest.get(..count).unwrap_or_default();
        // What is all ASCII is UTF-8.
        if !is_ascii && std::str::from_utf8(text).is_err() {
            return Err(self.malformed("a name is not UTF-8"));
        }
        self.skip(count + 1)?;
        Ok(text)
    }

    /// Text behind its length, which counts the NUL at its end.
    fn string(&mut self) -> Result<(), DocumentError> {
        let length = self.length()?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.cut_off())?;
        let (end, text) = text.split_last().ok_or_else(|| self.malformed("a string has no room for its end"))?;
        if !text.is_ascii() && std::str::from_utf8(text).is_err() {
            return Err(self.malformed("a string is not UTF-8"));
        }
        if *end != 0 {
            return Err(self.malformed("a string does not end in NUL"));
        }
        self.rest = rest;
        Ok(())
    }

    fn binary(&mut self) -> Result<(), DocumentError> {
        let length = self.length()?;
        if self.byte()? == 2 {
            // The old binary subtype repeats its length inside.
            if self.length()?.checked_add(4) != Some(length) {
                return Err(self.malformed("an old binary value contradicts its length"));
            }
            return self.skip(length - 4);
        }
        self.skip(length)
    }

    fn open_document(&mut self) -> Result<(), DocumentError> {
        if self.behind.len() == self.depth_max {
            return Err(DocumentError::TooDeep);
        }
        let length = self.peek_length()?;
        let (document, behind) = match self.rest.split_at_checked(length) {
            Some(split) if length >= 5 => split,
            _ => return Err(self.malformed("a document contradicts its length")),
        };
        self.behind.push(behind);
        self.end -= behind.len();
        self.rest = document;
        self.skip(4)
    }

    fn close_document(&mut self) -> Result<(), DocumentError> {
        if !self.rest.is_empty() {
            return Err(self.malformed("a document contradicts its length"));
        }
        if let Some(behind) = self.behind.pop() {
            self.end += behind.len();
            self.rest = behind;
        }
        Ok(())
    }

    fn code_with_scope(&mut self) -> Result<(), DocumentError> {
        let room = self.rest.len();
        let behind = room.checked_sub(self.peek_length()?).ok_or_else(|| self.cut_off())?;
        self.skip(4)?;
        self.string()?;
        self.open_document()?;
        // The scope ends where the value does.
        if self.behind.last().is_none_or(|rest| rest.len() != behind) {
            return Err(self.malformed("a document contradicts its length"));
        }
        Ok(())
    }

    fn element(&mut self) -> Result<(), DocumentError> {
        let tag = self.byte()?;
        if tag == 0 {
            return self.close_document();
        }
        let name = self.c_string()?;
        if self.behind.len() == 1 && name == b"_id" {
            self.ids += 1;
        }
        match tag {
            0x01 | 0x09 | 0x11 | 0x12 => self.skip(8),
            0x02 | 0x0D | 0x0E => self.string(),
            0x03 | 0x04 => self.open_document(),
            0x05 => self.binary(),
            0x06 | 0x0A | 0xFF | 0x7F => Ok(()),
            0x07 => self.skip(12),
            0x08 => match self.byte()? {
                0 | 1 => Ok(()),
                _ => Err(self.malformed("a boolean is neither 0 nor 1")),
            },
            0x0B => self.c_string().and_then(|_| self.c_string()).map(drop),
            0x0C => self.string().and_then(|()| self.skip(12)),
            0x0F => self.code_with_scope(),
            0x10 => self.skip(4),
            0x13 => self.skip(16),
            _ => Err(self.malformed("the type of a value is unknown")),
        }
    }
}

/// How many bytes stand before the first NUL, and whether all of them are ASCII.
///
/// Names are short: eight bytes are looked at as one word, in which the subtraction borrows into the top bit of
/// a byte that is zero, and of none before the first such.
fn until_nul(bytes: &[u8]) -> Option<(usize, bool)> {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const TOPS: u64 = u64::from_le_bytes([0x80; 8]);
    let (mut rest, mut tops) = (bytes, 0);
    while let Some((word, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word);
        let nuls = word.wrapping_sub(ONES) & !word & TOPS;
        if nuls != 0 {
            let before = (nuls & nuls.wrapping_neg()) - 1;
            let count = bytes.len() - rest.len() + nuls.trailing_zeros() as usize / 8;
            return Some((count, (tops | (word & before)) & TOPS == 0));
        }
        tops |= word;
        rest = behind;
    }
    let count = rest.iter().position(|byte| *byte == 0)?;
    let is_ascii = tops & TOPS == 0 && rest.get(..count)?.is_ascii();
    Some((bytes.len() - rest.len() + count, is_ascii))
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
    fn code_whose_scope_does_not_end_with_it_is_refused() {
        const LENGTH_AT: usize = 4 + 1 + 2;
        let code = bson::RawJavaScriptCodeWithScope { code: "f".to_owned(), scope: bson::rawdoc! { "x": 1 } };
        let bytes = bson::rawdoc! { "c": code, "n": 7 }.into_bytes();
        assert_eq!(check(&bytes), Ok(()));
        let length = bytes[LENGTH_AT];
        for wrong in (0..=u8::MAX).filter(|wrong| *wrong != length) {
            let mut damaged = bytes.clone();
            damaged[LENGTH_AT] = wrong;
            assert!(check(&damaged).is_err(), "a length of {wrong}");
        }
    }

    #[test]
    fn a_nul_is_found_wherever_it_stands_and_ascii_is_told_from_the_rest() {
        for length in 0..20 {
            for behind in 0..20 {
                let plain = [vec![b'a'; length], vec![0], vec![0x80; behind]].concat();
                assert_eq!(until_nul(&plain), Some((length, true)), "{length} before, {behind} behind");
                assert_eq!(until_nul(&plain[..length]), None);
                for at in 0..length {
                    let mut accented = plain.clone();
                    accented[at] = 0x80;
                    assert_eq!(
                        until_nul(&accented),
                        Some((length, false)),
                        "{length} before, {behind} behind, at {at}"
                    );
                    accented[at] = 0x01;
                    assert_eq!(until_nul(&accented), Some((length, true)), "{length} before, {behind} behind, at {at}");
                }
            }
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
