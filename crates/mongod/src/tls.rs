//! [`Tls`]: the certificates of servers that speak TLS only.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::connection::escape;

/// The files, PEM all of them, by which a server and its clients know each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    ca: PathBuf,
    server: PathBuf,
    client: Option<PathBuf>,
}

impl Tls {
    /// `ca` has signed all certificates; `server` holds the servers' certificate, valid for 127.0.0.1,
    /// and its key. The members of a replica set show it to each other too, so it has to be good for
    /// clients as well. Clients need no certificate.
    pub fn new(ca: impl Into<PathBuf>, server: impl Into<PathBuf>) -> Self {
        Self { ca: ca.into(), server: server.into(), client: None }
    }

    /// Demands a certificate of every client. The one in this file, with its key, is shown by this
    /// crate, and named in the URIs that it gives.
    #[must_use]
    pub fn demand_clients(mut self, client: impl Into<PathBuf>) -> Self {
        self.client = Some(client.into());
        self
    }

    /// mongod's arguments.
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec![
            "--tlsMode".into(),
            "requireTLS".into(),
            "--tlsCAFile".into(),
            self.ca.clone().into(),
            "--tlsCertificateKeyFile".into(),
            self.server.clone().into(),
        ];
        if self.client.is_none() {
            args.push("--tlsAllowConnectionsWithoutCertificates".into());
        }
        args
    }

    /// The options of a URI by which a client gets in.
    pub(crate) fn uri_options(&self) -> String {
        let file = |name: &str, path: &Path| format!("&{name}={}", escape(&path.to_string_lossy()));
        let client = self.client.as_deref().map(|path| file("tlsCertificateKeyFile", path)).unwrap_or_default();
        format!("tls=true{}{client}", file("tlsCAFile", &self.ca))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_the_files_with_what_means_something_in_a_uri_escaped() {
        let tls = Tls::new("/a b/ca.pem", "/s.pem");
        assert_eq!(tls.uri_options(), "tls=true&tlsCAFile=%2Fa%20b%2Fca%2Epem");
        let demanding = tls.demand_clients("c&d");
        assert_eq!(demanding.uri_options(), "tls=true&tlsCAFile=%2Fa%20b%2Fca%2Epem&tlsCertificateKeyFile=c%26d");
    }
}
