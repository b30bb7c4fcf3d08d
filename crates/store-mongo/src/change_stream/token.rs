//! [`ResumeToken`] and [`StreamToken`]: where a change stream goes on, in the server's words and in ours.

use bson::{Binary, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr, rawdoc, spec::BinarySubtype};
use oplogsync_core::{checkpoint::Token, clock::OpTime, filter::FilterId, hash::Hash, ids::OpId};

use super::source_id::SourceId;
use crate::fields::{FieldError, Fields};

/// Servers write it first: the type of what follows, a timestamp.
const TIMESTAMP: u8 = 0x82;
/// More than a token has, which may hold an `_id` or the description of a collection.
const TOKEN_BYTES_MAX: usize = 1024 * 1024;

/// What a server says of a place in its change stream. It orders by the time with which it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ResumeToken {
    raw: RawDocumentBuf,
    time: OpTime,
}

/// What stands beside the checkpoint of a target that follows a change stream:
/// `{ v: 1, set | cluster: <id>, filter: <id>, token: <the server's> }`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StreamToken {
    pub(crate) source: SourceId,
    pub(crate) filter: FilterId,
    pub(crate) resume: ResumeToken,
}

/// Why bytes are no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token of a change stream is damaged")]
    Form(#[from] FieldError),
    #[error("the token of a change stream does not begin with a time")]
    Time,
    #[error(
        "the token of a change stream has more than {TOKEN_BYTES_MAX} bytes: it holds the `_id`, which is too long"
    )]
    TooLong,
}

impl ResumeToken {
    pub(crate) fn new(raw: &RawDocument) -> Result<Self, TokenError> {
        if raw.as_bytes().len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let mut fields = Fields::new(raw)?;
        let time = time_of(fields.text("_data")?).ok_or(TokenError::Time)?;
        // Only there where the text alone does not tell all types.
        if !matches!(fields.optional("_typeBits"), None | Some(RawBsonRef::Binary(_))) {
            return Err(FieldError::Type("_typeBits").into());
        }
        fields.end()?;
        Ok(Self { raw: raw.to_owned(), time })
    }

    pub(crate) fn as_raw(&self) -> &RawDocument {
        &self.raw
    }

    /// When what it stands behind has happened.
    pub(crate) fn time(&self) -> OpTime {
        self.time
    }

    /// Identifies the event that has it.
    pub(crate) fn op_id(&self) -> OpId {
        OpId::from_bytes(Hash::of(self.raw.as_bytes()).to_bytes())
    }
}

fn time_of(data: &str) -> Option<OpTime> {
    let byte = |at: usize| u8::from_str_radix(data.get(2 * at..2 * at + 2)?, 16).ok();
    let number =
        |from: usize| Some(u32::from_be_bytes([byte(from)?, byte(from + 1)?, byte(from + 2)?, byte(from + 3)?]));
    (byte(0)? == TIMESTAMP).then_some(OpTime::from_timestamp(number(1)?, number(5)?))
}

impl StreamToken {
    pub(crate) fn encode(&self) -> Token {
        let mut out = rawdoc! { "v": 1 };
        match self.source {
            SourceId::Set(id) => out.append(cstr!("set"), id),
            SourceId::Cluster(id) => out.append(cstr!("cluster"), id),
        }
        let filter = Binary { subtype: BinarySubtype::Generic, bytes: self.filter.to_bytes().to_vec() };
        out.append(cstr!("filter"), filter);
        out.append(cstr!("token"), self.resume.as_raw());
        Token::new(out.into_bytes())
    }

    pub(crate) fn decode(token: &Token) -> Result<Self, TokenError> {
        let raw = RawDocument::from_bytes(token.as_bytes()).map_err(|_| FieldError::Malformed)?;
        let mut fields = Fields::new(raw)?;
        fields.version()?;
        let id = |value: RawBsonRef<'_>, name| value.as_object_id().ok_or(FieldError::Type(name));
        let source = match fields.optional("set") {
            Some(set) => SourceId::Set(id(set, "set")?),
            None => SourceId::Cluster(id(fields.take("cluster")?, "cluster")?),
        };
        let filter = FilterId::from_bytes(fields.bytes16("filter")?);
        let resume = ResumeToken::new(fields.document("token")?)?;
        fields.end()?;
        Ok(Self { source, filter, resume })
    }
}

#[cfg(test)]
mod tests {
    use bson::oid::ObjectId;

    use super::*;

    const DATA: &str = "826B0744FF0000000A2B0229296E04";

    fn token(source: SourceId) -> StreamToken {
        let resume = ResumeToken::new(&rawdoc! { "_data": DATA }).unwrap();
        StreamToken { source, filter: FilterId::from_bytes([7; 16]), resume }
    }

    #[test]
    fn a_token_begins_with_its_time() {
        let resume = ResumeToken::new(&rawdoc! { "_data": DATA }).unwrap();
        assert_eq!(resume.time(), OpTime::from_timestamp(1_795_638_527, 10));
    }

    #[test]
    fn what_was_encoded_decodes_to_the_same() {
        let id = ObjectId::from_bytes([3; 12]);
        for source in [SourceId::Set(id), SourceId::Cluster(id)] {
            assert_eq!(StreamToken::decode(&token(source).encode()), Ok(token(source)));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let whole = token(SourceId::Set(ObjectId::from_bytes([3; 12]))).encode();
        for end in 0..whole.as_bytes().len() {
            assert!(StreamToken::decode(&Token::new(&whole.as_bytes()[..end])).is_err(), "cut at {end}");
        }
        for bad in ["", "82", "82zz", "836B0744FF0000000A", "826B0744FF000000", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"] {
            assert!(ResumeToken::new(&rawdoc! { "_data": bad }).is_err(), "{bad}");
        }
        let (unknown, none) = (rawdoc! { "_data": DATA, "more": 1 }, rawdoc! { "_typeBits": 1 });
        assert!(ResumeToken::new(&unknown).is_err() && ResumeToken::new(&none).is_err());
    }
}
