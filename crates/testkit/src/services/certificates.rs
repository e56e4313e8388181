//! Certificates for brokers, registries and their clients, made by the program `openssl`.

use super::process::run;
use std::path::{Path, PathBuf};

/// A certificate with its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Key, certificate and authority in one file, as Kafka wants it.
    pub bundle: PathBuf,
}

/// An authority, who it vouches for, and a stranger. The files lie in the folder they were made in.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// The services': for `localhost` and 127.0.0.1.
    pub server: Identity,
    /// A client's, by the name of `client`.
    pub client: Identity,
    /// The certificate of an authority that has signed nothing of the above.
    pub other_ca: PathBuf,
    /// A client's that the other authority has signed, by the name of `stranger`.
    pub stranger: Identity,
}

impl Certificates {
    /// Makes them in a folder.
    pub fn make(folder: &Path) -> Self {
        let ca = authority(folder, "ca");
        let other_ca = authority(folder, "other-ca");
        let sign = |name, ca, extensions| identity(folder, name, ca, extensions);
        let server = sign("server", "ca", "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
        let client = sign("client", "ca", "extendedKeyUsage=clientAuth\n");
        let stranger = sign("stranger", "other-ca", "extendedKeyUsage=clientAuth\n");
        Self { ca, server, client, other_ca, stranger }
    }
}

/// Long enough for processes whose clock is far ahead.
const DAYS: &str = "3650";
const NEW_KEY: [&str; 7] =
    ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

fn authority(folder: &Path, name: &str) -> PathBuf {
    let at = |ending: &str| path(folder, name, ending);
    let subject = format!("/CN={name}");
    let (key, certificate) = (at("key"), at("crt"));
    let mut command = NEW_KEY.to_vec();
    command.extend(["-x509", "-days", DAYS, "-subj", &subject, "-keyout", &key, "-out", &certificate]);
    command.extend(["-addext", "keyUsage=critical,keyCertSign"]);
    run(&command);
    certificate.into()
}

fn identity(folder: &Path, name: &str, authority: &str, extensions: &str) -> Identity {
    let at = |ending: &str| path(folder, name, ending);
    let (key, request, certificate) = (at("key"), at("csr"), at("crt"));
    let subject = format!("/CN={name}");
    let mut command = NEW_KEY.to_vec();
    command.extend(["-subj", &subject, "-keyout", &key, "-out", &request]);
    run(&command);
    let (ca, ca_key, extension_file) =
        (path(folder, authority, "crt"), path(folder, authority, "key"), at("ext"));
    std::fs::write(&extension_file, extensions).unwrap();
    let mut command = vec!["openssl", "x509", "-req", "-days", DAYS, "-in", &request, "-out", &certificate];
    command.extend(["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-extfile", &extension_file]);
    run(&command);
    let bundle = at("pem");
    let parts = [&key, &certificate, &ca].map(|part| std::fs::read_to_string(part).unwrap());
    std::fs::write(&bundle, parts.concat()).unwrap();
    Identity { certificate: certificate.into(), key: key.into(), bundle: bundle.into() }
}

fn path(folder: &Path, name: &str, ending: &str) -> String {
    folder.join(format!("{name}.{ending}")).into_os_string().into_string().unwrap()
}
