//! A certificate for loopback, made anew for each run: what the tests of encrypted connections trust.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::run::output;

/// Opens the key store; it guards nothing but a test's own certificate for loopback.
pub const PASSWORD: &str = "loopback-only";

/// A key and a self-signed certificate for loopback, for the node (PKCS 12) and for its clients to trust (PEM).
///
/// # Errors
/// The JDK's tool cannot make it.
pub fn make(dir: &Path) -> Result<()> {
    let store = dir.join("node.p12");
    let keytool = |args: &[&str]| {
        output(
            Command::new("keytool")
                .args(args)
                .args(["-alias", "node", "-storetype", "PKCS12"])
                .args(["-storepass", PASSWORD])
                .arg("-keystore")
                .arg(&store),
        )
    };
    keytool(&[
        "-genkeypair",
        "-keyalg",
        "EC",
        "-groupname",
        "secp256r1",
        "-validity",
        "30",
        "-dname",
        "CN=localhost",
        "-ext",
        "SAN=dns:localhost,ip:127.0.0.1",
    ])?;
    let pem = keytool(&["-exportcert", "-rfc"])?;
    std::fs::write(dir.join("node.pem"), pem)?;
    Ok(())
}
