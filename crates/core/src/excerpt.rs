//! [`excerpt`]: what a message shows of a text that somebody else chose.

use std::borrow::Cow;

/// How much of it, in bytes.
pub const EXCERPT_BYTES_MAX: usize = 256;

/// The text, if it is short, or else its beginning and how long it is: a name or an id can have
/// megabytes, and messages are kept in logs and in the target itself.
pub fn excerpt(text: &str) -> Cow<'_, str> {
    shortened(text, EXCERPT_BYTES_MAX)
}

/// [`excerpt`] with another limit.
pub fn shortened(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at));
    let start = end.and_then(|end| text.get(..end)).unwrap_or_default();
    Cow::Owned(format!("{start}... ({} bytes)", text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_shown_whole_and_a_long_one_with_its_length() {
        assert_eq!(excerpt("short"), "short");
        let shown = excerpt(&"\u{e4}".repeat(1000)).into_owned();
        assert!(shown.starts_with('\u{e4}') && shown.ends_with("... (2000 bytes)"), "{shown}");
        assert!(shown.len() < 300);
    }
}
