//! [`Login`]: as whom we are logged in, and what he may do.

use bson::{Bson, Document, rawdoc};
use oplogsync_core::store_error::StoreError;

use super::malformed;
use crate::{
    error::{Access, Failure},
    store::MongoStore,
};

/// As whom we are logged in, and what he may do.
#[derive(Debug, Clone, PartialEq)]
pub struct Login {
    /// `database.user`, in practice one. None when the server demands no login: then everybody may
    /// do everything.
    pub users: Vec<String>,
    /// `database.role`, inherited ones too.
    pub roles: Vec<String>,
    privileges: Vec<Privilege>,
}

/// What an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The deployment as a whole.
    Cluster,
    /// All collections of a database, but for those called `system.*`.
    Database(&'a str),
    /// One collection.
    Collection(&'a str, &'a str),
}

#[derive(Debug, Clone, PartialEq)]
struct Privilege {
    reach: Reach,
    actions: Vec<String>,
}

/// What a privilege holds for. An empty name stands for all.
#[derive(Debug, Clone, PartialEq)]
enum Reach {
    Anything,
    Cluster,
    Names {
        database: String,
        collection: String,
    },
    /// A kind of resource that is not known here: nothing is concluded from it.
    Unknown,
}

impl Login {
    /// Whether the server demands no login.
    pub fn is_open(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether this action, for example `find`, is permitted.
    pub fn may(&self, action: &str, on: Resource<'_>) -> bool {
        let permits =
            |privilege: &Privilege| privilege.reach.covers(on) && privilege.actions.iter().any(|one| one == action);
        self.is_open() || self.privileges.iter().any(permits)
    }
}

impl Reach {
    fn covers(&self, on: Resource<'_>) -> bool {
        match (self, on) {
            (Self::Anything, _) | (Self::Cluster, Resource::Cluster) => true,
            (Self::Names { database, collection }, Resource::Database(wanted)) => {
                collection.is_empty() && (database.is_empty() || database == wanted)
            }
            (Self::Names { database, collection }, Resource::Collection(wanted, name)) => {
                let is_covered = if collection.is_empty() { !name.starts_with("system.") } else { collection == name };
                is_covered && (database.is_empty() || database == wanted)
            }
            _ => false,
        }
    }
}

impl MongoStore {
    /// As whom we are logged in, and what he may do. Everybody may know that of himself.
    ///
    /// # Errors
    /// [`StoreError`] when the server does not answer.
    pub async fn login(&self) -> Result<Login, StoreError> {
        self.read_login().await.map_err(|failure| self.store_error("read what the user may do", failure))
    }

    async fn read_login(&self) -> Result<Login, Failure> {
        let command = rawdoc! { "connectionStatus": 1, "showPrivileges": true };
        let reply = self.run("admin", command, Access::Read, None).await?;
        decode(&reply).ok_or_else(|| malformed("connectionStatus"))
    }
}

fn decode(reply: &Document) -> Option<Login> {
    let info = reply.get_document("authInfo").ok()?;
    let named = |list: &str, name: &str| {
        let text = |one: &Bson| {
            let one = one.as_document()?;
            Some(format!("{}.{}", one.get_str("db").ok()?, one.get_str(name).ok()?))
        };
        info.get_array(list).ok()?.iter().map(text).collect::<Option<Vec<String>>>()
    };
    let privileges = info.get_array("authenticatedUserPrivileges").ok()?;
    Some(Login {
        users: named("authenticatedUsers", "user")?,
        roles: named("authenticatedUserRoles", "role")?,
        privileges: privileges.iter().map(|one| privilege(one.as_document()?)).collect::<Option<_>>()?,
    })
}

fn privilege(document: &Document) -> Option<Privilege> {
    let resource = document.get_document("resource").ok()?;
    let is = |flag| resource.get_bool(flag).unwrap_or(false);
    let reach = match (resource.get_str("db"), resource.get_str("collection")) {
        (Ok(database), Ok(collection)) => {
            Reach::Names { database: database.to_owned(), collection: collection.to_owned() }
        }
        _ if is("anyResource") => Reach::Anything,
        _ if is("cluster") => Reach::Cluster,
        _ => Reach::Unknown,
    };
    let actions = document.get_array("actions").ok()?.iter().map(|action| action.as_str().map(str::to_owned));
    Some(Privilege { reach, actions: actions.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    fn login(resource: Document) -> Login {
        let info = doc! {
            "authenticatedUsers": [{ "user": "app", "db": "admin" }],
            "authenticatedUserRoles": [{ "role": "reader", "db": "admin" }],
            "authenticatedUserPrivileges": [{ "resource": resource, "actions": ["find"] }],
        };
        decode(&doc! { "authInfo": info }).unwrap()
    }

    #[test]
    fn a_privilege_covers_what_it_names_and_nothing_else() {
        let all = [
            Resource::Cluster,
            Resource::Database("shop"),
            Resource::Collection("shop", "orders"),
            Resource::Collection("shop", "system.views"),
            Resource::Collection("other", "orders"),
        ];
        for (resource, covered) in [
            (doc! { "anyResource": true }, [true; 5]),
            (doc! { "cluster": true }, [true, false, false, false, false]),
            (doc! { "db": "", "collection": "" }, [false, true, true, false, true]),
            (doc! { "db": "shop", "collection": "" }, [false, true, true, false, false]),
            (doc! { "db": "shop", "collection": "orders" }, [false, false, true, false, false]),
            (doc! { "db": "", "collection": "orders" }, [false, false, true, false, true]),
            (doc! { "db": "shop", "collection": "system.views" }, [false, false, false, true, false]),
            (doc! { "db": "", "system_buckets": "orders" }, [false; 5]),
        ] {
            let login = login(resource.clone());
            assert_eq!(all.map(|on| login.may("find", on)), covered, "{resource}");
            assert_eq!(all.map(|on| login.may("insert", on)), [false; 5], "{resource}");
        }
    }

    #[test]
    fn where_no_login_is_demanded_everything_is_permitted() {
        let lists = doc! { "authenticatedUsers": [], "authenticatedUserRoles": [], "authenticatedUserPrivileges": [] };
        let login = decode(&doc! { "authInfo": lists }).unwrap();
        assert!(login.is_open() && login.may("shutdown", Resource::Cluster));
    }

    #[test]
    fn a_reply_that_lacks_a_part_is_refused() {
        assert_eq!(decode(&doc! { "authInfo": { "authenticatedUsers": [] } }), None);
        assert_eq!(decode(&doc! { "ok": 1 }), None);
    }
}
