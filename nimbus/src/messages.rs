//! Messages to people: what happened, as JSON or in Slack's form, to an address of theirs.
//!
//! Nimbus never waits for it: what finds no room is dropped and counted, and a receiver that fails is tried again,
//! later each time. What happens within a second is one message: a pool that goes is one, not forty.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use fulmar_api::Config;
use fulmar_proto::nimbus as pb;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// Kinds that are told where the configuration names none: what somebody may have to act on.
const KINDS: [&str; 8] = [
    "notice",
    "advice",
    "node_lost",
    "short",
    "evicted",
    "quarantined",
    "drained",
    "retracted",
];
/// Events that wait to be told: a message a second, of as many lines as [`LINES`].
const WAITING: usize = 1_000;
/// Lines of one message; more are counted in its last line.
const LINES: usize = 30;
/// What happens within this time is one message.
const TOGETHER: Duration = Duration::from_secs(1);
/// One attempt.
const ANSWER: Duration = Duration::from_secs(10);
/// Between attempts: the first, and the most. A message is given up after [`ATTEMPTS`].
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
const ATTEMPTS: u32 = 8;

/// How a message looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `{"events": […]}`.
    Json,
    /// `{"text": "…"}`.
    Slack,
}

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    url: Uri,
    form: Form,
    kinds: Vec<String>,
}

impl Settings {
    /// What the configuration says; nothing without `nimbus.webhook.url`.
    ///
    /// # Errors
    /// The address is no HTTP address, or the form is unknown.
    pub fn read(conf: &Config) -> Result<Option<Settings>, String> {
        let text = |key| conf.str(key).map_err(|e| e.to_string());
        let Some(url) = text("nimbus.webhook.url")? else {
            return Ok(None);
        };
        let parsed: Option<Uri> = url.parse().ok();
        let whole =
            |u: &Uri| u.authority().is_some() && matches!(u.scheme_str(), Some("http" | "https"));
        let Some(url) = parsed.filter(whole) else {
            // The address may hold a secret: it is not to stand in a log.
            return Err(
                "nimbus.webhook.url is no http or https address, such as https://hooks.example.com/fulmar".to_owned(),
            );
        };
        let form = match text("nimbus.webhook.form")?.as_deref() {
            None | Some("json") => Form::Json,
            Some("slack") => Form::Slack,
            Some(other) => {
                return Err(format!("nimbus.webhook.form is \"{other}\": json or slack"));
            }
        };
        let kinds = conf
            .strings("nimbus.webhook.kinds")
            .map_err(|e| e.to_string())?;
        let kinds = match kinds.is_empty() {
            true => KINDS.map(str::to_owned).to_vec(),
            false => kinds,
        };
        Ok(Some(Settings { url, form, kinds }))
    }

    fn body(&self, events: &[pb::Event], dropped: u64) -> Value {
        let more = events.len().saturating_sub(LINES) as u64 + dropped;
        let told = &events[..events.len().min(LINES)];
        match self.form {
            Form::Json => {
                let event = |e: &pb::Event| {
                    json!({"seq": e.seq, "time_ms": e.time_ms, "kind": e.kind, "topology": e.topology,
                           "node": e.node_id, "text": e.text})
                };
                json!({"events": told.iter().map(event).collect::<Vec<_>>(), "more": more})
            }
            Form::Slack => {
                let mut lines: Vec<String> = told
                    .iter()
                    .map(|e| format!("*{}* {}", e.kind, slack(&e.text)))
                    .collect();
                if more > 0 {
                    lines.push(format!("and {more} more: `fulmar events` shows them"));
                }
                json!({"text": lines.join("\n")})
            }
        }
    }
}

/// Slack reads these three characters as markup.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Where the owner drops its events.
#[derive(Debug)]
pub struct Messages {
    out: mpsc::Sender<pb::Event>,
    kinds: Vec<String>,
}

impl Messages {
    /// Starts the task that sends; it ends when this is dropped and all is sent or given up.
    pub fn start(settings: Settings) -> Messages {
        let (out, inbox) = mpsc::channel(WAITING);
        let kinds = settings.kinds.clone();
        tokio::spawn(send_all(settings, inbox));
        Messages { out, kinds }
    }

    /// Tells an event, if it is of a kind that is told.
    pub fn tell(&self, event: &pb::Event) {
        if self.kinds.contains(&event.kind) && self.out.try_send(event.clone()).is_err() {
            tracing::warn!(
                seq = event.seq,
                "too many messages wait for nimbus.webhook.url: an event is not told"
            );
        }
    }
}

async fn send_all(settings: Settings, mut inbox: mpsc::Receiver<pb::Event>) {
    let client = client();
    let mut dropped = 0;
    while let Some(first) = inbox.recv().await {
        let mut events = vec![first];
        let rest = async {
            while let Some(event) = inbox.recv().await {
                events.push(event);
            }
        };
        // Over when the second is, or when Nimbus ends.
        let _ = timeout(TOGETHER, rest).await;
        let body = settings.body(&events, dropped);
        match send(&client, &settings.url, &body).await {
            Ok(()) => dropped = 0,
            Err(e) => {
                dropped += events.len() as u64;
                tracing::warn!(
                    "{} events are not told to nimbus.webhook.url: {e}",
                    events.len()
                );
            }
        }
    }
}

