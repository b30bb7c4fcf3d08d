//! [`Certificates`]: an authority of its own for one test, and what it has signed.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose as Usage, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

use crate::Tls;

/// A certificate authority, a certificate for servers and one for a client, signed by it, as PEM
/// files in a temporary folder, which is removed with this value.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Servers are good for `127.0.0.1` and `localhost`.
    ///
    /// # Panics
    /// When they cannot be made or written.
    pub fn new() -> Self {
        Self::valid_for(&["127.0.0.1", "localhost"])
    }

    /// Servers are good for these names and addresses only.
    ///
    /// # Panics
    /// As [`Certificates::new`], and when a name is none.
    pub fn valid_for(names: &[&str]) -> Self {
        let folder = TempDir::new().unwrap_or_else(|error| panic!("cannot make a folder for certificates: {error}"));
        let made = make(folder.path(), names);
        made.unwrap_or_else(|error| panic!("cannot make certificates: {error}"));
        Self { folder }
    }

    /// For servers that take clients without a certificate.
    pub fn tls(&self) -> Tls {
        Tls::new(self.ca(), self.folder.path().join("server.pem"))
    }

    /// For servers that demand a certificate of every client.
    pub fn tls_with_clients(&self) -> Tls {
        self.tls().demand_clients(self.client())
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The client's certificate and key.
    pub fn client(&self) -> PathBuf {
        self.folder.path().join("client.pem")
    }

    /// The client's name as a server writes it: its user in the database `$external`.
    pub fn client_subject(&self) -> &'static str {
        "CN=app,OU=clients,O=oplogsync"
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

type MakeError = Box<dyn std::error::Error>;

fn make(folder: &Path, names: &[&str]) -> Result<(), MakeError> {
    let mut authority = params(&[], "authority", "authorities")?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let certificate = authority.self_signed(&key)?;
    fs::write(folder.join("ca.pem"), certificate.pem())?;
    let issuer = Issuer::new(authority, key);
    // The members of a replica set are each other's clients.
    let server = params(names, "mongod", "servers")?;
    sign(&issuer, server, &[Usage::ServerAuth, Usage::ClientAuth], &folder.join("server.pem"))?;
    // A client whose unit is that of the servers would be taken for a member of the set.
    let client = params(&[], "app", "clients")?;
    sign(&issuer, client, &[Usage::ClientAuth], &folder.join("client.pem"))
}

fn params(names: &[&str], common_name: &str, unit: &str) -> Result<CertificateParams, MakeError> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names)?;
    // In the order in which they are written; rcgen's own begins with a common name.
    params.distinguished_name = DistinguishedName::new();
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2124, 1, 1);
    for (kind, value) in [
        (DnType::OrganizationName, "oplogsync"),
        (DnType::OrganizationalUnitName, unit),
        (DnType::CommonName, common_name),
    ] {
        params.distinguished_name.push(kind, value);
    }
    Ok(params)
}

/// Writes a certificate and its key into one file, readable by us alone.
fn sign(
    issuer: &Issuer<'_, KeyPair>,
    mut params: CertificateParams,
    usages: &[Usage],
    file: &Path,
) -> Result<(), MakeError> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = usages.to_vec();
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    fs::write(file, certificate.pem() + &key.serialize_pem())?;
    fs::set_permissions(file, Permissions::from_mode(0o600))?;
    Ok(())
}
