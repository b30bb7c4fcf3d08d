//! TLS: the files that a URI names are looked at first, and a handshake that fails is told with
//! the option that would let it succeed.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use mongodb::{
    error::ErrorKind,
    options::{AuthMechanism, ClientOptions, Tls, TlsOptions},
};
use oplogsync_core::store_error::Fault;

use crate::error::Failure;

/// More than all certificates that a system trusts, several times over.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const KEY: &str = "PRIVATE KEY-----";
/// How a key with a password begins, in both of its forms.
const LOCKED_KEYS: [&str; 2] = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"];

/// What a server may say of a client's certificate. A mongod 6.0 says nothing, and closes the connection.
const ALERTS: [&str; 4] =
    ["alert: Certificate", "alert: UnknownCA", "alert: BadCertificate", "alert: UnsupportedCertificate"];

/// How a server is spoken to: in the clear, or by TLS, with a certificate of our own or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    Clear,
    Tls { client: bool },
}

/// Checks that the files are there and are what they should be. The driver does not name the option,
/// takes an authority's file without a certificate as one that trusts nobody, and then waits in vain.
pub(crate) fn check(settings: &mut ClientOptions) -> Result<Speech, Failure> {
    let tls = match &settings.tls {
        Some(Tls::Enabled(tls)) => Some(tls),
        _ => None,
    };
    if let Some(tls) = tls {
        check_files(tls).map_err(|words| Failure::said(Fault::Denied, words))?;
    }
    let client = tls.is_some_and(|tls| tls.cert_key_file_path.is_some());
    let speech = tls.map_or(Speech::Clear, |_| Speech::Tls { client });
    let Some(credential) = &mut settings.credential else { return Ok(speech) };
    if credential.mechanism != Some(AuthMechanism::MongoDbX509) {
        return Ok(speech);
    }
    // The driver sends it under a name that servers do not know. They read it from the certificate.
    credential.username = None;
    if !client {
        let words = "a login by MONGODB-X509 shows a certificate: name the file with it and its key as `tlsCertificateKeyFile=` \
            in the node's uri";
        return Err(Failure::said(Fault::Denied, words));
    }
    Ok(speech)
}

fn check_files(tls: &TlsOptions) -> Result<(), String> {
    if let Some(path) = &tls.ca_file_path
        && !read("tlsCAFile", path)?.contains(CERTIFICATE)
    {
        return Err(format!("tlsCAFile={}: there is no certificate (PEM) in it", path.display()));
    }
    let Some(path) = &tls.cert_key_file_path else { return Ok(()) };
    let text = read("tlsCertificateKeyFile", path)?;
    let problem = if LOCKED_KEYS.iter().any(|mark| text.contains(mark)) {
        "its key has a password, which is not supported: write it without one (`openssl pkey`), readable by this user alone"
    } else if !text.contains(CERTIFICATE) {
        "there is no certificate (PEM) in it: it has to hold the certificate and its key"
    } else if !text.contains(KEY) {
        "there is no key (PEM) in it: it has to hold the certificate and its key"
    } else {
        return Ok(());
    };
    Err(format!("tlsCertificateKeyFile={}: {problem}", path.display()))
}

