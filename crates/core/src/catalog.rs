//! [`Collection`]: what a collection is beside its documents: its options and its indexes.

mod change;
mod likeness;
#[cfg(test)]
mod tests;

use std::fmt;

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};

use crate::{
    document::DocumentError,
    element::{Element, Elements, framed},
    excerpt::excerpt,
    namespace::Namespace,
    raw_check, sort_key,
};

/// The most seconds that a TTL index takes, 68 years: such an index deletes nothing.
const NEVER_SECONDS: i32 = i32::MAX;

/// A collection or a view, without its documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    /// Which.
    pub ns: Namespace,
    /// How it was created.
    pub options: CollectionOptions,
    /// Its indexes by name, without the one on `_id`, which every collection has.
    pub indexes: Vec<Index>,
}

impl Collection {
    /// A collection as it comes into being with its first document.
    pub fn plain(ns: Namespace) -> Self {
        Self { ns, options: CollectionOptions::default(), indexes: Vec::new() }
    }

    /// Whether it is like one that its first document has made: whether it is there or not then
    /// shows in its documents only.
    pub fn is_plain(&self) -> bool {
        self.options == CollectionOptions::default() && self.indexes.is_empty()
    }
}

/// The options that a collection was created with; those of a view are its definition.
///
/// Validated: options that a replica could not follow are refused. Options that only say where and
/// how a server stores a collection (`uuid`, `idIndex`) are left out, and so are defaults. Equal when the same options
/// have the same values, in whatever order.
#[derive(Clone, PartialEq)]
pub struct CollectionOptions(RawDocumentBuf);

/// One index. Equal when the same fields have equal values, in whatever order they were given.
#[derive(Clone)]
pub struct Index {
    spec: RawDocumentBuf,
    name: Box<str>,
}

