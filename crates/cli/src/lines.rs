//! [`Lines`]: the lines of an input, none of them endless.

use std::io::{Error, ErrorKind};

use oplogsync_core::limits::DOCUMENT_BYTES_MAX;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The longest line. A large document whose JSON is escapes for the most part is longer, and refused.
const LINE_BYTES_MAX: usize = 4 * DOCUMENT_BYTES_MAX;

/// Reads an input line by line.
pub(crate) struct Lines<R> {
    input: R,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input }
    }

    /// The next line, without its end; `None` when there is none. After an error, or when it was
    /// not awaited to its end, the place in the input is lost.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Error> {
        let mut line = Vec::new();
        let most = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        if (&mut self.input).take(most).read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        if line.len() > LINE_BYTES_MAX {
            let words = format!("a line is longer than {LINE_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::InvalidData, words));
        }
        let line = String::from_utf8(line).map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
        Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_end_at_a_newline_and_at_the_end_of_the_input() {
        let mut lines = Lines::new(&b"a\r\n\nb"[..]);
        for expected in [Some("a"), Some(""), Some("b"), None] {
            assert_eq!(lines.next().await.unwrap().as_deref(), expected);
        }
    }

    #[tokio::test]
    async fn an_endless_line_is_refused() {
        let endless = tokio::io::BufReader::new(tokio::io::repeat(b'['));
        assert_eq!(Lines::new(endless).next().await.unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