type Web = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that trusts whom the system trusts. Where it trusts nobody, only http works, and https says so.
fn client() -> Web {
    let mut roots = rustls::RootCertStore::empty();
    let (added, ignored) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    tracing::debug!(added, ignored, "certificates of the system");
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .build();
    Client::builder(TokioExecutor::new()).build(connector)
}

/// One attempt; the client follows no redirection.
async fn post(client: &Web, url: &Uri, body: &Value) -> Result<StatusCode, String> {
    let request = Request::post(url.clone())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(body.to_string()))
        .map_err(|e| e.to_string())?;
    match timeout(ANSWER, client.request(request)).await {
        Ok(Ok(answer)) => Ok(answer.status()),
        Ok(Err(e)) => Err(e
            .source()
            .map_or_else(|| e.to_string(), ToString::to_string)),
        Err(_) => Err(format!("no answer within {ANSWER:?}")),
    }
}

async fn send(client: &Web, url: &Uri, body: &Value) -> Result<(), String> {
    let mut wait = AGAIN.0;
    let mut attempt = 1;
    loop {
        let (problem, hopeless) = match post(client, url, body).await {
            Ok(status) if status.is_success() => return Ok(()),
            // Said again, a request that is wrong stays wrong; 429 is a wish to be asked later.
            Ok(status) => (
                status.to_string(),
                status.is_client_error() && status.as_u16() != 429,
            ),
            Err(problem) => (problem, false),
        };
        if hopeless || attempt == ATTEMPTS {
            return Err(format!("{problem}, after {attempt} attempts"));
        }
        attempt += 1;
        sleep(wait).await;
        wait = (wait * 2).min(AGAIN.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Option<Settings>, String> {
        Settings::read(&Config::from_yaml(text).expect("reads"))
    }

    fn event(kind: &str, text: &str) -> pb::Event {
        pb::Event {
            seq: 7,
            kind: kind.into(),
            text: text.into(),
            ..Default::default()
        }
    }

    #[test]
    fn nothing_is_sent_unless_an_address_is_set_and_mistakes_are_said() {
        assert_eq!(settings(""), Ok(None));
        for (text, wanted) in [
            ("nimbus.webhook.url: nowhere", "nimbus.webhook.url"),
            ("nimbus.webhook.url: ftp://h/x", "https"),
            (
                "nimbus.webhook.url: http://h/x\nnimbus.webhook.form: xml",
                "json or slack",
            ),
        ] {
            let why = settings(text).expect_err(text);
            assert!(why.contains(wanted), "{why}");
        }
    }

    #[test]
    fn both_forms_hold_the_lines_and_count_what_is_left_out() {
        let read = |form: &str| {
            let text = format!("nimbus.webhook.url: http://h/x\nnimbus.webhook.form: {form}");
            settings(&text).expect("is right").expect("is set")
        };
        let events = vec![event("notice", "a <b> & c"); LINES + 2];
        let body = read("slack").body(&events, 3);
        let text = body["text"].as_str().expect("text");
        assert!(text.starts_with("*notice* a &lt;b&gt; &amp; c\n"), "{text}");
        assert!(
            text.ends_with("and 5 more: `fulmar events` shows them"),
            "{text}"
        );
        let body = read("json").body(&events, 0);
        assert_eq!(body["events"].as_array().map(Vec::len), Some(LINES));
        assert_eq!(
            (&body["more"], &body["events"][0]["text"]),
            (&json!(2), &json!("a <b> & c"))
        );
    }

    /// A receiver that refuses the first request and takes the others.
    async fn receiver() -> (String, mpsc::Receiver<Value>) {
        use axum::routing::post;
        let (out, inbox) = mpsc::channel(8);
        let first = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        let take = async move |axum::Json(body): axum::Json<Value>| {
            if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                return StatusCode::INTERNAL_SERVER_ERROR;
            }
            out.send(body).await.expect("the test listens");
            StatusCode::OK
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("binds");
        let address = listener.local_addr().expect("has one");
        let router = axum::Router::new().route("/hook", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (format!("http://{address}/hook"), inbox)
    }

    #[tokio::test]
    async fn events_of_a_second_are_one_message_and_a_failing_receiver_is_tried_again() {
        // As main does; the tests of this crate share one process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (url, mut inbox) = receiver().await;
        let conf = format!("nimbus.webhook.url: {url}\nnimbus.webhook.kinds: [notice]");
        let messages = Messages::start(settings(&conf).expect("is right").expect("is set"));
        messages.tell(&event("notice", "one"));
        messages.tell(&event("submitted", "nobody asked"));
        messages.tell(&event("notice", "two"));
        drop(messages);
        let body = timeout(Duration::from_secs(20), inbox.recv()).await;
        let body = body.expect("in time").expect("arrives");
        let texts: Vec<_> = body["events"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|e| &e["text"])
            .collect();
        assert_eq!(texts, ["one", "two"]);
    }
}
