//! Orders to supervisors, over their own HTTP.

use std::time::Duration;

use fulmar_proto::nimbus as pb;
use serde_json::json;

/// A supervisor answers within this time, or it is not there.
const ANSWER: Duration = Duration::from_secs(5);

/// An order.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Notice before the end.
    pub notice: Option<Duration>,
    /// From the end until the node comes back.
    pub back: Option<Duration>,
}

/// Gives a node its order; answers when it ends, in milliseconds since the epoch.
///
/// # Errors
/// It cannot be reached, or refuses: in words.
pub async fn strike(
    client: &reqwest::Client,
    node: &pb::SupervisorSummary,
    order: Order,
) -> Result<u64, String> {
    let url = format!("http://{}:{}/api/v1/drill", node.host, node.port);
    let ms = |d: Option<Duration>| d.map(|d| d.as_millis() as u64);
    let body = json!({ "notice_ms": ms(order.notice), "back_ms": ms(order.back) });
    let sent = client.post(&url).json(&body).timeout(ANSWER).send().await;
    let answer = sent.map_err(|e| format!("{url}: {}", innermost(&e)))?;
    let status = answer.status();
    let said: serde_json::Value = answer.json().await.unwrap_or_default();
    match said["drill"]["dies_ms"].as_u64() {
        Some(dies_ms) => Ok(dies_ms),
        None => Err(format!(
            "{url}: {}",
            said["error"].as_str().unwrap_or(status.as_str())
        )),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