/// Why options or an index cannot be replicated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The collection is of a kind that a replica cannot follow.
    #[error("a {kind} collection cannot be replicated ({why}): exclude it by `[filter] exclude`")]
    Unsupported {
        /// For example `capped`.
        kind: &'static str,
        /// The reason.
        why: &'static str,
    },
    /// An option that this version does not know.
    #[error("the collection option `{0}` is unknown to this version: exclude the collection, or upgrade oplogsync")]
    UnknownOption(String),
    /// An index without what an index has.
    #[error("an index has no usable `{0}`")]
    Index(&'static str),
    /// Bytes that are no BSON.
    #[error(transparent)]
    Malformed(#[from] DocumentError),
}

impl Default for CollectionOptions {
    fn default() -> Self {
        Self(RawDocumentBuf::new())
    }
}

impl CollectionOptions {
    /// Takes options as `listCollections` or an entry of a server's oplog tells them.
    ///
    /// # Errors
    /// [`CatalogError`]: kinds of collections and options that cannot be replicated.
    pub fn new(raw: &RawDocument) -> Result<Self, CatalogError> {
        raw_check::check(raw.as_bytes())?;
        let mut kept = Vec::new();
        for option in Elements::of(raw) {
            if keeps(option)? && !is_default(option) {
                kept.push(option);
            }
        }
        Ok(Self(sorted(kept, &[])))
    }

    /// The options, in the order of their names.
    pub fn as_raw(&self) -> &RawDocument {
        &self.0
    }

    /// Whether it is a view, which has no documents of its own.
    pub fn is_view(&self) -> bool {
        Elements::of(&self.0).any(|option| option.name == "viewOn")
    }

    /// The same with some options changed, as `collMod` does it.
    #[must_use]
    pub fn changed(&self, changes: &RawDocument) -> Self {
        let mut all: Vec<Element<'_>> =
            Elements::of(&self.0).filter(|old| Elements::of(changes).all(|new| new.name != old.name)).collect();
        all.extend(Elements::of(changes).filter(|new| !is_default(*new)));
        Self(sorted(all, &[]))
    }
}

/// Whether an option says what is so without it: servers write some of them down with the first `collMod`.
fn is_default(option: Element<'_>) -> bool {
    match option.name {
        "validationLevel" => option.value.text() == b"strict",
        "validationAction" => option.value.text() == b"error",
        "changeStreamPreAndPostImages" => option.value.bytes == bson::rawdoc! { "enabled": false }.as_bytes(),
        "recordPreImages" => option.value.bytes == [0],
        "validator" => option.value.elements().next().is_none(),
        "collation" => is_simple(option),
        _ => false,
    }
}

/// Whether a collation is the one that compares byte by byte.
fn is_simple(collation: Element<'_>) -> bool {
    collation.value.elements().any(|field| field.name == "locale" && field.value.text() == b"simple")
}

/// Whether an option is one that a replica has to have.
fn keeps(option: Element<'_>) -> Result<bool, CatalogError> {
    let unsupported = |kind, why| Err(CatalogError::Unsupported { kind, why });
    match option.name {
        "viewOn"
        | "pipeline"
        | "collation"
        | "validator"
        | "validationLevel"
        | "validationAction"
        | "storageEngine"
        | "indexOptionDefaults"
        | "changeStreamPreAndPostImages"
        | "recordPreImages" => Ok(true),
        "uuid" | "idIndex" | "autoIndexId" | "flags" | "temp" => Ok(false),
        // Both are written only where the collection is not capped.
        "capped" if option.value.bytes == [0] => Ok(false),
        "capped" | "size" | "max" => unsupported("capped", "a server takes documents out of it without telling"),
        "timeseries" | "expireAfterSeconds" => unsupported("time-series", "its changes are not told by document"),
        "clusteredIndex" => unsupported("clustered", "its documents may expire without telling"),
        "encryptedFields" => unsupported("queryably encrypted", "its state collections are not replicated"),
        other => Err(CatalogError::UnknownOption(excerpt(other).into_owned())),
    }
}

impl Index {
    /// Takes an index as `listIndexes` or an entry of a server's oplog tells it.
    ///
    /// # Errors
    /// [`CatalogError`] when it has no name or no key.
    pub fn new(raw: &RawDocument) -> Result<Self, CatalogError> {
        raw_check::check(raw.as_bytes())?;
        let name = match raw.get("name") {
            Ok(Some(RawBsonRef::String(name))) if !name.is_empty() => name.into(),
            _ => return Err(CatalogError::Index("name")),
        };
        if !matches!(raw.get("key"), Ok(Some(RawBsonRef::Document(key))) if !key.is_empty()) {
            return Err(CatalogError::Index("key"));
        }
        // Where an index belongs and how it was built is no part of what it is.
        let kept = Elements::of(raw).filter(|field| !matches!(field.name, "ns" | "background"));
        Ok(Self { spec: sorted(kept.collect(), &["v", "key", "name"]), name })
    }

    /// The specification: version, key and name first, the rest in the order of the names.
    pub fn as_raw(&self) -> &RawDocument {
        &self.spec
    }

    /// Its name, unique in its collection.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the index on `_id`.
    pub fn is_on_id(&self) -> bool {
        self.name() == "_id_"
    }

    /// Whether no two documents may have the same key.
    pub fn is_unique(&self) -> bool {
        matches!(self.spec.get("unique"), Ok(Some(RawBsonRef::Boolean(true))))
    }

    /// Whether documents expire by it.
    pub fn is_ttl(&self) -> bool {
        Elements::of(&self.spec).any(|field| field.name == "expireAfterSeconds")
    }

    /// Whether it is the same but for the version, which a server chooses where it is not told.
    pub fn is_like(&self, other: &Self) -> bool {
        let version =
            |index: &Self| Elements::of(&index.spec).find(|field| field.name == "v").map(|field| field.value.kind);
        let without = |index: &Self| {
            let kept: Vec<_> = Elements::of(&index.spec).filter(|field| field.name != "v").collect();
            Self { spec: document_of(&kept), name: index.name.clone() }
        };
        match (version(self), version(other)) {
            (Some(_), Some(_)) => self == other,
            _ => without(self) == without(other),
        }
    }

    /// The same as a replica holds it: a TTL index that deletes nothing there, since the source's
    /// deletions are replicated.
    #[must_use]
    pub fn on_replica(&self) -> Self {
        self.changed(&never_expiring(&self.spec))
    }

    /// The same with some fields changed, as `collMod` does it.
    #[must_use]
    pub(crate) fn changed(&self, changes: &RawDocument) -> Self {
        let mut all: Vec<Element<'_>> =
            Elements::of(&self.spec).filter(|old| Elements::of(changes).all(|new| new.name != old.name)).collect();
        all.extend(Elements::of(changes));
        Self { spec: sorted(all, &["v", "key", "name"]), name: self.name.clone() }
    }
}

/// The change that keeps documents from expiring, if `fields` says that they do.
pub(crate) fn never_expiring(fields: &RawDocument) -> RawDocumentBuf {
    if Elements::of(fields).any(|field| field.name == "expireAfterSeconds") {
        bson::rawdoc! { "expireAfterSeconds": NEVER_SECONDS }
    } else {
        RawDocumentBuf::new()
    }
}

impl PartialEq for Index {
    fn eq(&self, other: &Self) -> bool {
        // Numbers compare by value: servers store the same option as different types.
        let (ours, theirs) = (Elements::of(&self.spec), Elements::of(&other.spec));
        let same = |(a, b): (Element<'_>, Element<'_>)| a.name == b.name && sort_key::equal(a.value, b.value);
        ours.clone().count() == theirs.clone().count() && ours.zip(theirs).all(same)
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.spec, f)
    }
}

impl fmt::Debug for CollectionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The fields as one document: those named in `first` in that order, then the others by name.
fn sorted(mut fields: Vec<Element<'_>>, first: &[&str]) -> RawDocumentBuf {
    let rank = |name: &str| first.iter().position(|other| *other == name).unwrap_or(first.len());
    fields.sort_by(|a, b| (rank(a.name), a.name).cmp(&(rank(b.name), b.name)));
    document_of(&fields)
}

/// A document of these fields, which come from documents that were checked.
#[expect(clippy::expect_used, reason = "fields of checked documents make a document")]
pub(crate) fn document_of(fields: &[Element<'_>]) -> RawDocumentBuf {
    let mut bytes = Vec::new();
    framed(&mut bytes, |out| fields.iter().for_each(|field| field.write(out)));
    RawDocumentBuf::from_bytes(bytes).expect("the frame is right")
}
