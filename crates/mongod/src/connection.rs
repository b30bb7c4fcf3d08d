//! Short connections to one server, for its administration.

use std::{fmt::Write, time::Duration};

use bson::{Document, doc};
use mongodb::{
    Client,
    error::{Error, ErrorKind},
    options::ClientOptions,
};

use crate::{Tls, options::User};

/// The server has no such user, or another password.
const AUTHENTICATION_FAILED: i32 = 18;

/// The URI of one server or more, with `database` as the default one.
pub(crate) fn uri(hosts: &str, user: Option<&User>, tls: Option<&Tls>, database: &str, options: &str) -> String {
    // The user is defined in `admin`, whatever the default database is.
    let (login, source) = user.map_or_else(Default::default, |User { name, password }| {
        (format!("{}:{}@", escape(name), escape(password)), "authSource=admin")
    });
    let tls = tls.map(Tls::uri_options).unwrap_or_default();
    let parts = [options, source, &tls];
    let all = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
    let mark = if all.is_empty() { "" } else { "?" };
    format!("mongodb://{login}{hosts}/{database}{mark}{all}")
}

/// A client of the server on `port` alone.
pub(crate) async fn client(port: u16, user: Option<&User>, tls: Option<&Tls>) -> Result<Client, Error> {
    let uri = uri(&format!("127.0.0.1:{port}"), user, tls, "", "directConnection=true");
    let mut options = ClientOptions::parse(uri).await?;
    options.server_selection_timeout = Some(Duration::from_secs(5));
    Client::with_options(options)
}

/// The server's answer to `hello`.
pub(crate) async fn hello(port: u16, tls: Option<&Tls>) -> Result<Document, Error> {
    client(port, None, tls).await?.database("admin").run_command(doc! { "hello": 1 }).await
}

/// Makes sure that `user` is there. A server without users lets a local client make the first.
pub(crate) async fn create_user(port: u16, user: &User, tls: Option<&Tls>) -> Result<(), Error> {
    let ping = doc! { "ping": 1 };
    match client(port, Some(user), tls).await?.database("admin").run_command(ping).await {
        Ok(_) => return Ok(()),
        Err(error) if is_login(&error) => {}
        Err(error) => return Err(error),
    }
    let create = doc! { "createUser": &user.name, "pwd": &user.password, "roles": ["root"] };
    client(port, None, tls).await?.database("admin").run_command(create).await.map(drop)
}

fn is_login(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Authentication { .. } => true,
        ErrorKind::Command(command) => command.code == AUTHENTICATION_FAILED,
        _ => false,
    }
}

/// Escapes all that may mean something in a URI.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            let _infallible = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_has_only_the_parts_that_are_needed() {
        assert_eq!(uri("127.0.0.1:1", None, None, "", ""), "mongodb://127.0.0.1:1/");
        assert_eq!(uri("127.0.0.1:1", None, None, "a", "x=1"), "mongodb://127.0.0.1:1/a?x=1");
    }

    #[test]
    fn a_user_and_a_password_are_escaped() {
        let user = User { name: "me@home".to_owned(), password: "a/b:ü%".to_owned() };
        let expected = "mongodb://me%40home:a%2Fb%3A%C3%BC%25@h:1/d?x=1&authSource=admin";
        assert_eq!(uri("h:1", Some(&user), None, "d", "x=1"), expected);
    }
}
