//! The server over real HTTP, with a Nimbus of gRPC that answers from fixed messages, and with none.

use std::net::SocketAddr;

use fulmar_ui::{UiConfig, run};
use serde_json::Value;
use tokio::net::TcpListener;

/// Starts the server on a free port.
async fn start(nimbus: &str, query: Option<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("has an address");
    let config = UiConfig {
        nimbus: vec![nimbus.to_owned()],
        query,
        ..UiConfig::default()
    };
    tokio::spawn(run(config, listener, std::future::pending()));
    address
}

async fn get(at: SocketAddr, path: &str) -> (u16, reqwest::header::HeaderMap, String) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let answer = client
        .get(format!("http://{at}{path}"))
        .send()
        .await
        .expect("answers");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.text().await.expect("a body"))
}

/// A port that nobody listens on.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    listener.local_addr().expect("has an address").to_string()
}

#[tokio::test]
async fn without_nimbus_every_answer_says_so_with_the_remedy() {
    let at = start(&nobody().await, None).await;
    assert_eq!(get(at, "/healthz").await.0, 200);
    let (status, _, text) = get(at, "/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("fulmar nimbus"), "{text}");

    let (status, _, text) = get(at, "/api/v1/cluster/summary").await;
    let body: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, &body["error"]), (500, &"500 Server Error".into()));
    let said = body["errorMessage"].as_str().expect("a text");
    assert!(said.contains("--nimbus HOST:PORT"), "{said}");

    let (status, _, text) = get(at, "/api/v1/fulmar/cluster").await;
    assert_eq!(status, 503);
    assert!(text.contains("nimbus_unreachable"), "{text}");
    let (status, _, text) = get(at, "/plain").await;
    assert_eq!(status, 503);
    assert!(text.contains("no Nimbus answers"), "{text}");
    let (_, _, text) = get(at, "/metrics").await;
    let line = text
        .lines()
        .find(|l| l.starts_with("fulmar_ui_nimbus_unreachable_total"));
    assert_eq!(line, Some("fulmar_ui_nimbus_unreachable_total 4"), "{text}");
}

#[tokio::test]
async fn unknown_paths_are_refused_in_the_form_of_their_neighbours() {
    let at = start(&nobody().await, None).await;
    let (status, _, text) = get(at, "/api/v1/nosuch").await;
    assert_eq!(status, 500);
    assert!(text.contains("404 Not Found"), "{text}");
    let (status, _, text) = get(at, "/api/v1/topology/x/activate").await;
    assert_eq!(status, 500);
    assert!(text.contains("405 Method Not Allowed"), "{text}");
    let (status, _, text) = get(at, "/api/v1/fulmar/nosuch").await;
    assert_eq!(status, 404);
    assert!(text.contains("/api/v1/fulmar/nosuch"), "{text}");
    assert_eq!(get(at, "/nosuch.html").await.0, 404);
}

#[tokio::test]
async fn every_answer_has_the_headers() {
    let at = start(&nobody().await, None).await;
    for path in [
        "/",
        "/healthz",
        "/api/v1/nosuch",
        "/api/v1/cluster/configuration",
    ] {
        let (_, headers, _) = get(at, path).await;
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["access-control-allow-origin"], "*", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
    }
    let (status, headers, page) = get(at, "/").await;
    assert!(
        headers["content-type"]
            .to_str()
            .expect("text")
            .starts_with("text/html")
    );
    if fulmar_ui::has_page() {
        assert_eq!(status, 200);
        assert!(page.contains("<div id=\"app\">"), "{page}");
    } else {
        assert!(page.contains("<h1>Fulmar</h1>"), "{page}");
    }
}

#[tokio::test]
async fn the_configuration_is_storms_defaults_and_what_was_set() {
    let at = start(&nobody().await, None).await;
    let (status, _, text) = get(at, "/api/v1/cluster/configuration?callback=cb.fn").await;
    assert_eq!(status, 200);
    let json = text
        .strip_prefix("cb.fn(")
        .and_then(|t| t.strip_suffix(");"));
    let body: Value = serde_json::from_str(json.expect("JSONP")).expect("JSON");
    assert_eq!(body["topology.message.timeout.secs"], 30);
    assert!(body["nimbus.seeds"].is_array(), "{}", body["nimbus.seeds"]);
}

#[tokio::test]
async fn the_query_service_is_passed_on_and_its_absence_is_said() {
    let nimbus = nobody().await;
    let at = start(&nimbus, None).await;
    let (status, _, text) = get(at, "/api/v1/wifi/orgs").await;
    assert_eq!(status, 502);
    assert!(text.contains("--query HOST:PORT"), "{text}");

    let gone = nobody().await;
    let at = start(&nimbus, Some(gone.clone())).await;
    let (status, _, text) = get(at, "/api/v1/wifi/orgs").await;
    assert_eq!(status, 502);
    assert!(
        text.contains(&gone) && text.contains("fulmar query"),
        "{text}"
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let service = listener.local_addr().expect("has an address").to_string();
    let echo = axum::Router::new().fallback(async |uri: axum::http::Uri| {
        let status = axum::http::StatusCode::IM_A_TEAPOT;
        (
            status,
            [("content-type", "application/json")],
            format!("\"{uri}\""),
        )
    });
    tokio::spawn(axum::serve(listener, echo).into_future());
    let at = start(&nimbus, Some(service)).await;
    let (status, headers, text) = get(at, "/api/v1/wifi/estimates?org=a%20b&limit=2").await;
    assert_eq!(
        (status, text.as_str()),
        (418, "\"/api/v1/wifi/estimates?org=a%20b&limit=2\"")
    );
    assert_eq!(headers["content-type"], "application/json");
}
