//! [`Filter`]: which namespaces are replicated, and under which names.

use std::{fmt, sync::Arc};

use crate::{
    excerpt::excerpt,
    hash::{Hash, Hasher},
    namespace::{Namespace, broken_database_rule},
};

/// Which namespaces of a source are replicated, and what a target calls them. Cheap to clone.
///
/// A namespace is replicated when a pattern of `include` matches it (or there is none) and no pattern
/// of `exclude` does. What is never replicated ([`Namespace`]) stays out whatever is included.
///
/// A pattern is a database (`shop`) or a whole name (`shop.orders`), in which `*` stands for any
/// characters, dots too.
#[derive(Clone)]
pub struct Filter(Arc<Rules>);

#[derive(Debug, Default)]
struct Rules {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    renames: Vec<Rename>,
    id: FilterId,
}

/// What tells filters apart that replicate other namespaces or under other names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FilterId(Hash);

#[derive(Debug)]
struct Pattern(Box<str>);

#[derive(Debug)]
enum Rename {
    Database { from: Box<str>, to: Box<str> },
    Collection { from: Namespace, to: Namespace },
}

/// The filter renames a collection to something that no collection can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("with its new database its name is longer than 255 bytes: rename it to a shorter one by `[filter] rename`")]
pub struct Unnameable;

/// Why texts are no [`Filter`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A pattern that can match no namespace.
    #[error("`{text}` is no pattern: {why}; write `shop`, `shop.orders` or `shop.tmp_*`")]
    Pattern {
        /// The text, or its beginning.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A renaming that makes no sense by itself.
    #[error("`{from}` cannot be renamed to `{to}`: {why}")]
    Rename {
        /// What is to be renamed.
        from: String,
        /// The new name.
        to: String,
        /// What is wrong.
        why: String,
    },
    /// Two namespaces would have one name at the target.
    #[error("`{a}` and `{b}` would both be `{to}` at the target: rename or exclude one of them")]
    Collision {
        /// One of them.
        a: String,
        /// The other one.
        b: String,
        /// The name.
        to: String,
    },
}

impl FilterId {
    /// The identity from its bytes; that of [`Filter::everything`] is all zeros.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Hash::from_bytes(bytes))
    }

    /// The bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }
}

impl fmt::Display for FilterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Filter {
    /// The filter that lets everything pass under its own name.
    pub fn everything() -> Self {
        Self(Arc::default())
    }

    /// The filter with these patterns, and renamings from a database to a database, or from a
    /// collection to a collection.
    ///
    /// # Errors
    /// [`FilterError`] says which text is wrong, and why.
    pub fn new(include: &[String], exclude: &[String], renames: &[(String, String)]) -> Result<Self, FilterError> {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect::<Result<Vec<_>, _>>();
        let mut rules = Rules { include: patterns(include)?, exclude: patterns(exclude)?, ..Rules::default() };
        for (from, to) in renames {
            rules.renames.push(Rename::new(from, to)?);
        }
        rules.check_collisions()?;
        rules.id = rules.identify();
        Ok(Self(Arc::new(rules)))
    }

    /// What tells it from filters with another effect.
    pub fn id(&self) -> FilterId {
        self.0.id
    }

    /// Whether it lets everything pass under its own name.
    pub fn is_everything(&self) -> bool {
        self.id() == FilterId::default()
    }

    /// What a target calls `ns`; `None` when it is not replicated.
    pub fn map(&self, ns: &Namespace) -> Option<Namespace> {
        self.0.includes(ns.as_str()).then(|| self.0.renamed(ns)).flatten()
    }

    /// Whether its patterns let a name pass, also one that is no [`Namespace`] or cannot be renamed as it says.
    pub fn includes(&self, name: &str) -> bool {
        self.0.includes(name)
    }

    /// Whether `ns` is replicated, but cannot have the name that a target is to call it by.
    pub fn is_unnameable(&self, ns: &Namespace) -> bool {
        self.0.includes(ns.as_str()) && self.0.renamed(ns).is_none()
    }

    /// What a source calls that which a target calls `ns`; `None` when nothing is replicated under that name.
    pub fn origin(&self, ns: &Namespace) -> Option<Namespace> {
        self.0.origin(ns)
    }

