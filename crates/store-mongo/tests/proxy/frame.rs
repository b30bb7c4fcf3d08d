//! [`Frame`]: one message of MongoDB's wire protocol, understood just enough to tell which command it is.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

const HEADER: usize = 16;
const OP_MSG: i32 = 2013;
/// Behind header and flags: the kind of the first section, 0 for the command's document.
const SECTION: usize = 20;
/// Behind that, the document's length and the type of its first field.
const NAME: usize = SECTION + 1 + 4 + 1;
const BYTES_MAX: usize = 48 * 1024 * 1024;

/// A message: length, request id, response-to, opcode, each four bytes, and its body.
pub(super) struct Frame(Vec<u8>);

impl Frame {
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut bytes = vec![0; HEADER];
        from.read_exact(&mut bytes).await?;
        let length = usize::try_from(number(&bytes, 0)).unwrap_or_default();
        if !(HEADER..=BYTES_MAX).contains(&length) {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        bytes.resize(length, 0);
        from.read_exact(&mut bytes[HEADER..]).await?;
        Ok(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn id(&self) -> i32 {
        number(&self.0, 4)
    }

    pub(super) fn responds_to(&self) -> i32 {
        number(&self.0, 8)
    }

    /// The name of the command: that of the first field of its document.
    pub(super) fn command(&self) -> Option<&str> {
        if number(&self.0, 12) != OP_MSG || self.0.get(SECTION) != Some(&0) {
            return None;
        }
        let name = self.0.get(NAME..)?.split(|byte| *byte == 0).next()?;
        std::str::from_utf8(name).ok()
    }
}

fn number(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}
