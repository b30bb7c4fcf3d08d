//! The check of documents and of what stands beside them.

use std::collections::{BTreeMap, BTreeSet};

use oplogsync_core::{catalog::Collection, digest::NamespaceDigest, namespace::Namespace};

use crate::{
    engine::Engine,
    key::Key,
    place::Place,
    presence::Presence,
    record::{Dropped, NextPlace, Record, Unreadable},
    tree::{View, document},
    trouble::Trouble,
};

/// What is known of the places of documents.
struct Places {
    /// Whose each place is.
    owners: BTreeMap<Place, Namespace>,
    dropped: BTreeSet<Place>,
}

/// Every collection can be read, and no view has documents.
pub(super) fn check_collections<E: Engine>(view: &View<'_, E>) -> Result<(), Trouble> {
    for item in view.under(&Key::collections()) {
        let (key, bytes) = item?;
        let Collection { ns, options, .. } = Collection::decode(&key, &bytes)?;
        let digest = view.record::<NamespaceDigest>(&Key::digest(&ns))?;
        if Key::namespace(&key) != Some(ns) || (options.is_view() && digest.is_some()) {
            return Err(Unreadable::Misplaced.at(&key));
        }
    }
    Ok(())
}

/// The documents of each namespace are those that its digest counts, and there are no others.
pub(super) fn check_documents<E: Engine>(view: &View<'_, E>) -> Result<Presence, Trouble> {
    let places = Places::read(view)?;
    let mut presence = Presence::default();
    let mut counted = count(view, &places, &mut presence)?;
    for (place, ns) in &places.owners {
        let kept = view.record::<NamespaceDigest>(&Key::digest(ns))?;
        if counted.remove(place) != kept {
            return Err(Unreadable::Incomplete.at(Key::digest(ns).as_bytes()));
        }
    }
    match counted.pop_first() {
        None => Ok(presence),
        Some((place, _)) => Err(Unreadable::Incomplete.at(place.as_bytes())),
    }
}

/// Counts the documents of each place that was not dropped.
fn count<E: Engine>(
    view: &View<'_, E>,
    places: &Places,
    presence: &mut Presence,
) -> Result<BTreeMap<Place, NamespaceDigest>, Trouble> {
    let mut counted: BTreeMap<Place, NamespaceDigest> = BTreeMap::new();
    for item in Key::all_documents().iter().flat_map(|prefix| view.under(prefix)) {
        let (key, bytes) = item?;
        let place = Place::of_document(&key).ok_or_else(|| Unreadable::Misplaced.at(&key))?;
        if places.dropped.contains(&place) {
            continue;
        }
        let document = match places.owners.get(&place) {
            Some(ns) => document(ns.as_str(), &key, &bytes)?,
            None => document(&place.to_string(), &key, &bytes)?,
        };
        presence.add(&key);
        counted.entry(place).or_default().add(&document);
    }
    Ok(counted)
}

impl Places {
    /// Each place is of one collection with documents, or dropped, and was given before.
    fn read<E: Engine>(view: &View<'_, E>) -> Result<Self, Trouble> {
        let mut places = Self { owners: BTreeMap::new(), dropped: BTreeSet::new() };
        for item in view.under(&Key::all_dropped()) {
            let (key, bytes) = item?;
            Dropped::decode(&key, &bytes)?;
            places.dropped.insert(Place::of_bytes(Key::rest(&key)).ok_or_else(|| Unreadable::Misplaced.at(&key))?);
        }
        for item in view.under(&Key::digests()) {
            let (key, bytes) = item?;
            NamespaceDigest::decode(&key, &bytes)?;
            let ns = Key::namespace(&key).ok_or_else(|| Unreadable::Misplaced.at(&key))?;
            let place = view.place(&ns)?.unwrap_or_else(|| Place::named(&ns));
            let is_dropped = places.dropped.contains(&place);
            if is_dropped || places.owners.insert(place, ns.clone()).is_some() {
                return Err(Unreadable::Misplaced.at(Key::place(&ns).as_bytes()));
            }
        }
        for item in view.under(&Key::places()) {
            let (key, bytes) = item?;
            let place = Place::decode(&key, &bytes)?;
            let ns = Key::namespace(&key).ok_or_else(|| Unreadable::Misplaced.at(&key))?;
            if places.owners.get(&place) != Some(&ns) {
                return Err(Unreadable::Missing.at(Key::digest(&ns).as_bytes()));
            }
        }
        let next = view.record::<NextPlace>(&Key::next_place())?.unwrap_or_default();
        let mut all = places.owners.keys().chain(&places.dropped).filter_map(Place::number);
        if all.any(|number| number >= next.0) {
            return Err(Unreadable::Incomplete.at(Key::next_place().as_bytes()));
        }
        Ok(places)
    }
}
