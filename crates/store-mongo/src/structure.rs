//! Changing collections and indexes. Each command can be given again: what is as it is to be stays.
//!
//! None of them can be part of a transaction with the checkpoint, so a batch that is a command is noted
//! before it is run, on a replica set too.

mod options;

use bson::{RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use oplogsync_core::{
    catalog::{CollectionOptions, Index},
    command::Action,
    namespace::{DatabaseName, Namespace},
    store_error::Fault,
};

use self::options::is_made_with;
use crate::{
    error::{Access, Failure},
    scope::Place,
    store::MongoStore,
};

const NAMESPACE_NOT_FOUND: i32 = 26;
const INDEX_NOT_FOUND: i32 = 27;
const NAMESPACE_EXISTS: i32 = 48;
const INDEX_OPTIONS_CONFLICT: i32 = 85;
const INDEX_KEY_SPECS_CONFLICT: i32 = 86;
const DUPLICATE_KEY: i32 = 11000;

/// How long a command may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// As long as any request.
    Prompt,
    /// As long as there are documents.
    Patient,
}

impl MongoStore {
    /// Changes collections or indexes, outside of any batch.
    pub(crate) async fn run_action(&self, action: &Action) -> Result<(), Failure> {
        self.check_action(action).await?;
        self.run_checked(action, false).await
    }

    /// Finds out what would be in the way, before anything is changed or noted.
    pub(crate) async fn check_action(&self, action: &Action) -> Result<(), Failure> {
        if let Some(ns) = action.namespace() {
            self.place(ns)?;
        }
        let Action::Rename { ns, to, drop_target } = action else { return Ok(()) };
        let (from, target) = (self.place(ns)?, self.place(to)?);
        let is_taken = !drop_target
            && ns != to
            && self.find_collection(&from).await?.is_some()
            && !self.is_bare(to, &target).await?;
        if is_taken { Err(Failure::new(Fault::Occupied { what: to.to_string() })) } else { Ok(()) }
    }

    /// Changes collections or indexes as it was checked, perhaps `again`.
    pub(crate) async fn run_checked(&self, action: &Action, again: bool) -> Result<(), Failure> {
        match action {
            Action::Create { ns, options } => self.create_collection(ns, options).await,
            Action::Drop { ns } => self.drop_collection(&self.place(ns)?).await,
            // Nothing was there when it was checked: what is there is of a try that was cut off.
            Action::Rename { ns, to, drop_target } => self.rename(ns, to, *drop_target || again).await,
            Action::DropDatabase { database } => self.drop_database(database).await,
            Action::CreateIndexes { ns, indexes } => self.create_indexes(ns, indexes).await,
            Action::DropIndexes { ns, names } => self.drop_indexes(ns, names).await,
            Action::Modify { ns, changes } => self.modify(ns, changes).await,
        }
    }

    /// Runs one command; `false` when it was refused with a code of `done`, which says that it is done.
    async fn change(
        &self,
        database: &str,
        mut command: RawDocumentBuf,
        pace: Pace,
        done: &[i32],
    ) -> Result<bool, Failure> {
        command.append(cstr!("writeConcern"), self.write_concern());
        let reply = match pace {
            Pace::Prompt => self.run(database, command, Access::Write, None).await,
            Pace::Patient => self.run_patiently(database, command, Access::Write, None).await,
        };
        match reply {
            Err(mut failure) if failure.code.is_some_and(|code| done.contains(&code)) => {
                if !failure.undurable {
                    return Ok(false);
                }
                // By an earlier try, which a fail-over can still take back.
                failure.fault = Fault::Unknown;
                Err(failure)
            }
            reply => reply.map(|_| true),
        }
    }

    async fn create_collection(&self, ns: &Namespace, options: &CollectionOptions) -> Result<(), Failure> {
        let place = self.place(ns)?;
        let command = with_fields(rawdoc! { "create": place.collection.as_str() }, options.as_raw());
        if self.change(&place.database, command, Pace::Prompt, &[NAMESPACE_EXISTS]).await? {
            return Ok(());
        }
        let Some(found) = self.find_collection(&place).await? else {
            return Err(Failure::said(Fault::Unavailable, format!("{place} came and went meanwhile")));
        };
        if is_made_with(&found.options, options) {
            return Ok(());
        }
        let kind = if found.is_collection { "collection" } else { "view" };
        let words = format!("it has {:?}, and is to have {options:?}", found.options);
        Err(Failure::said(Fault::Occupied { what: format!("a {kind} {ns} with other options") }, words))
    }

    pub(crate) async fn drop_collection(&self, place: &Place) -> Result<(), Failure> {
        let command = rawdoc! { "drop": place.collection.as_str() };
        self.change(&place.database, command, Pace::Prompt, &[NAMESPACE_NOT_FOUND]).await.map(drop)
    }

