//! Jars of a service with all they depend on, from Maven, once into the cache.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::paths;
use crate::run::{output, say};

/// An artifact: group, name, version.
pub type Artifact = (&'static str, &'static str, &'static str);

/// The folder with the jars of these artifacts; fetched when it is not there.
///
/// # Errors
/// Maven fails; nothing half-fetched stays.
pub fn jars(artifacts: &[Artifact]) -> Result<PathBuf> {
    let (_, name, version) = artifacts[0];
    jars_of(&format!("{name}-{version}"), &pom_of(artifacts))
}

/// The folder `name` with the jars that a project depends on; fetched when it is not there.
///
/// # Errors
/// As for [`jars`].
pub fn jars_of(name: &str, project: &str) -> Result<PathBuf> {
    let folder = paths::cache().join("jars").join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    say(&format!("fetching {name} by Maven"));
    let half = folder.with_extension(format!("part{}", std::process::id()));
    std::fs::create_dir_all(&half).with_context(|| format!("cannot make {}", half.display()))?;
    let pom = half.join("pom.xml");
    std::fs::write(&pom, project)?;
    let fetched = output(
        Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(&pom)
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", half.display()))
            .arg("-DincludeScope=runtime"),
    );
    if let Err(error) = fetched {
        drop(std::fs::remove_dir_all(&half));
        return Err(error.context(format!(
            "Maven cannot fetch {name}; remedy: check the network, or the mirror in Maven's settings.xml"
        )));
    }
    // Two of us may have fetched at once: the first one stays.
    if std::fs::rename(&half, &folder).is_err() {
        drop(std::fs::remove_dir_all(&half));
    }
    Ok(folder)
}

/// A project that does nothing but depend on the artifacts.
pub fn pom_of(artifacts: &[Artifact]) -> String {
    let mut dependencies = String::new();
    for (group, name, version) in artifacts {
        let _ = write!(
            dependencies,
            "<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        );
    }
    format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>fulmar</groupId><artifactId>services</artifactId>\
         <version>1</version><dependencies>{dependencies}</dependencies></project>"
    )
}
