//! The built page, part of the program when `ui/web/dist` was there at build time (see `build.rs`).

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::plain;
use crate::run::Shared;

// `FILES`: path below dist, content.
include!(concat!(env!("OUT_DIR"), "/bundle.rs"));

/// Nothing from elsewhere, and nobody may frame the page, whose buttons end topologies.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// A file of the page.
pub fn find(path: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|f| f.0 == path).map(|f| f.1)
}

/// A file of the page, the page itself for `/`, or the plain page where there is none.
pub async fn serve(State(shared): State<Shared>, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let Some(content) = find(path) else {
        if path == "index.html" {
            return plain::page(State(shared)).await;
        }
        let text = format!("there is no page /{path}: start at /\n");
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    // Names below assets/ hold a hash of their content.
    let keep = match path.starts_with("assets/") {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let headers = [
        (CONTENT_TYPE, kind(path)),
        (CACHE_CONTROL, keep),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, content).into_response()
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |p| p.1) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}
