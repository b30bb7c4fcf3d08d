//! [`Plan`]: what makes of a collection what it is to be.

use bson::{RawDocumentBuf, rawdoc};

use super::Unsettled;
use crate::{
    catalog::{Collection, CollectionOptions, Index},
    command::Action,
    element::Elements,
    namespace::Namespace,
    verify::{DifferenceKind, differences},
};

/// What makes of a collection what it is to be. Each action can be made again.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Before its documents are mended: what would stand in their way goes.
    pub(super) before: Vec<Action>,
    /// After that: what they have to fit into.
    pub(super) after: Vec<Action>,
}

impl Plan {
    /// The way from what there is to what there is to be.
    ///
    /// # Errors
    /// [`Unsettled::Fixed`] when only a new collection can have the options.
    pub(super) fn new(
        ns: &Namespace,
        wanted: Option<&Collection>,
        actual: Option<&Collection>,
    ) -> Result<Self, Unsettled> {
        let mut plan = Self::default();
        let drop = || Action::Drop { ns: ns.clone() };
        match (wanted, actual) {
            (None, None) => {}
            (None, Some(_)) => plan.before.push(drop()),
            (Some(wanted), None) => plan.create(wanted),
            (Some(wanted), Some(actual)) if wanted.options.is_view() != actual.options.is_view() => {
                plan.before.push(drop());
                plan.create(wanted);
            }
            (Some(wanted), Some(actual)) => plan.change(wanted, actual)?,
        }
        Ok(plan)
    }

    /// Whether there is nothing to be done.
    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    fn create(&mut self, wanted: &Collection) {
        let (ns, options) = (wanted.ns.clone(), wanted.options.clone());
        let is_view = options.is_view();
        let create = Action::Create { ns, options };
        if is_view {
            self.after.push(create);
        } else {
            self.before.push(create);
        }
        self.create_indexes(&wanted.ns, wanted.indexes.clone());
    }

    fn create_indexes(&mut self, ns: &Namespace, indexes: Vec<Index>) {
        if !indexes.is_empty() {
            self.after.push(Action::CreateIndexes { ns: ns.clone(), indexes });
        }
    }

    fn change(&mut self, wanted: &Collection, actual: &Collection) -> Result<(), Unsettled> {
        let (ns, mut gone, mut missing) = (&wanted.ns, Vec::new(), Vec::new());
        for difference in differences(ns, Some(wanted), Some(actual)) {
            let Some(name) = difference.index else {
                let changes = changes(&wanted.options, &actual.options)?;
                self.before.push(Action::Modify { ns: ns.clone(), changes });
                continue;
            };
            if difference.kind != DifferenceKind::Missing {
                gone.push(name.clone());
            }
            missing.extend(wanted.indexes.iter().find(|index| index.name() == name).cloned());
        }
        if !gone.is_empty() {
            self.before.push(Action::DropIndexes { ns: ns.clone(), names: gone });
        }
        self.create_indexes(ns, missing);
        Ok(())
    }
}

/// The changes that make some options of others.
fn changes(wanted: &CollectionOptions, actual: &CollectionOptions) -> Result<RawDocumentBuf, Unsettled> {
    let absent = rawdoc! {
        "validator": {},
        "validationLevel": "strict",
        "validationAction": "error",
        "changeStreamPreAndPostImages": { "enabled": false },
        "recordPreImages": false,
    };
    let (wanted, actual) = (wanted.as_raw(), actual.as_raw());
    let mut changed = Vec::new();
    for option in Elements::of(wanted) {
        let known = Elements::of(actual).find(|other| other.name == option.name);
        if known.is_some_and(|known| known.value == option.value) && !is_definition(option.name) {
            continue;
        }
        // A view is changed as a whole.
        if !is_definition(option.name) && Elements::of(&absent).all(|other| other.name != option.name) {
            return Err(Unsettled::Fixed);
        }
        changed.push(option);
    }
    for option in Elements::of(actual).filter(|option| Elements::of(wanted).all(|other| other.name != option.name)) {
        let without = Elements::of(&absent).find(|other| other.name == option.name);
        changed.push(without.ok_or(Unsettled::Fixed)?);
    }
    Ok(crate::catalog::document_of(&changed))
}

fn is_definition(option: &str) -> bool {
    matches!(option, "viewOn" | "pipeline")
}
