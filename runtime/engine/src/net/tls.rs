//! TLS between workers, if the configuration asks for it: both sides show a certificate and check the
//! other's, by Storm's keys. Where Storm reads Java key stores, these are PEM files: a key store holds the
//! certificate, those that vouch for it, and its key; a trust store holds authorities.

use std::io;
use std::sync::Arc;

use fulmar_api::Config;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Keys below this one.
const PREFIX: &str = "storm.messaging.netty.tls";

/// What a peer sends.
pub(super) type Read = Box<dyn AsyncRead + Send + Unpin>;
/// What a peer is sent.
pub(super) type Write = Box<dyn AsyncWrite + Send + Unpin>;

/// How connections between workers are made.
#[derive(Clone, Default)]
pub(super) struct Tls(Option<(TlsAcceptor, TlsConnector)>);

impl Tls {
    /// As the configuration says: without `storm.messaging.netty.tls.enable`, plain TCP.
    ///
    /// # Errors
    /// A key is missing, or a file cannot be read or holds something else; which, and what to do.
    pub fn of(conf: &Config) -> io::Result<Self> {
        let enabled = conf.bool_or(&key("enable"), false);
        if !enabled.map_err(io::Error::other)? {
            return Ok(Self(None));
        }
        let files = |side: &str| -> io::Result<_> {
            let (store, trust) = (
                format!("{side}keystore.path"),
                format!("{side}truststore.path"),
            );
            let (chain, private) = identity(conf, &store)?;
            Ok((chain, private, authorities(conf, &trust)?))
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let refused = |e: rustls::Error| io::Error::other(format!("TLS between workers: {e}"));
        let (chain, private, roots) = files("")?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let verifier = verifier.build().map_err(io::Error::other)?;
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, private)
            .map_err(refused)?;
        // One key store serves both sides, unless the client has its own.
        let own = conf
            .str(&key("client.keystore.path"))
            .map_err(io::Error::other)?;
        let (chain, private, roots) = files(if own.is_some() { "client." } else { "" })?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, private)
            .map_err(refused)?;
        Ok(Self(Some((
            TlsAcceptor::from(Arc::new(server)),
            TlsConnector::from(Arc::new(client)),
        ))))
    }

    /// The listener's side of a connection.
    ///
    /// # Errors
    /// The peer shows no certificate that a trusted authority has signed, or speaks no TLS.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<(Read, Write)> {
        let Some((acceptor, _)) = &self.0 else {
            return Ok(plain(stream));
        };
        let (read, write) = split(acceptor.accept(stream).await?);
        Ok((Box::new(read), Box::new(write)))
    }

    /// The caller's side, to the host of an address.
    ///
    /// # Errors
    /// The peer's certificate is not for that host, or not of a trusted authority.
    pub async fn connect(&self, stream: TcpStream, address: &str) -> io::Result<(Read, Write)> {
        let Some((_, connector)) = &self.0 else {
            return Ok(plain(stream));
        };
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let (read, write) = split(connector.connect(name, stream).await?);
        Ok((Box::new(read), Box::new(write)))
    }
}

fn plain(stream: TcpStream) -> (Read, Write) {
    let (read, write) = stream.into_split();
    (Box::new(read), Box::new(write))
}

fn key(name: &str) -> String {
    format!("{PREFIX}.{name}")
}

/// The path that a key names.
fn path(conf: &Config, name: &str) -> io::Result<String> {
    let path = conf.str(&key(name)).map_err(io::Error::other)?;
    path.map(|p| p.to_string()).ok_or_else(|| {
        io::Error::other(format!(
            "{PREFIX}.enable is true and {PREFIX}.{name} is not set: name a PEM file"
        ))
    })
}

fn unreadable(name: &str, path: &str, what: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!(
        "{PREFIX}.{name}: {path}: {what}; a PEM file with a certificate and its key is needed (Java key stores are not read)"
    ))
}

fn certificates(name: &str, path: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| unreadable(name, path, e))?;
    if found.is_empty() {
        return Err(unreadable(name, path, "no certificate in it"));
    }
    Ok(found)
}

fn identity(
    conf: &Config,
    name: &str,
) -> io::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let path = path(conf, name)?;
    let private = PrivateKeyDer::from_pem_file(&path).map_err(|e| unreadable(name, &path, e))?;
    Ok((certificates(name, &path)?, private))
}

fn authorities(conf: &Config, name: &str) -> io::Result<RootCertStore> {
    let path = path(conf, name)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(name, &path)? {
        let added = roots.add(certificate);
        added.map_err(|e| unreadable(name, &path, e))?;
    }
    Ok(roots)
}
