//! [`ConnString`]: a connection string whose password nobody sees.

use std::{borrow::Cow, fmt};

use serde::{Serialize, Serializer};

const SCHEMES: [&str; 2] = ["mongodb://", "mongodb+srv://"];

/// A MongoDB connection string. However it is printed, user and password are `***`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ConnString(String);

impl ConnString {
    /// Takes a connection string, unchecked.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// With its password: for the driver only.
    #[cfg_attr(not(feature = "mongo"), expect(dead_code, reason = "only the driver may have it"))]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The hosts with their ports, in one spelling and order, to compare servers by.
    pub(crate) fn servers(&self) -> Vec<String> {
        let srv = self.0.starts_with("mongodb+srv://");
        let mut servers: Vec<_> = self.parts().0.split(',').map(|host| spell_server(host, srv)).collect();
        servers.sort();
        servers
    }

    /// The database that the string names.
    pub(crate) fn database(&self) -> Option<&str> {
        self.parts().1.filter(|name| !name.is_empty())
    }

    /// What stands between the credentials and the options: hosts, and the database.
    fn parts(&self) -> (&str, Option<&str>) {
        let body = self.0.split_once("://").map_or(self.0.as_str(), |(_, body)| body);
        let body = body.split_once('?').map_or(body, |(body, _)| body);
        let body = body.rsplit_once('@').map_or(body, |(_, body)| body);
        body.split_once('/').map_or((body, None), |(hosts, database)| (hosts, Some(database)))
    }
}

fn spell_server(host: &str, srv: bool) -> String {
    let host = host.to_ascii_lowercase();
    if srv {
        return host;
    }
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (name, port),
        _ => (host.as_str(), "27017"),
    };
    let name = if name == "localhost" || name == "[::1]" { "127.0.0.1" } else { name };
    format!("{name}:{port}")
}

impl fmt::Display for ConnString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.0))
    }
}

impl fmt::Debug for ConnString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ConnString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Replaces the credentials of every connection string in `text` by `***`.
///
/// What ends the credentials is the last `@` of the line: a password may hold one, unescaped.
/// Rather too much is hidden than too little.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    if !SCHEMES.iter().any(|scheme| text.contains(scheme)) {
        return Cow::Borrowed(text);
    }
    let lines: Vec<_> = text.split('\n').map(redact_line).collect();
    Cow::Owned(lines.join("\n"))
}

fn redact_line(line: &str) -> String {
    let start = SCHEMES.iter().filter_map(|scheme| line.find(scheme).map(|at| at + scheme.len())).min();
    let Some((head, tail)) = start.and_then(|at| line.split_at_checked(at)) else { return line.to_owned() };
    match tail.rsplit_once('@') {
        Some((_, rest)) => format!("{head}***@{}", redact_options(rest)),
        None => format!("{head}{}", redact_options(tail)),
    }
}

/// Hides the values of options that hold secrets: `tlsCertificateKeyFilePassword`,
/// `proxyPassword`, `authMechanismProperties` with its session token.
fn redact_options(text: &str) -> String {
    let redact_option = |option: &str| {
        let (name, value) = option.split_once('=')?;
        let key = name.rsplit('?').next().unwrap_or(name).to_ascii_lowercase();
        let secret = ["password", "properties", "token", "secret"].iter().any(|word| key.contains(word));
        // The text goes on where the connection string ends.
        let rest =
            value.find(|c: char| c == '&' || c.is_whitespace() || "\"'`".contains(c)).map(|at| value.split_at(at).1);
        secret.then(|| format!("{name}=***{}", rest.unwrap_or_default()))
    };
    let ends = |c: char| c == '&' || c.is_whitespace();
    text.split_inclusive(ends).map(|option| redact_option(option).unwrap_or_else(|| option.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_however_it_is_written() {
        for (given, shown) in [
            ("mongodb://app:canary@h:1/db", "mongodb://***@h:1/db"),
            ("mongodb://app:can@ry@h:1/db", "mongodb://***@h:1/db"),
            ("mongodb://app:can/?ary@h", "mongodb://***@h"),
            ("mongodb+srv://app:canary@h/db?w=1", "mongodb+srv://***@h/db?w=1"),
            ("mongodb://h:1/db", "mongodb://h:1/db"),
            (
                "mongodb://h/?tls=true&tlsCertificateKeyFilePassword=canary&w=1",
                "mongodb://h/?tls=true&tlsCertificateKeyFilePassword=***&w=1",
            ),
            ("mongodb://u:canary@h/db?PROXYPASSWORD=can?ary", "mongodb://***@h/db?PROXYPASSWORD=***"),
            (
                "mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:canary",
                "mongodb://h/?authMechanismProperties=***",
            ),
        ] {
            let uri = ConnString::new(given);
            assert_eq!(uri.to_string(), shown);
            assert_eq!(format!("{uri:?}"), shown);
            assert_eq!(serde_json::to_string(&uri).unwrap(), format!("\"{shown}\""));
        }
    }

    #[test]
    fn every_line_of_a_text_is_redacted() {
        let options = redact("see `mongodb://h/?proxyPassword=canary` and \"mongodb://h/?proxyPassword=canary\": no")
            .into_owned();
        assert!(!options.contains("canary") && options.ends_with("\": no"), "{options}");
        let text = "first mongodb://a:canary@x\nsecond mongodb://b:canary@y and mongodb://c:canary@z";
        let shown = redact(text);
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.starts_with("first mongodb://***@x\n"), "{shown}");
    }

    #[test]
    fn servers_compare_in_one_spelling() {
        let of = |text| ConnString::new(text).servers();
        assert_eq!(of("mongodb://localhost/db"), of("mongodb://u:p@127.0.0.1:27017"));
        assert_eq!(of("mongodb://b:1,A:2"), of("mongodb://a:2,b:1/x?y=z"));
        assert_ne!(of("mongodb://localhost:27018"), of("mongodb://localhost:27017"));
        assert_eq!(of("mongodb://[::1]:5/"), of("mongodb://localhost:5"));
    }

    #[test]
    fn the_database_stands_between_the_hosts_and_the_options() {
        let of = |text| ConnString::new(text).database().map(str::to_owned);
        assert_eq!(of("mongodb://u:p@h:1/shop?authSource=admin"), Some("shop".to_owned()));
        assert_eq!(of("mongodb://h:1/?x=/y"), None);
        assert_eq!(of("mongodb://h:1"), None);
    }
}
