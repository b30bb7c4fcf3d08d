//! [`Level`]: how much of a deployment a change stream covers.

use bson::{RawArrayBuf, RawDocumentBuf, Timestamp, raw::cstr, rawdoc};
use oplogsync_core::{clock::OpTime, filter::Filter, namespace::Namespace};

use super::token::ResumeToken;
use crate::scope::{Place, Scope};

/// As many as there are: only its bytes bound what a server answers.
pub(crate) const EVENTS_MAX: i32 = i32::MAX;

/// How much of a deployment a change stream covers: as little as lets everything pass that a node and
/// a filter want, for the server reads all of its own oplog for each stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Level {
    /// All databases; where `only` names some, the others are left out by the server.
    Cluster { only: Vec<String> },
    /// One database.
    Database(String),
    /// One collection.
    Collection(Place),
}

/// Where a change stream begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Begin<'a> {
    /// Behind a token.
    After(&'a ResumeToken),
    /// With what happens at a time, or later.
    At(OpTime),
}

impl Level {
    pub(crate) fn of(scope: &Scope, filter: &Filter) -> Self {
        let any = |database: &str| Namespace::new(&format!("{database}.any")).ok().and_then(|ns| scope.place(&ns));
        if let Some(place) = filter.only_collection().and_then(|ns| scope.place(&ns)) {
            return Self::Collection(place);
        }
        if let Some(database) = scope.only_database() {
            return Self::Database(database.to_owned());
        }
        let places: Vec<Place> = filter.databases().unwrap_or_default().into_iter().filter_map(any).collect();
        let mut only: Vec<String> = places.into_iter().map(|place| place.database).collect();
        match (only.len(), only.pop()) {
            (1, Some(database)) => Self::Database(database),
            (_, last) => {
                only.extend(last);
                Self::Cluster { only }
            }
        }
    }

    /// The database that the stream is opened on.
    pub(crate) fn database(&self) -> &str {
        match self {
            Self::Cluster { .. } => "admin",
            Self::Database(database) => database,
            Self::Collection(place) => &place.database,
        }
    }

    /// The command that opens the stream, with at most `events_max` events in its first answer. `splits`
    /// where the server can split an event that is larger than a document may be.
    pub(crate) fn open(&self, begin: Begin<'_>, splits: bool, events_max: i32) -> RawDocumentBuf {
        let mut stage = rawdoc! { "showExpandedEvents": true, "showRawUpdateDescription": true };
        let mut pipeline = RawArrayBuf::new();
        let mut command = RawDocumentBuf::new();
        match self {
            Self::Collection(place) => command.append(cstr!("aggregate"), place.collection.as_str()),
            Self::Cluster { .. } | Self::Database(_) => command.append(cstr!("aggregate"), 1_i32),
        }
        if let Self::Cluster { .. } = self {
            stage.append(cstr!("allChangesForCluster"), true);
        }
        match begin {
            // `resumeAfter` would not go on behind the drop of what a stream is of.
            Begin::After(token) => stage.append(cstr!("startAfter"), token.as_raw()),
            Begin::At(time) => {
                let (time, increment) = time.to_timestamp();
                stage.append(cstr!("startAtOperationTime"), Timestamp { time, increment });
            }
        }
        pipeline.push(rawdoc! { "$changeStream": stage });
        if let Self::Cluster { only } = self
            && !only.is_empty()
        {
            let names: RawArrayBuf = only.iter().map(String::as_str).collect();
            pipeline.push(rawdoc! { "$match": { "ns.db": { "$in": names } } });
        }
        if splits {
            pipeline.push(rawdoc! { "$changeStreamSplitLargeEvent": {} });
        }
        command.append(cstr!("pipeline"), pipeline);
        command.append(cstr!("cursor"), rawdoc! { "batchSize": events_max });
        command.append(cstr!("readConcern"), rawdoc! { "level": "majority" });
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str]) -> Filter {
        let include: Vec<String> = include.iter().map(|text| (*text).to_owned()).collect();
        Filter::new(&include, &[], &[]).unwrap()
    }

    #[test]
    fn a_stream_covers_no_more_than_the_filter_is_confined_to() {
        let level = |include: &[&str]| Level::of(&Scope::Server, &filter(include));
        let cluster = |only: &[&str]| Level::Cluster { only: only.iter().map(|name| (*name).to_owned()).collect() };
        let orders = Place { database: "shop".to_owned(), collection: "orders".to_owned() };
        assert_eq!(level(&[]), cluster(&[]));
        assert_eq!(level(&["sh*"]), cluster(&[]));
        assert_eq!(level(&["shop", "bank.accounts"]), cluster(&["bank", "shop"]));
        assert_eq!(level(&["shop.orders", "shop.items"]), Level::Database("shop".to_owned()));
        assert_eq!(level(&["shop.orders"]), Level::Collection(orders));
    }

    #[test]
    fn a_node_of_one_database_follows_that_by_its_name_on_the_server() {
        let scope = Scope::Database { logical: "shop".to_owned(), physical: "shop2".to_owned() };
        let orders = Place { database: "shop2".to_owned(), collection: "orders".to_owned() };
        assert_eq!(Level::of(&scope, &filter(&[])), Level::Database("shop2".to_owned()));
        assert_eq!(Level::of(&scope, &filter(&["shop.orders"])), Level::Collection(orders));
        assert_eq!(Level::of(&scope, &filter(&["other.orders"])), Level::Database("shop2".to_owned()));
    }
}
