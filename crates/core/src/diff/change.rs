//! What the sections of a diff say, once they are checked. What is none of them is passed over.

use bson::spec::ElementType;

use crate::{
    element::{Element, Elements, RawValue},
    limits::ARRAY_ITEMS_MAX,
};

/// The section that heads the diff of an array.
pub(super) const ARRAY: &str = "a";
/// The section with the new length of an array.
pub(super) const LENGTH: &str = "l";

/// What happens to a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'a> {
    /// It goes.
    Delete,
    /// It gets this value where it is.
    Update(RawValue<'a>),
    /// It goes from where it is, if it is, and stands at the end with this value.
    Insert(RawValue<'a>),
    /// The document or array in it changes by this diff.
    Sub(RawValue<'a>),
}

/// What happens to an item of an array.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) index: usize,
    /// The index as text.
    pub(super) name: &'a str,
    /// The value that it gets, or the diff by which it changes.
    pub(super) value: RawValue<'a>,
    pub(super) is_sub: bool,
}

/// The changes of fields in the diff of a document, in its order.
pub(super) fn changes<'a>(diff: Elements<'a>) -> impl Iterator<Item = (&'a str, Change<'a>)> {
    diff.flat_map(|section| {
        let (fields, change): (_, fn(RawValue<'a>) -> Change<'a>) = match section.name {
            "d" => (section.value.elements(), |_| Change::Delete),
            "u" => (section.value.elements(), Change::Update),
            "i" => (section.value.elements(), Change::Insert),
            _ => (Elements::new(&[]), Change::Sub),
        };
        let sub = section.name.strip_prefix('s').map(|name| (name, Change::Sub(section.value)));
        fields.map(move |field| (field.name, change(field.value))).chain(sub)
    })
}

/// Whether this is the diff of an array.
pub(super) fn is_array(mut diff: Elements<'_>) -> bool {
    diff.next().is_some_and(|head| head.name == ARRAY)
}

/// The new length in the diff of an array.
pub(super) fn length(mut diff: Elements<'_>) -> Option<usize> {
    let section = diff.nth(1).filter(|section| section.name == LENGTH)?;
    number(section.value).filter(|length| *length <= ARRAY_ITEMS_MAX)
}

/// The changes of items in the diff of an array, in its order.
pub(super) fn items(diff: Elements<'_>) -> impl Iterator<Item = Item<'_>> {
    diff.filter_map(item)
}

/// The change of an item, if the section is one, and its index possible.
pub(super) fn item(section: Element<'_>) -> Option<Item<'_>> {
    let (name, is_sub) = match section.name.strip_prefix('u') {
        Some(name) => (name, false),
        None => (section.name.strip_prefix('s')?, true),
    };
    let canonical = name == "0" || (!name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit()));
    let index = name.parse().ok().filter(|index| canonical && *index < ARRAY_ITEMS_MAX)?;
    Some(Item { index, name, value: section.value, is_sub })
}

/// The whole number that a value is, if it is one of 32 bits and not negative.
fn number(value: RawValue<'_>) -> Option<usize> {
    let four = value.bytes.first_chunk().filter(|_| value.kind == ElementType::Int32)?;
    usize::try_from(i32::from_le_bytes(*four)).ok()
}
