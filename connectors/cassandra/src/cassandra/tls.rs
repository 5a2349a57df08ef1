//! Encryption to Cassandra: PEM files become a rustls configuration on the one provider of this program, ring.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::address::{Address, TlsFiles};
use crate::error::StoreError;

/// The configuration of these files, and the name that the servers' certificates must carry.
///
/// # Errors
/// [`StoreError::Tls`]: a file that cannot be read or used, or no CA.
pub fn config(
    address: &Address,
    files: &TlsFiles,
) -> Result<(Arc<ClientConfig>, ServerName<'static>), StoreError> {
    let error = |problem: String| StoreError::Tls {
        address: address.shown(),
        problem,
    };
    let Some(ca) = &files.ca else {
        return Err(error(
            "no CA: name the file of certificates to trust with ca=FILE".to_owned(),
        ));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca).map_err(error)? {
        roots
            .add(certificate)
            .map_err(|e| error(format!("{ca} holds no usable certificate: {e}")))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| error(e.to_string()))?
        .with_root_certificates(roots);
    let config = match (&files.cert, &files.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let chain = certificates(cert).map_err(error)?;
            let private = PrivateKeyDer::from_pem_file(key)
                .map_err(|e| error(format!("{key} holds no usable key: {e}")))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|e| error(format!("{cert} and {key} do not fit: {e}")))?
        }
        _ => return Err(error("cert=FILE and key=FILE belong together".to_owned())),
    };
    let host = match &address.server_name {
        Some(name) => name.as_str(),
        None => host(&address.nodes[0]),
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|e| error(format!("\"{host}\" is no name of a server: {e}")))?;
    Ok((Arc::new(config), name))
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file)
        .and_then(|all| all.collect::<Result<Vec<_>, _>>())
        .map_err(|e| format!("{file} cannot be read: {e}"))?;
    match read.is_empty() {
        true => Err(format!("{file} holds no certificate in PEM form")),
        false => Ok(read),
    }
}

/// The host of `host:port`, without the brackets of IPv6.
fn host(node: &str) -> &str {
    let host = node.rsplit_once(':').map_or(node, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}
