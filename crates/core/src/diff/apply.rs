//! How a diff changes a document. It recurses no deeper than the diff, whose depth is checked.

use std::{collections::BTreeMap, mem};

use bson::{RawDocument, RawDocumentBuf, spec::ElementType};

use super::{
    Misfit,
    change::{Change, changes, is_array, items, length},
    path::Path,
};
use crate::{
    document::{Document, DocumentError},
    element::{Element, Elements, RawValue, framed},
    limits::DOCUMENT_BYTES_MAX,
    prepare::id_first,
};

/// The document that `diff`, which is checked, makes of `base`.
pub(super) fn apply(base: &Document, diff: &RawDocument) -> Result<Document, Misfit> {
    let mut changed = Vec::with_capacity(base.as_bytes().len() + diff.as_bytes().len());
    document(Elements::of(base.as_raw()), Elements::of(diff), Path::ROOT, &mut changed)?;
    let changed = RawDocumentBuf::from_bytes(changed)
        .map_err(|_| DocumentError::Malformed { offset: 0, what: "the length does not frame the bytes" })?;
    let Some(id) = Elements::of(base.as_raw()).next() else { return Err(DocumentError::IdNotFirst.into()) };
    // A mongod computes the diff before it puts the `_id` back into its place.
    let changed = Document::from_bytes(id_first(changed, id.value))?;
    let same_id = Elements::of(changed.as_raw()).next().is_some_and(|first| first.value == id.value);
    if same_id || changed.id() == base.id() { Ok(changed) } else { Err(Misfit::OtherId) }
}

/// What happens to a field, and whether the base has it.
struct Field<'a> {
    name: &'a str,
    change: Change<'a>,
    met: bool,
}

/// Appends the document that a diff makes of another.
fn document(base: Elements<'_>, diff: Elements<'_>, path: Path<'_>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let mut fields: Vec<_> = changes(diff).map(|(name, change)| Field { name, change, met: false }).collect();
    let places: BTreeMap<&str, usize> = fields.iter().enumerate().map(|(place, field)| (field.name, place)).collect();
    framed(out, |out| {
        for old in base {
            let Some(field) = places.get(old.name).and_then(|place| fields.get_mut(*place)) else {
                old.write(out);
                continue;
            };
            if mem::replace(&mut field.met, true) {
                return Err(Misfit::Ambiguous { path: path.field(old.name).text() });
            }
            match field.change {
                Change::Delete | Change::Insert(_) => {}
                Change::Update(value) => Element { value, ..old }.write(out),
                Change::Sub(diff) => sub_diff(old, diff, path.field(old.name), out)?,
            }
        }
        for Field { name, change, met } in fields {
            match change {
                Change::Insert(value) => Element { name, value }.write(out),
                Change::Update(value) if !met => Element { name, value }.write(out),
                Change::Sub(_) if !met => return Err(Misfit::Missing { path: path.field(name).text() }),
                _ => {}
            }
        }
        Ok(())
    })
}

/// Appends the document or array that a diff makes of the one in `old`.
fn sub_diff(old: Element<'_>, diff: RawValue<'_>, path: Path<'_>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let is_array = is_array(diff.elements());
    let wanted = if is_array { ElementType::Array } else { ElementType::EmbeddedDocument };
    if old.value.kind != wanted {
        return Err(Misfit::OtherType { path: path.text(), wanted, found: old.value.kind });
    }
    Element { name: old.name, value: RawValue { kind: wanted, bytes: &[] } }.write(out);
    if is_array {
        array(old.value.elements(), diff.elements(), path, out)
    } else {
        document(old.value.elements(), diff.elements(), path, out)
    }
}

/// Appends the array that a diff makes of another. Its items are named anew by their indexes.
fn array(mut base: Elements<'_>, diff: Elements<'_>, path: Path<'_>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    const NULL: RawValue<'static> = RawValue { kind: ElementType::Null, bytes: &[] };
    let length = length(diff.clone());
    let mut items = items(diff).peekable();
    framed(out, |out| {
        for index in 0.. {
            let old = base.next().map(|old| old.value);
            if !length.map_or(old.is_some() || items.peek().is_some(), |length| index < length) {
                return Ok(());
            }
            let name = &index.to_string();
            match (items.next_if(|item| item.index == index), old) {
                (Some(item), Some(value)) if item.is_sub => {
                    sub_diff(Element { name, value }, item.value, path.field(item.name), out)?;
                }
                (Some(item), None) if item.is_sub => {
                    return Err(Misfit::Missing { path: path.field(item.name).text() });
                }
                (Some(item), _) => Element { name, value: item.value }.write(out),
                (None, old) => Element { name, value: old.unwrap_or(NULL) }.write(out),
            }
            // Few bytes of a diff can ask for a long array, more than once.
            if out.len() > DOCUMENT_BYTES_MAX {
                return Err(DocumentError::TooLarge { bytes: out.len() }.into());
            }
        }
        Ok(())
    })
}