fn read(option: &str, path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    let read = read.and_then(|count| match u64::try_from(count) {
        Ok(FILE_BYTES_MAX) | Err(_) => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large")),
        Ok(_) => Ok(()),
    });
    read.map_err(|error| format!("{option}={}: it cannot be read: {error}", path.display()))?;
    // Text around the certificates may be in any encoding.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a handshake that failed means, when that is what the driver tells of servers that it looked
/// for in vain.
///
/// A certificate that is refused stays refused; a connection that is only closed may have been closed
/// by a server that stops.
pub(crate) fn explain(message: &str, speech: Speech) -> Option<Failure> {
    // With a server among them that can be spoken to, something else is wrong.
    if !message.contains("No available servers") {
        return None;
    }
    let reason = reason(message)?;
    let (fault, way_out) = match speech {
        _ if reason.contains("not valid for name") => (
            Fault::Denied,
            "the server's certificate is for another name: use one that stands in it in the node's uri, or have one issued for this name",
        ),
        _ if ["certificate expired", "not valid yet", "Expired", "NotValidYet"]
            .iter()
            .any(|mark| reason.contains(mark)) =>
        {
            (Fault::Denied, "the server's certificate has to be renewed, or a clock is wrong")
        }
        _ if reason.contains("invalid peer certificate") => (
            Fault::Denied,
            "the server's certificate is not trusted: name the file with the certificate of the authority that signed it as \
             `tlsCAFile=` in the node's uri",
        ),
        // What the server says of ours.
        Speech::Tls { client } if ALERTS.iter().any(|alert| reason.contains(alert)) => {
            (Fault::Denied, client_certificate(client))
        }
        Speech::Tls { client } if reason.contains("without sending TLS close_notify") => {
            (Fault::Unavailable, client_certificate(client))
        }
        Speech::Tls { .. } if reason.contains("tls handshake eof") || reason.contains("InvalidContentType") => (
            Fault::Unavailable,
            "the server does not speak TLS, it seems: take `tls=true` out of the node's uri if it should not",
        ),
        Speech::Clear if reason.contains("unexpected end of file") || reason.contains("onnection reset") => (
            Fault::Unavailable,
            "the server closes the connection: if it speaks TLS only, add `tls=true` to the node's uri",
        ),
        _ => return None,
    };
    Some(Failure::said(fault, format!("{way_out} ({reason})")))
}

fn client_certificate(has_one: bool) -> &'static str {
    if has_one {
        "the server does not take the certificate in `tlsCertificateKeyFile`, it seems: it has to be signed by an authority that \
         the server knows, and valid"
    } else {
        "the server demands a certificate of its clients, it seems: name the file with yours and its key as \
         `tlsCertificateKeyFile=` in the node's uri"
    }
}

/// The first error of a connection in the driver's description of the servers.
fn reason(message: &str) -> Option<&str> {
    let (_, reason) = message.split_once("I/O error: ")?;
    reason.split(", labels: ").next()
}

/// Whether a login by certificate failed.
pub(crate) fn is_refused_certificate(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Authentication { message, .. } if message.contains("MONGODB-X509"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(failure: Failure) -> String {
        let error = failure.into_store_error("db1", "connect");
        std::error::Error::source(&error).unwrap().to_string()
    }

    /// As the driver tells it.
    fn told(reason: &str) -> String {
        format!(
            "Server selection timeout: No available servers. Topology: {{ Type: Unknown, Servers: [ {{ Address: h:1, Type: Unknown, \
             Error: Kind: I/O error: {reason}, labels: {{}}, source: None, server response: None }} ] }}"
        )
    }

    #[test]
    fn what_a_server_says_of_our_certificate_is_told_with_the_option_that_names_it() {
        for (client, expected) in [(false, "name the file with yours"), (true, "has to be signed by an authority")] {
            let failure = explain(&told("received fatal alert: CertificateRequired"), Speech::Tls { client }).unwrap();
            assert_eq!(failure.fault, Fault::Denied);
            let words = words(failure);
            assert!(words.contains(expected) && words.contains("`tlsCertificateKeyFile"), "{words}");
            assert!(words.ends_with("(received fatal alert: CertificateRequired)"), "{words}");
        }
    }

    #[test]
    fn a_certificate_out_of_its_time_is_denied() {
        for reason in [
            "invalid peer certificate: certificate expired: verification time 2 (UNIX)",
            "invalid peer certificate: NotValidYet",
        ] {
            let failure = explain(&told(reason), Speech::Tls { client: false }).unwrap();
            assert_eq!(failure.fault, Fault::Denied, "{reason}");
            assert!(words(failure).contains("renewed"), "{reason}");
        }
    }

    #[test]
    fn what_has_nothing_to_do_with_tls_is_not_explained_by_it() {
        let refused = told("Connection refused (os error 111)");
        let one_answers =
            told("unexpected end of file").replace("No available servers", "None of the available servers suitable");
        for message in [refused, one_answers] {
            for speech in [Speech::Clear, Speech::Tls { client: true }] {
                assert!(explain(&message, speech).is_none(), "{message}");
            }
        }
    }
}
