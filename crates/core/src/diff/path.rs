//! [`Path`]: where in a document one is.

use crate::excerpt::excerpt;

/// The names from the document down to a field, kept where they stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    name: &'a str,
}

impl<'a> Path<'a> {
    /// The document itself.
    pub(super) const ROOT: Self = Self { parent: None, name: "" };

    pub(super) fn field(&'a self, name: &'a str) -> Self {
        Self { parent: Some(self), name }
    }

    /// The names with dots between them, for a message.
    pub(super) fn text(&self) -> String {
        let mut names = Vec::new();
        let mut at = self;
        while let Some(parent) = at.parent {
            names.push(at.name);
            at = parent;
        }
        names.reverse();
        excerpt(&names.join(".")).into_owned()
    }
}
