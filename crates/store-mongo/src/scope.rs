//! [`Scope`]: which namespaces a server holds for us, and where.

use oplogsync_core::{
    filter::Filter,
    namespace::{DatabaseName, Namespace, NamespaceError, OWN_NAME},
};

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

/// The name of a collection that a filter lets pass is none that a log can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("its name is none that oplogsync knows")]
    Unknown { name: String, source: NamespaceError },
    #[error("the name that `[filter] rename` gives it is longer than 255 bytes")]
    Renamed { name: String },
}

impl NameError {
    /// The name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Unknown { name, .. } | Self::Renamed { name } => name,
        }
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

    /// Where a database of the log is stored; `None` when this node does not hold it.
    pub(crate) fn database(&self, name: &DatabaseName) -> Option<String> {
        match self {
            Self::Server => Some(name.as_str().to_owned()),
            Self::Database { logical, physical } => (logical == name.as_str()).then(|| physical.clone()),
        }
    }

    /// What the log calls a collection in a database that belongs to the node, whether it may be
    /// replicated or not.
    pub(crate) fn name(&self, place: &Place) -> String {
        match self {
            Self::Database { logical, physical } if *physical == place.database => {
                format!("{logical}.{}", place.collection)
            }
            _ => place.to_string(),
        }
    }

    /// What the log calls a collection; `None` for one that is never replicated.
    pub(crate) fn logical(&self, place: &Place) -> Option<Namespace> {
        let is_outside = matches!(self, Self::Database { physical, .. } if *physical != place.database);
        if is_outside { None } else { Namespace::new(&self.name(place)).ok() }
    }

    /// The same for one that a filter lets pass; `None` for one that it leaves out too.
    pub(crate) fn passing(&self, place: &Place, filter: &Filter) -> Result<Option<Namespace>, NameError> {
        let is_outside = matches!(self, Self::Database { physical, .. } if *physical != place.database);
        let name = self.name(place);
        if is_outside || !filter.includes(&name) {
            return Ok(None);
        }
        match Namespace::new(&name) {
            Ok(ns) if filter.map(&ns).is_none() => Err(NameError::Renamed { name }),
            Ok(ns) => Ok(Some(ns)),
            Err(NamespaceError::Forbidden { .. }) => Ok(None),
            Err(source) => Err(NameError::Unknown { name, source }),
        }
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

    /// What is not known is never passed over.
    #[test]
    fn a_name_that_no_log_can_have_is_refused_unless_it_is_left_out_or_never_replicated() {
        let place = |database: &str, collection: &str| Place {
            database: database.to_owned(),
            collection: collection.to_owned(),
        };
        let text = |text: &str| text.to_owned();
        let all = Filter::everything();
        let strange = place("shop", "a$b");
        let error = Scope::Server.passing(&strange, &all).unwrap_err();
        assert!(matches!(&error, NameError::Unknown { name, .. } if name == "shop.a$b"));
        let excluding = Filter::new(&[], &[text("shop.a$b")], &[]).unwrap();
        assert_eq!(Scope::Server.passing(&strange, &excluding), Ok(None));
        let other = Filter::new(&[text("crm")], &[], &[]).unwrap();
        assert_eq!(Scope::Server.passing(&strange, &other), Ok(None));
        let longer = Filter::new(&[text("shop")], &[], &[(text("shop"), "s".repeat(60))]).unwrap();
        let long = place("shop", &"c".repeat(200));
        assert!(matches!(Scope::Server.passing(&long, &longer), Err(NameError::Renamed { .. })));
        assert_eq!(Scope::Server.passing(&place("shop", "c"), &longer), Ok(Some(ns("shop.c"))));
        for (database, collection) in [("admin", "a$b"), ("local", "oplog.rs"), ("shop", "system.views")] {
            assert_eq!(Scope::Server.passing(&place(database, collection), &all), Ok(None), "{database}.{collection}");
        }
        let scope = Scope::Database { logical: "db1".to_owned(), physical: "db2".to_owned() };
        assert_eq!(scope.passing(&strange, &all), Ok(None));
        assert_eq!(scope.passing(&place("db2", "c"), &all), Ok(Some(ns("db1.c"))));
    }

    #[test]
    fn another_database_is_outside() {
        let scope = Scope::Database { logical: "db1".to_owned(), physical: "db2".to_owned() };
        assert_eq!(scope.place(&ns("db2.datas")), None);
        assert_eq!(scope.place(&ns("other.datas")), None);
    }
}
