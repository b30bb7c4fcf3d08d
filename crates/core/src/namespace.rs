//! [`Namespace`]: a database and a collection, as in MongoDB.

use std::{cmp::Ordering, fmt, str::FromStr, sync::Arc};

use crate::excerpt::excerpt;

/// Longest namespace in bytes, MongoDB's own limit ("Naming Restrictions" in the manual).
pub const NAMESPACE_BYTES_MAX: usize = 255;
/// Longest database name in bytes, MongoDB's own limit.
pub const DATABASE_BYTES_MAX: usize = 63;
/// The database and the collection prefix that hold what oplogsync itself stores on a node.
pub const OWN_NAME: &str = "oplogsync";

/// The full name of a collection, `database.collection`, that may be replicated.
///
/// Validated: MongoDB's naming rules hold, and it is none of the namespaces that are never
/// replicated (`admin`, `config`, `local`, `system.*` and our own). Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Namespace {
    full: Arc<str>,
    dot: u8,
}

/// Why a text is not a [`Namespace`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// It breaks MongoDB's naming rules.
    #[error("`{text}` is no namespace: {rule}; write it as database.collection")]
    Malformed {
        /// The text as given, or its beginning.
        text: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// It is well formed, but belongs to the server or to oplogsync.
    #[error("namespace `{text}` is never replicated: {owner}; choose another database or collection")]
    Forbidden {
        /// The text as given, or its beginning.
        text: String,
        /// To whom it belongs.
        owner: &'static str,
    },
}

impl Namespace {
    /// Checks and takes a text of the form `database.collection`.
    ///
    /// # Errors
    /// [`NamespaceError`] names the rule that the text breaks.
    pub fn new(text: &str) -> Result<Self, NamespaceError> {
        let malformed = |rule| NamespaceError::Malformed { text: excerpt(text).into_owned(), rule };
        let (database, collection) = text.split_once('.').ok_or_else(|| malformed("it has no dot"))?;
        if let Some(rule) = broken_database_rule(database) {
            return Err(malformed(rule));
        }
        // Before the rest: what a server calls its own is its own business.
        if let Some(owner) = forbidden_owner(database, collection) {
            return Err(NamespaceError::Forbidden { text: excerpt(text).into_owned(), owner });
        }
        if let Some(rule) = broken_collection_rule(collection) {
            return Err(malformed(rule));
        }
        if text.len() > NAMESPACE_BYTES_MAX {
            return Err(malformed("it is longer than 255 bytes"));
        }
        let dot = u8::try_from(database.len()).map_err(|_| malformed("the database name is too long"))?;
        Ok(Self { full: text.into(), dot })
    }

    /// The whole name, `database.collection`.
    pub fn as_str(&self) -> &str {
        &self.full
    }

    /// The database.
    pub fn database(&self) -> &str {
        self.full.split_at(usize::from(self.dot)).0
    }

    /// The database, as a name of its own.
    pub fn database_name(&self) -> DatabaseName {
        DatabaseName(self.database().into())
    }

    /// The collection, which may contain dots.
    pub fn collection(&self) -> &str {
        self.full.split_at(usize::from(self.dot) + 1).1
    }
}

impl PartialOrd for Namespace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Namespace {
    fn cmp(&self, other: &Self) -> Ordering {
        // Clones share their text, and most comparisons are of clones.
        if Arc::ptr_eq(&self.full, &other.full) { Ordering::Equal } else { self.full.cmp(&other.full) }
    }
}

/// The rule of MongoDB that `name` breaks as a database name, if it breaks one. A server on Windows has more
/// of them, and says so itself.
pub fn broken_database_rule(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("the database name is empty")
    } else if name.len() > DATABASE_BYTES_MAX {
        Some("the database name is longer than 63 bytes")
    } else if name.contains(['/', '\\', '.', ' ', '"', '$', '\0']) {
        Some("the database name contains a character of /\\. \"$ or NUL")
    } else {
        None
    }
}

fn broken_collection_rule(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("the collection name is empty")
    } else if name.starts_with('.') {
        Some("the collection name starts with a dot")
    } else if name.contains(['$', '\0']) {
        Some("the collection name contains `$` or NUL")
    } else {
        None
    }
}

fn forbidden_owner(database: &str, collection: &str) -> Option<&'static str> {
    // Database names that differ only in case are one database to MongoDB.
    let is = |name: &str| database.eq_ignore_ascii_case(name);
    if is("admin") || is("config") || is("local") {
        Some("the database belongs to the server")
    } else if is(OWN_NAME) {
        Some("the database belongs to oplogsync")
    } else if collection.split('.').any(|part| part == "system") {
        Some("`system` collections belong to the server")
    } else if collection.split('.').next() == Some(OWN_NAME) {
        Some("`oplogsync.*` collections belong to oplogsync")
    } else {
        None
    }
}

/// The name of a database that may be replicated: MongoDB's naming rules hold, and it belongs neither
/// to the server nor to oplogsync. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatabaseName(Arc<str>);

impl DatabaseName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`NamespaceError`] names the rule that it breaks.
    pub fn new(text: &str) -> Result<Self, NamespaceError> {
        if let Some(rule) = broken_database_rule(text) {
            return Err(NamespaceError::Malformed { text: excerpt(text).into_owned(), rule });
        }
        match forbidden_owner(text, "") {
            Some(owner) => Err(NamespaceError::Forbidden { text: excerpt(text).into_owned(), owner }),
            None => Ok(Self(text.into())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The collection of this name in it.
    ///
    /// # Errors
    /// As for [`Namespace::new`].
    pub fn collection(&self, name: &str) -> Result<Namespace, NamespaceError> {
        Namespace::new(&format!("{}.{name}", self.0))
    }
}

impl FromStr for DatabaseName {
    type Err = NamespaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.full, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_splits_at_its_first_dot() {
        let ns = Namespace::new("shop.orders.2026").unwrap();
        assert_eq!((ns.database(), ns.collection()), ("shop", "orders.2026"));
    }

    #[test]
    fn what_breaks_the_naming_rules_is_refused() {
        let long = format!("db.{}", "c".repeat(253));
        for text in ["", "a", ".a", "a.", "a..b", "a b.c", "a$.c", "a.b$c", "a.b\0", "a/b.c", &long] {
            assert!(matches!(Namespace::new(text), Err(NamespaceError::Malformed { .. })), "{text:?}");
        }
        assert!(Namespace::new(&format!("db.{}", "c".repeat(252))).is_ok());
    }

    #[test]
    fn what_a_server_takes_is_taken() {
        for text in ["od:d.x", "a*<>|?b.x", "en.d.", "en.a..b", "en.a b", "en.a\tb"] {
            let ns = Namespace::new(text).unwrap();
            assert_eq!(format!("{}.{}", ns.database(), ns.collection()), text);
        }
    }

    #[test]
    fn namespaces_of_the_server_and_our_own_are_refused() {
        for text in [
            "admin.users",
            "admin.a$b",
            "Admin.users",
            "config.chunks",
            "local.oplog.rs",
            "shop.system.views",
            "shop.a.system.b",
            "oplogsync.oplog",
            "shop.oplogsync.oplog",
        ] {
            assert!(matches!(Namespace::new(text), Err(NamespaceError::Forbidden { .. })), "{text:?}");
        }
        assert!(Namespace::new("shop.systems").is_ok());
    }
}
