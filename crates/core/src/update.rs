//! Update operators, evaluated to a full post-image exactly as a real mongod (6.0) does.
//!
//! Where we differ, on purpose:
//! - positional operators, update pipelines and query operators in `$pull` other than
//!   comparisons are refused;
//! - our own limits of size and depth hold for the result ([`limits`](crate::limits));
//! - a field of the document itself whose name starts with `$` is refused in an upsert, too;
//! - `Timestamp(0, 0)` in a field of the document itself becomes the optime of the write, as a
//!   mongod does it for inserts and replacements: replicas write the result as a replacement.

mod arithmetic;
mod condition;
mod error;
mod extreme;
mod modifier;
mod number;
mod path;
mod push;
mod rename;
mod set_add;
mod test;
#[cfg(test)]
mod tests;
mod value;

use bson::{RawDocument, spec::ElementType};

pub use self::error::UpdateError;
use self::{
    modifier::Modifier,
    path::{Found, Path, check_viable, create},
    rename::Renamed,
    value::Value,
};
use crate::{
    clock::OpTime,
    doc_id::DocId,
    document::Document,
    element::{Element, Elements, RawValue},
    prepare::{check_name, seal},
    raw_check,
};

/// A parsed update document, for example `{ $inc: { qty: 1 } }`.
#[derive(Debug, Clone)]
pub struct Update {
    /// In the order in which they are applied.
    leaves: Vec<Leaf>,
    /// What the leaves of `$rename` also touch: only to find conflicts.
    sources: Vec<Path>,
}

#[derive(Debug, Clone)]
struct Leaf {
    path: Path,
    modifier: Modifier,
}

impl Update {
    /// Parses an update document.
    ///
    /// # Errors
    /// [`UpdateError`] as a mongod would answer; for an operator that is not supported, too.
    pub fn parse(update: &RawDocument) -> Result<Self, UpdateError> {
        raw_check::check(update.as_bytes())?;
        let mut parsed = Self { leaves: Vec::new(), sources: Vec::new() };
        let mut operators = Elements::of(update).peekable();
        if operators.peek().is_none_or(|first| !first.name.starts_with('$')) {
            return Err(UpdateError::failed_to_parse("an update has operators, as { $set: { field: value } }"));
        }
        for operator in operators {
            if !Modifier::exists(operator.name) {
                let message = format!("the update operator `{}` is unknown", operator.name);
                return Err(UpdateError::failed_to_parse(message));
            }
            if operator.value.kind != ElementType::EmbeddedDocument {
                return Err(UpdateError::failed_to_parse(format!("{} needs a document of fields", operator.name)));
            }
            for field in operator.value.elements() {
                parsed.add(operator.name, field)?;
            }
        }
        Ok(parsed)
    }

    /// The document after the update of `current`, or, with `None`, the document that an upsert by
    /// this id inserts. Equal bytes mean that nothing changed.
    ///
    /// # Errors
    /// [`UpdateError`] as a mongod would answer.
    pub fn evaluate(&self, id: &DocId, current: Option<&Document>, now: OpTime) -> Result<Document, UpdateError> {
        let inserted;
        let bytes = if let Some(current) = current {
            current.as_bytes()
        } else {
            inserted = id.to_raw_document();
            inserted.as_bytes()
        };
        let mut root = Value::borrowed(RawValue { kind: ElementType::EmbeddedDocument, bytes });
        root.open();
        for leaf in &self.leaves {
            leaf.apply(&mut root, current.is_none(), now)?;
        }
        let bytes = root.bytes().into_owned();
        if current.is_none() {
            Elements::new(&bytes).try_for_each(check_name)?;
        }
        seal(bytes, now)
    }

    fn add(&mut self, operator: &str, field: Element<'_>) -> Result<(), UpdateError> {
        let (path, modifier) = if operator == "$rename" {
            let from = Path::parse(field.name)?;
            self.check_conflicts(&from)?;
            if field.value.kind != ElementType::String {
                return Err(UpdateError::bad_value("$rename needs the new name of the field"));
            }
            let to = std::str::from_utf8(field.value.text()).unwrap_or_default();
            if to.contains('\0') {
                return Err(UpdateError::bad_value("the new name of a field cannot contain NUL"));
            }
            let to = Path::parse(to)?;
            rename::check(&from, &to)?;
            self.sources.push(from.clone());
            (to, Modifier::Rename { from })
        } else {
            (Path::parse(field.name)?, Modifier::parse(operator, field.value)?)
        };
        path.check_filters(self.paths())?;
        self.check_conflicts(&path)?;
        let at = self.leaves.iter().position(|leaf| path.cmp_as_mongod(&leaf.path).is_lt());
        self.leaves.insert(at.unwrap_or(self.leaves.len()), Leaf { path, modifier });
        Ok(())
    }

    fn check_conflicts(&self, path: &Path) -> Result<(), UpdateError> {
        let conflict = self.paths().any(|other| other.conflicts(path));
        if conflict { Err(UpdateError::conflict(&path.to_string())) } else { Ok(()) }
    }

    /// All paths that are taken.
    fn paths(&self) -> impl Iterator<Item = &Path> {
        self.leaves.iter().map(|leaf| &leaf.path).chain(&self.sources)
    }
}

impl Leaf {
    fn apply<'a>(&'a self, root: &mut Value<'a>, insert: bool, now: OpTime) -> Result<(), UpdateError> {
        self.path.check_positional()?;
        match &self.modifier {
            Modifier::Rename { from } => {
                match rename::apply(from, &self.path, root)? {
                    Renamed::Nothing => return Ok(()),
                    Renamed::Removed => {}
                    Renamed::Moved { level } => self.check_result(level, insert)?,
                }
                return if from.is_in_id() { Err(UpdateError::immutable_id()) } else { Ok(()) };
            }
            Modifier::Set { on_insert_only: true, .. } if !insert => return Ok(()),
            _ => {}
        }
        match self.path.find(root) {
            Found::Child { parent, at } => {
                if self.modifier.change(parent, at, now)? {
                    self.check_result(self.path.parts().len(), insert)?;
                }
            }
            Found::Missing { deepest, taken } => {
                let rest = self.path.parts().get(taken..).unwrap_or_default();
                if let Some(value) = self.modifier.create(now) {
                    create(deepest, rest, value)?;
                    self.check_result(taken + 1, insert)?;
                } else if !matches!(self.modifier, Modifier::Unset) {
                    check_viable(deepest, rest)?;
                }
            }
        }
        Ok(())
    }

    /// What may not be changed or created: the `_id`, and, at level 1, which is that of the
    /// document's own fields, names with a dollar in front. Of an insert they are checked in the end.
    fn check_result(&self, level: usize, insert: bool) -> Result<(), UpdateError> {
        if self.path.is_in_id() {
            return Err(UpdateError::immutable_id());
        }
        match self.path.parts().first() {
            Some(name) if !insert && level == 1 && name.starts_with('$') && self.modifier.writes_value() => {
                Err(UpdateError::dollar_field(name))
            }
            _ => Ok(()),
        }
    }
}
