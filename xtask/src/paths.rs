//! Where things are: the checkout, the cache outside it, and the optional data beside it.
//!
//! Everything slow to make lives in one cache folder outside the clone, so that a second clone is quick.

use std::path::PathBuf;

/// The root of the checkout that this xtask was compiled in, or of the one it is run in.
pub fn root() -> PathBuf {
    let dir = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    dir.parent()
        .map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// The cache: `$FULMAR_CACHE`, else `~/.cache/fulmar`.
pub fn cache() -> PathBuf {
    if let Some(dir) = std::env::var_os("FULMAR_CACHE") {
        return PathBuf::from(dir);
    }
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    home.join(".cache").join("fulmar")
}

/// Cargo's target folder: `$CARGO_TARGET_DIR`, else `target` in the cache.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache().join("target"), PathBuf::from)
}

/// The folder of real data beside the checkout (`$FULMAR_SHARED`, else `../shared`), if it is there.
pub fn shared() -> Option<PathBuf> {
    let dir =
        std::env::var_os("FULMAR_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    dir.canonicalize().ok().filter(|d| d.is_dir())
}
