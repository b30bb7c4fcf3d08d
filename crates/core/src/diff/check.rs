//! Whether bytes are a diff.

use bson::spec::ElementType;

use super::{
    DiffError,
    change::{ARRAY, Change, LENGTH, changes, is_array, item, length},
    path::Path,
};
use crate::{
    document::DocumentError,
    element::{Element, Elements, RawValue},
    excerpt::excerpt,
    limits::{DIFF_BYTES_MAX, DIFF_DEPTH_MAX},
    raw_check,
};

/// Checks all of a diff.
pub(super) fn check(diff: &[u8]) -> Result<(), DiffError> {
    if diff.len() > DIFF_BYTES_MAX {
        return Err(DiffError::TooLarge { bytes: diff.len() });
    }
    raw_check::check_form(diff, DIFF_DEPTH_MAX).map_err(|error| match error {
        DocumentError::TooDeep => DiffError::TooDeep,
        DocumentError::Malformed { offset, what } => DiffError::Malformed { offset, what },
        _ => DiffError::Malformed { offset: 0, what: "it is no document" },
    })?;
    document(&Elements::new(diff), Path::ROOT)
}

/// Checks the diff of a document. It recurses no deeper than the diff, whose depth is checked.
fn document(diff: &Elements<'_>, path: Path<'_>) -> Result<(), DiffError> {
    sections(diff, path)?;
    let mut names: Vec<&str> = changes(diff.clone()).map(|(name, _)| name).collect();
    names.sort_unstable();
    if let Some(name) = names.windows(2).find_map(|two| two.first().filter(|first| two.last() == Some(first))) {
        return Err(DiffError::Repeated { path: path.field(name).text() });
    }
    drop(names);
    for (name, change) in changes(diff.clone()) {
        if let Change::Sub(diff) = change {
            sub_diff(diff, path.field(name))?;
        }
    }
    Ok(())
}

/// Checks which sections the diff of a document has, and in what order.
fn sections(diff: &Elements<'_>, path: Path<'_>) -> Result<(), DiffError> {
    let mut last = 0;
    for section in diff.clone() {
        let rank = match section.name {
            "d" => 1,
            "u" => 2,
            "i" => 3,
            name if name.starts_with('s') => 4,
            _ => return Err(unknown(section, path)),
        };
        if rank < last || (rank == last && rank != 4) {
            return Err(misplaced(section, path));
        }
        if section.value.kind != ElementType::EmbeddedDocument || (section.name == "d" && !deletes(section)) {
            return Err(wrong_type(section, path));
        }
        last = rank;
    }
    if last == 0 { Err(DiffError::Empty { path: path.text() }) } else { Ok(()) }
}

fn sub_diff(diff: RawValue<'_>, path: Path<'_>) -> Result<(), DiffError> {
    if is_array(diff.elements()) { array(diff.elements(), path) } else { document(&diff.elements(), path) }
}

/// Checks the diff of an array.
fn array(diff: Elements<'_>, path: Path<'_>) -> Result<(), DiffError> {
    let length = length(diff.clone());
    let mut next = 0;
    for (at, section) in diff.enumerate() {
        match (at, section.name) {
            (0, ARRAY) if is_boolean(section.value, true) => continue,
            (0, ARRAY) => return Err(wrong_type(section, path)),
            (1, LENGTH) if length.is_some() => continue,
            (1, LENGTH) if section.value.kind != ElementType::Int32 => return Err(wrong_type(section, path)),
            (1, LENGTH) => return Err(index(section, path)),
            (_, ARRAY | LENGTH) => return Err(misplaced(section, path)),
            (_, name) if !name.starts_with(['s', 'u']) => return Err(unknown(section, path)),
            _ => {}
        }
        let item = item(section).filter(|item| length.is_none_or(|length| item.index < length));
        let item = item.ok_or_else(|| index(section, path))?;
        if item.index < next {
            return Err(misplaced(section, path));
        }
        next = item.index + 1;
        if item.is_sub {
            if item.value.kind != ElementType::EmbeddedDocument {
                return Err(wrong_type(section, path));
            }
            sub_diff(item.value, path.field(item.name))?;
        }
    }
    Ok(())
}

fn deletes(section: Element<'_>) -> bool {
    section.value.elements().all(|field| is_boolean(field.value, false))
}

fn is_boolean(value: RawValue<'_>, wanted: bool) -> bool {
    value.kind == ElementType::Boolean && value.bytes == [u8::from(wanted)]
}

fn unknown(section: Element<'_>, path: Path<'_>) -> DiffError {
    DiffError::Unknown { path: path.text(), section: excerpt(section.name).into_owned() }
}

fn misplaced(section: Element<'_>, path: Path<'_>) -> DiffError {
    DiffError::Misplaced { path: path.text(), section: excerpt(section.name).into_owned() }
}

fn wrong_type(section: Element<'_>, path: Path<'_>) -> DiffError {
    DiffError::WrongType { path: path.text(), section: excerpt(section.name).into_owned() }
}

fn index(section: Element<'_>, path: Path<'_>) -> DiffError {
    DiffError::Index { path: path.text(), section: excerpt(section.name).into_owned() }
}