    /// A collection that is not there has been renamed already.
    async fn rename(&self, ns: &Namespace, to: &Namespace, drop_target: bool) -> Result<(), Failure> {
        if ns == to {
            return Ok(());
        }
        let (from, target) = (self.place(ns)?, self.place(to)?);
        let command = |drop_target: bool| {
            rawdoc! { "renameCollection": from.to_string(), "to": target.to_string(), "dropTarget": drop_target }
        };
        // Into another database the documents are copied.
        let pace = if from.database == target.database { Pace::Prompt } else { Pace::Patient };
        let mut renamed = self.change("admin", command(drop_target), pace, &[NAMESPACE_NOT_FOUND]).await;
        let is_taken = |failure: &Failure| failure.code == Some(NAMESPACE_EXISTS);
        if renamed.as_ref().is_err_and(is_taken) && self.is_bare(to, &target).await? {
            renamed = self.change("admin", command(true), pace, &[NAMESPACE_NOT_FOUND]).await;
        }
        match renamed {
            Err(failure) if is_taken(&failure) => Err(occupied(failure, to.to_string())),
            renamed => renamed.map(drop),
        }
    }

    /// Drops what the node holds of a database. The rest of it is ours, or the server's.
    async fn drop_database(&self, database: &DatabaseName) -> Result<(), Failure> {
        match self.inner.scope.database(database) {
            Some(database) => self.drop_all(&database).await,
            None => Ok(()),
        }
    }

    /// Drops all collections and views of a database that may be replicated.
    async fn drop_all(&self, database: &str) -> Result<(), Failure> {
        for place in self.held(database).await? {
            self.drop_collection(&place).await?;
        }
        Ok(())
    }

    /// The collections and views of a database that may be replicated.
    pub(crate) async fn held(&self, database: &str) -> Result<Vec<Place>, Failure> {
        let place = |collection| Place { database: database.to_owned(), collection };
        let all = self.list_collections(database).await?.into_iter().map(|found| place(found.name));
        Ok(all.filter(|place| self.inner.scope.logical(place).is_some()).collect())
    }

    async fn create_indexes(&self, ns: &Namespace, indexes: &[Index]) -> Result<(), Failure> {
        let place = self.place(ns)?;
        let indexes: Vec<&Index> = indexes.iter().filter(|index| !index.is_on_id()).collect();
        if indexes.is_empty() {
            return Ok(());
        }
        let specs: bson::RawArrayBuf = indexes.iter().map(|index| index.as_raw()).collect();
        let command = rawdoc! { "createIndexes": place.collection.as_str(), "indexes": specs };
        let names = indexes.iter().map(|index| format!("`{}`", index.name())).collect::<Vec<_>>().join(", ");
        self.change(&place.database, command, Pace::Patient, &[]).await.map(drop).map_err(|failure| {
            let what = match failure.code {
                Some(INDEX_OPTIONS_CONFLICT | INDEX_KEY_SPECS_CONFLICT) => {
                    format!("an index on {ns} that contradicts {names}")
                }
                Some(DUPLICATE_KEY) => format!("a document in {ns} that {names} cannot hold beside another one"),
                _ => return failure,
            };
            occupied(failure, what)
        })
    }

    /// One by one: of several a server drops none when one is not there.
    async fn drop_indexes(&self, ns: &Namespace, names: &[String]) -> Result<(), Failure> {
        let place = self.place(ns)?;
        for name in names {
            let command = rawdoc! { "dropIndexes": place.collection.as_str(), "index": name.as_str() };
            self.change(&place.database, command, Pace::Prompt, &[NAMESPACE_NOT_FOUND, INDEX_NOT_FOUND]).await?;
        }
        Ok(())
    }

    /// What is not there is made: a view that is not made before the end of a catch-up, or a collection
    /// that has never had a document.
    async fn modify(&self, ns: &Namespace, changes: &RawDocument) -> Result<(), Failure> {
        let place = self.place(ns)?;
        let command = with_fields(rawdoc! { "collMod": place.collection.as_str() }, changes);
        if self.change(&place.database, command.clone(), Pace::Patient, &[NAMESPACE_NOT_FOUND]).await? {
            return Ok(());
        }
        let mut create = rawdoc! { "create": place.collection.as_str() };
        let is_view = matches!(changes.get("viewOn"), Ok(Some(_)));
        if is_view {
            create = with_fields(create, changes);
        }
        self.change(&place.database, create, Pace::Prompt, &[NAMESPACE_EXISTS]).await?;
        if !is_view {
            self.change(&place.database, command, Pace::Patient, &[]).await?;
        }
        Ok(())
    }
}

/// What the server says, and what is in the way.
fn occupied(mut failure: Failure, what: String) -> Failure {
    failure.fault = Fault::Occupied { what };
    failure
}

fn with_fields(mut command: RawDocumentBuf, fields: &RawDocument) -> RawDocumentBuf {
    for (name, value) in fields.iter().flatten() {
        command.append(name, value);
    }
    command
}
