//! [`Scope`]: which namespaces a server holds for us, and where.

use oplogsync_core::namespace::{Namespace, OWN_NAME};

/// Which part of a server belongs to the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of it: namespaces keep their names; our own collections are in the database `oplogsync`.
    Server,
    /// One database: what the log calls `logical` is stored in the database `physical`, beside
    /// our own collections `oplogsync.*`. Other databases are not held.
    Database {
        /// The database's name in the log.
        logical: String,
        /// The database's name on this server.
        physical: String,
    },
}

/// A collection on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) database: String,
    pub(crate) collection: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.database, self.collection)
    }
}

impl Scope {
    /// Where a namespace of the log is stored; `None` when this node does not hold it.
    pub(crate) fn place(&self, ns: &Namespace) -> Option<Place> {
        let database = match self {
            Self::Server => ns.database(),
            Self::Database { logical, physical } if logical == ns.database() => physical,
            Self::Database { .. } => return None,
        };
        Some(Place { database: database.to_owned(), collection: ns.collection().to_owned() })
    }

    /// The collection of our own with this name.
    pub(crate) fn own(&self, name: &str) -> Place {
        match self {
            Self::Server => Place { database: OWN_NAME.to_owned(), collection: name.to_owned() },
            Self::Database { physical, .. } => {
                Place { database: physical.clone(), collection: format!("{OWN_NAME}.{name}") }
            }
        }
    }

    /// The only database to look into; `None` for all of them.
    pub(crate) fn only_database(&self) -> Option<&str> {
        match self {
            Self::Server => None,
            Self::Database { physical, .. } => Some(physical),
        }
    }

    /// What the log calls a collection; `None` for one that is never replicated.
    pub(crate) fn logical(&self, place: &Place) -> Option<Namespace> {
        let database = match self {
            Self::Server => &place.database,
            Self::Database { logical, physical } if *physical == place.database => logical,
            Self::Database { .. } => return None,
        };
        Namespace::new(&format!("{database}.{}", place.collection)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(text: &str) -> Namespace {
        Namespace::new(text).unwrap()
    }

    #[test]
    fn a_whole_server_keeps_the_names() {
        assert_eq!(Scope::Server.place(&ns("shop.orders.old")).unwrap().to_string(), "shop.orders.old");
        assert_eq!(Scope::Server.own("oplog").to_string(), "oplogsync.oplog");
        assert_eq!(Scope::Server.logical(&Scope::Server.own("oplog")), None);
    }

    #[test]
    fn a_database_is_stored_under_another_name_and_found_under_its_own() {
        let scope = Scope::Database { logical: "db1".to_owned(), physical: "db2".to_owned() };
        let place = scope.place(&ns("db1.datas")).unwrap();
        assert_eq!(place.to_string(), "db2.datas");
        assert_eq!(scope.logical(&place), Some(ns("db1.datas")));
        assert_eq!(scope.own("node").to_string(), "db2.oplogsync.node");
        assert_eq!(scope.logical(&scope.own("node")), None);
    }

    #[test]
    fn another_database_is_outside() {
        let scope = Scope::Database { logical: "db1".to_owned(), physical: "db2".to_owned() };
        assert_eq!(scope.place(&ns("db2.datas")), None);
        assert_eq!(scope.place(&ns("other.datas")), None);
    }
}
