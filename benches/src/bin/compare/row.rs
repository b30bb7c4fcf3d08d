//! [`Row`]: one question of the table.

use anyhow::Result;

use crate::{context::Context, rounds::Figures};

/// How a row is measured.
type Measure = Box<dyn Fn(&Context) -> Result<Measured>>;

/// One question: we and a peer do the same work.
pub(crate) struct Row {
    /// Unique: what is measured, and against what.
    pub(crate) name: String,
    /// What exactly is counted, in one or two sentences.
    pub(crate) doc: String,
    /// Measures it.
    pub(crate) measure: Measure,
}

impl Row {
    pub(crate) fn new(
        name: impl Into<String>,
        doc: impl Into<String>,
        measure: impl Fn(&Context) -> Result<Measured> + 'static,
    ) -> Self {
        Self { name: name.into(), doc: doc.into(), measure: Box::new(measure) }
    }

    /// One that cannot be measured here: it is shown all the same.
    pub(crate) fn missing(name: impl Into<String>, doc: impl Into<String>, why: &'static str) -> Self {
        Self::new(name, doc, move |_| Ok(Measured::Not(why.to_owned())))
    }
}

/// What became of a row.
#[derive(Debug)]
pub(crate) enum Measured {
    /// Both sides were measured.
    Figures(Figures),
    /// Something that it needs is not there.
    Not(String),
    /// It should have worked.
    Failed(String),
}

impl From<Figures> for Measured {
    fn from(figures: Figures) -> Self {
        Self::Figures(figures)
    }
}
