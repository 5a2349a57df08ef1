//! How answers leave: JSON with Storm's content type, JSONP where asked for, and the headers of all of them.

use std::collections::HashMap;

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::error::Problem;

/// The words of a request's query.
pub type Query = axum::extract::Query<HashMap<String, String>>;

/// Longest name of a JSONP function.
const CALLBACK_MOST: usize = 128;

/// A JSON body with Storm's content type.
pub fn json_of(body: &Value) -> impl IntoResponse + use<> {
    let kind = HeaderValue::from_static("application/json;charset=utf-8");
    ([(CONTENT_TYPE, kind)], body.to_string())
}

/// A Storm answer: JSON, or JSONP when `callback` names a function; an invalid name is ignored, since
/// Storm's habit of echoing any text lets others run code on the page's origin.
pub fn storm(query: &HashMap<String, String>, answer: Result<Value, Problem>) -> Response {
    let body = match answer {
        Ok(body) => body,
        Err(problem) => return problem.storm(),
    };
    match query.get("callback").filter(|c| is_function(c)) {
        Some(callback) => {
            let kind = HeaderValue::from_static("application/javascript;charset=utf-8");
            ([(CONTENT_TYPE, kind)], format!("{callback}({body});")).into_response()
        }
        None => json_of(&body).into_response(),
    }
}

/// Our own answer.
pub fn own(answer: Result<Value, Problem>) -> Response {
    answer.map_or_else(|p| p.own(), |body| json_of(&body).into_response())
}

fn is_function(name: &str) -> bool {
    let part = |p: &str| {
        p.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '$'))
            && p.chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$'))
    };
    name.len() <= CALLBACK_MOST && name.split('.').all(part)
}

/// Headers of every answer: Storm's, and those that keep the page to itself.
pub async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (CACHE_CONTROL, "no-cache, no-store"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
        (HeaderName::from_static("x-frame-options"), "DENY"),
    ];
    for (name, value) in fixed {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_functions_are_echoed() {
        for good in ["cb", "cb.fn", "jQuery_12._x", "$"] {
            assert!(is_function(good), "{good}");
        }
        for bad in ["", "a(b", "a..b", "1a", "alert(1)//", "a;b"] {
            assert!(!is_function(bad), "{bad}");
        }
    }
}
