//! Compiles every `.proto` of this folder with protox, so that nobody needs protoc.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=.");
    let mut files: Vec<PathBuf> = std::fs::read_dir(".")?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "proto"))
        .collect();
    files.sort();
    let descriptors = protox::compile(&files, ["."])?;
    tonic_prost_build::configure()
        .message_attribute(".fulmar.wifi.v1", "#[derive(serde::Serialize, serde::Deserialize)] #[serde(default, deny_unknown_fields)]")
        .compile_fds(descriptors)?;
    Ok(())
}
