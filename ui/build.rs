//! Makes `ui/web/dist` part of the program where it is there; without it the server has a plain page.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let web = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("web");
    let dist = web.join("dist");
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        println!("cargo::rerun-if-changed={}", dist.display());
        collect(&dist, &mut files)?;
    } else {
        // Watching what is missing would build the crate anew each time.
        println!("cargo::rerun-if-changed={}", web.display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    files.sort();
    let mut text = String::from("static FILES: &[(&str, &[u8])] = &[\n");
    for file in &files {
        let name = file.strip_prefix(&dist).unwrap_or(file).to_string_lossy();
        let name = name.replace('\\', "/");
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "    ({name:?}, include_bytes!({:?})),",
            file.display().to_string()
        );
    }
    text.push_str("];\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    std::fs::write(out.join("bundle.rs"), text)
}

/// Every file below a folder but the hidden ones.
fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if path.is_dir() {
            collect(&path, files)?;
        } else if !hidden {
            files.push(path);
        }
    }
    Ok(())
}