    /// Whether every collection of `database` is replicated, within one database of the target.
    pub fn is_whole(&self, database: &str) -> bool {
        let rules = &self.0;
        let touches = |pattern: &Pattern| pattern.may_match_in(database);
        let whole = rules.include.is_empty() || rules.include.iter().any(|pattern| pattern.is_all_of(database));
        let moved = |rename: &Rename| matches!(rename, Rename::Collection { from, .. } if from.database() == database);
        whole && !rules.exclude.iter().any(touches) && !rules.renames.iter().any(moved)
    }

    /// The databases that it is confined to, if its patterns name them all.
    pub fn databases(&self) -> Option<Vec<&str>> {
        let mut names = self.0.include.iter().map(Pattern::database).collect::<Option<Vec<_>>>()?;
        names.sort_unstable();
        names.dedup();
        (!names.is_empty()).then_some(names)
    }

    /// The one collection that it is confined to, if it is.
    pub fn only_collection(&self) -> Option<Namespace> {
        match self.0.include.as_slice() {
            [Pattern(text)] if !text.contains('*') => Namespace::new(text).ok(),
            _ => None,
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self::everything()
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Rules {
    fn includes(&self, ns: &str) -> bool {
        let matches = |pattern: &Pattern| glob(&pattern.0, ns);
        (self.include.is_empty() || self.include.iter().any(matches)) && !self.exclude.iter().any(matches)
    }

    /// A new name that cannot be one (too long, or one that is never replicated) leaves nothing.
    fn renamed(&self, ns: &Namespace) -> Option<Namespace> {
        let exact = self.renames.iter().find_map(|rename| match rename {
            Rename::Collection { from, to } if from == ns => Some(to.clone()),
            _ => None,
        });
        let database = || {
            self.renames.iter().find_map(|rename| match rename {
                Rename::Database { from, to } if &**from == ns.database() => Some(to),
                _ => None,
            })
        };
        match (exact, database()) {
            (Some(to), _) => Some(to),
            (None, Some(to)) => Namespace::new(&format!("{to}.{}", ns.collection())).ok(),
            (None, None) => Some(ns.clone()),
        }
    }

    /// There is one at most: names do not collide.
    fn origin(&self, name: &Namespace) -> Option<Namespace> {
        let moved = self.renames.iter().find_map(|rename| match rename {
            Rename::Collection { from, to } if to == name && self.includes(from.as_str()) => Some(from.clone()),
            _ => None,
        });
        moved.or_else(|| self.others_called(name).next())
    }

    /// A name that something is renamed to must be free: nothing else that is replicated has it.
    fn check_collisions(&self) -> Result<(), FilterError> {
        let collision = |a: &str, b: &str, to: &str| {
            Err(FilterError::Collision { a: a.to_owned(), b: b.to_owned(), to: to.to_owned() })
        };
        for (at, rename) in self.renames.iter().enumerate() {
            for other in self.renames.iter().take(at) {
                if rename.from() == other.from() || rename.to() == other.to() {
                    return collision(other.from(), rename.from(), rename.to());
                }
            }
            match rename {
                Rename::Database { from, to } => {
                    let stays = self.renames.iter().all(|other| other.from() != &**to);
                    if from != to && stays && self.may_include_database(to) {
                        return collision(from, to, to);
                    }
                }
                Rename::Collection { from, to } => {
                    if let Some(other) = self.others_called(to).find(|other| other != from) {
                        return collision(from.as_str(), other.as_str(), to.as_str());
                    }
                }
            }
        }
        Ok(())
    }

    /// What gets this name without a renaming of its own.
    fn others_called<'a>(&'a self, name: &'a Namespace) -> impl Iterator<Item = Namespace> + 'a {
        let moved = self.renames.iter().filter_map(|rename| match rename {
            Rename::Database { from, to } if &**to == name.database() => Some(from),
            _ => None,
        });
        let moved = moved.filter_map(|from| Namespace::new(&format!("{from}.{}", name.collection())).ok());
        let called = |other: &Namespace| self.includes(other.as_str()) && self.renamed(other).as_ref() == Some(name);
        moved.chain([name.clone()]).filter(called)
    }

    fn may_include_database(&self, database: &str) -> bool {
        let excluded = self.exclude.iter().any(|pattern| pattern.is_all_of(database));
        !excluded && (self.include.is_empty() || self.include.iter().any(|pattern| pattern.may_match_in(database)))
    }

    /// Equal for equal rules, in whatever order they were given.
    fn identify(&self) -> FilterId {
        if self.include.is_empty() && self.exclude.is_empty() && self.renames.is_empty() {
            return FilterId::default();
        }
        let mut hasher = Hasher::new();
        for (name, patterns) in [("include", &self.include), ("exclude", &self.exclude)] {
            let mut texts: Vec<&str> = patterns.iter().map(|pattern| &*pattern.0).collect();
            texts.sort_unstable();
            texts.dedup();
            hasher.sized(name.as_bytes());
            for text in texts {
                hasher.sized(text.as_bytes());
            }
        }
        let mut renames: Vec<(&str, &str)> = self.renames.iter().map(|rename| (rename.from(), rename.to())).collect();
        renames.sort_unstable();
        hasher.sized(b"rename");
        for (from, to) in renames {
            hasher.sized(from.as_bytes()).sized(to.as_bytes());
        }
        FilterId(hasher.finish())
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Self, FilterError> {
        let wrong = |why| FilterError::Pattern { text: excerpt(text).into_owned(), why };
        let database = text.split('.').next().unwrap_or_default();
        if text.is_empty() || text.contains('\0') || database.contains(['/', '\\', ' ', '"', '$']) {
            return Err(wrong("it is empty, or has a character that no name has"));
        }
        match text.split_once('.') {
            None => Ok(Self(format!("{text}.*").into())),
            Some((database, collection)) if database.is_empty() || collection.is_empty() => {
                Err(wrong("it lacks the database or the collection"))
            }
            Some(_) => Ok(Self(text.into())),
        }
    }

    /// The database that it names, without any `*` in it.
    fn database(&self) -> Option<&str> {
        let (database, _) = self.0.split_once('.')?;
        (!database.contains('*')).then_some(database)
    }

    fn is_all_of(&self, database: &str) -> bool {
        &*self.0 == "*.*" || (self.0.ends_with(".*") && self.database() == Some(database))
    }

    /// Whether a collection of `database` can match.
    fn may_match_in(&self, database: &str) -> bool {
        match (self.database(), self.0.split_once('.')) {
            (Some(name), _) => name == database,
            // A `*` in it may reach into the collection's name.
            (None, Some((pattern, _))) => {
                let head = pattern.split('*').next().unwrap_or_default();
                database.starts_with(head) || head.starts_with(database)
            }
            (None, None) => true,
        }
    }
}

impl Rename {
    fn new(from: &str, to: &str) -> Result<Self, FilterError> {
        let wrong =
            |why: String| FilterError::Rename { from: excerpt(from).into_owned(), to: excerpt(to).into_owned(), why };
        match (from.contains('.'), to.contains('.')) {
            (true, true) => {
                let name = |text| Namespace::new(text).map_err(|error| wrong(error.to_string()));
                Ok(Self::Collection { from: name(from)?, to: name(to)? })
            }
            (false, false) => {
                for name in [from, to] {
                    if let Some(rule) = broken_database_rule(name) {
                        return Err(wrong(rule.to_owned()));
                    }
                    Namespace::new(&format!("{name}.x")).map_err(|error| wrong(error.to_string()))?;
                }
                Ok(Self::Database { from: from.into(), to: to.into() })
            }
            _ => Err(wrong("a database is renamed to a database, a collection to a collection".to_owned())),
        }
    }

    fn from(&self) -> &str {
        match self {
            Self::Database { from, .. } => from,
            Self::Collection { from, .. } => from.as_str(),
        }
    }

    fn to(&self) -> &str {
        match self {
            Self::Database { to, .. } => to,
            Self::Collection { to, .. } => to.as_str(),
        }
    }
}

/// Whether `text` is what `pattern` says, where `*` stands for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    let mut rest = rest;
    for part in middle {
        // The first place is as good as any later one.
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests;
