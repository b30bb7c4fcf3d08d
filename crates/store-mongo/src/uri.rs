//! The texts of connection strings. Whatever shows one shows [`redact`]'s version of it.

use mongodb::{error::ErrorKind, options::ConnectionString};

const SCHEMES: [&str; 2] = ["mongodb://", "mongodb+srv://"];

/// The URI with user, password and secret-bearing options replaced by `***`, for messages.
///
/// The credentials end at the last `@`, so that a password with an `@` in it does not leak.
pub fn redact(uri: &str) -> String {
    let start = uri.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = uri.split_at(start);
    let Some(at) = rest.rfind('@') else { return format!("{scheme}{}", redact_options(rest)) };
    let (_, hosts) = rest.split_at(at + 1);
    format!("{scheme}***@{}", redact_options(hosts))
}

/// Why a text is no usable connection string. Shows neither user nor password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedUri(String);

/// Checks a connection string, without connecting.
///
/// # Errors
/// [`MalformedUri`] when no server can ever be reached through it.
pub fn check_uri(uri: &str) -> Result<(), MalformedUri> {
    if is_ambiguous(uri) {
        let words = "a `/`, `?`, `#` or at sign in the user, the password or an option must be percent-encoded: \
            `%2F`, `%3F`, `%23`, `%40`";
        return Err(MalformedUri(words.to_owned()));
    }
    match ConnectionString::parse(uri) {
        Ok(_) => Ok(()),
        // The driver's words about a uri that is not ambiguous do not repeat its password.
        Err(error) => Err(MalformedUri(match error.kind.as_ref() {
            ErrorKind::InvalidArgument { message, .. } if message.contains("cert-key-password") => {
                "tlsCertificateKeyFilePassword is not supported: write the key without a password, readable by this user alone"
                    .to_owned()
            }
            ErrorKind::InvalidArgument { message, .. } => message.clone(),
            kind => kind.to_string(),
        })),
    }
}

/// Whether a `/`, `?`, `#` or `@` stands unencoded before the last `@`: a parser takes a part of
/// the password for a host then, and hosts are shown.
fn is_ambiguous(uri: &str) -> bool {
    let rest = uri.find("://").and_then(|at| uri.get(at + 3..)).unwrap_or(uri);
    rest.rsplit_once('@').is_some_and(|(credentials, _)| credentials.contains(['/', '?', '#', '@']))
}

/// Options may carry secrets (a token, the password of a key file): their values are not shown,
/// but for those that are known to be harmless.
fn redact_options(rest: &str) -> String {
    const HARMLESS: [&str; 15] = [
        "directconnection",
        "replicaset",
        "authsource",
        "tls",
        "ssl",
        "tlscafile",
        "tlscertificatekeyfile",
        "tlsallowinvalidcertificates",
        "tlsinsecure",
        "authmechanism",
        "readpreference",
        "appname",
        "heartbeatfrequencyms",
        "serverselectiontimeoutms",
        "connecttimeoutms",
    ];
    let Some((hosts, options)) = rest.split_once('?') else { return rest.to_owned() };
    let shown: Vec<String> = options
        .split('&')
        .map(|option| match option.split_once('=') {
            Some((name, _)) if !HARMLESS.contains(&name.to_ascii_lowercase().as_str()) => format!("{name}=***"),
            Some(_) => option.to_owned(),
            None => "***".to_owned(),
        })
        .collect();
    format!("{hosts}?{}", shown.join("&"))
}

/// The database that the URI names, if it names one.
pub fn database(uri: &str) -> Option<&str> {
    let rest = SCHEMES.iter().find_map(|scheme| uri.strip_prefix(scheme))?;
    let rest = rest.rfind('@').and_then(|at| rest.get(at + 1..)).unwrap_or(rest);
    let (_, path) = rest.split_once('/')?;
    let name = path.split('?').next().unwrap_or_default();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_not_shown() {
        assert_eq!(redact("mongodb://app:secret@localhost:27019/db1"), "mongodb://***@localhost:27019/db1");
        assert_eq!(redact("mongodb+srv://app:secret@host.example"), "mongodb+srv://***@host.example");
    }

    #[test]
    fn a_password_with_an_at_sign_a_slash_or_a_question_mark_does_not_leak() {
        for password in ["pa@ss", "p/w@x", "a?b=c@d", "@", "x@y@z"] {
            let shown = redact(&format!("mongodb://app:{password}@localhost:27019/db1?tls=true"));
            assert_eq!(shown, "mongodb://***@localhost:27019/db1?tls=true", "{password}");
        }
    }

    #[test]
    fn credentials_that_could_be_taken_for_something_else_are_ambiguous() {
        for password in ["pa@ss", "p/w", "12?b", "a#b"] {
            assert!(is_ambiguous(&format!("mongodb://app:{password}@localhost:27019/db1")), "{password}");
        }
        for uri in ["mongodb://app:p%3Fw@h:1/db1?tls=true", "mongodb://h/db1?tls=true", "localhost"] {
            assert!(!is_ambiguous(uri), "{uri}");
        }
    }

    #[test]
    fn a_malformed_uri_is_told_without_its_password() {
        for uri in [
            "mongodb://app:canary@h/db?tls=perhaps",
            "mongodb://app:canary@h:99999/db",
            "mongodb://app:can/ary@h/db",
            "mongodb://app:canary@",
            "x",
        ] {
            let words = check_uri(uri).unwrap_err().to_string();
            assert!(!words.is_empty() && !words.contains("canary") && !words.contains("can/ary"), "{uri}: {words}");
        }
        for uri in ["mongodb://app:p%2Fw@h:1,i:2/db?tls=true&replicaSet=rs", "mongodb+srv://cluster.example.org/db"] {
            assert_eq!(check_uri(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn an_option_that_may_carry_a_secret_is_not_shown() {
        let shown = redact("mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:secret&tls=true&secret");
        assert_eq!(shown, "mongodb://h/?authMechanismProperties=***&tls=true&***");
    }

    #[test]
    fn a_uri_without_credentials_and_a_text_that_is_no_uri_stay_readable() {
        assert_eq!(redact("mongodb://localhost:27019/db1"), "mongodb://localhost:27019/db1");
        assert_eq!(redact("localhost"), "localhost");
        assert_eq!(redact("app:secret@localhost"), "***@localhost");
    }

    #[test]
    fn the_database_is_what_follows_the_hosts() {
        assert_eq!(database("mongodb://localhost:27019/db1"), Some("db1"));
        assert_eq!(database("mongodb://a:p@ss/w@h1,h2:3/db1?replicaSet=rs"), Some("db1"));
        assert_eq!(database("mongodb://localhost:27019/?tls=true"), None);
        assert_eq!(database("mongodb://localhost:27019"), None);
        assert_eq!(database("sled:data/db1"), None);
    }
}
