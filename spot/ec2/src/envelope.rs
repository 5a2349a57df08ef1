//! What an event of EventBridge says of instances.
//!
//! Pure: no clock, no I/O, no async.

use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use serde::Deserialize;
use serde_json::Value;

/// From an interruption warning until the instance ends (docs of EC2); the warning does not say when.
const WARNED_MS: u64 = 120_000;
/// An autoscaling group's hook waits at least so long.
const HOOK_MS: u64 = 30_000;

/// Something said of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its id.
    pub instance: String,
    /// It will end, else it may.
    pub sentence: bool,
    /// When, in milliseconds since the epoch; 0 for what only may be.
    pub deadline_ms: u64,
}

/// An event, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is about these instances.
    Told(Vec<Told>),
    /// It is about something else; its type.
    Other(String),
    /// It cannot be read; why.
    Malformed(String),
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "detail-type")]
    detail_type: String,
    #[serde(default)]
    time: String,
    #[serde(default)]
    detail: Value,
}

/// Reads the body of a message. What happens at a time that cannot be read happens now.
pub fn read(body: &str, now_ms: u64) -> Event {
    let envelope: Envelope = match serde_json::from_str(body) {
        Ok(envelope) => envelope,
        Err(e) => return Event::Malformed(e.to_string()),
    };
    let at = DateTime::from_str(&envelope.time, DateTimeFormat::DateTime).ok();
    let at = at.and_then(|t| u64::try_from(t.to_millis().ok()?).ok());
    let at = at.unwrap_or(now_ms);
    let text = |key: &str| envelope.detail[key].as_str().unwrap_or_default();
    let (instance, told) = match envelope.detail_type.as_str() {
        "EC2 Spot Instance Interruption Warning" => {
            // Hibernation begins at once.
            let lead = match text("instance-action") {
                "hibernate" => 0,
                _ => WARNED_MS,
            };
            (text("instance-id"), Some(at + lead))
        }
        "EC2 Instance Rebalance Recommendation" => (text("instance-id"), None),
        "EC2 Instance State-change Notification" => match text("state") {
            "stopping" | "stopped" | "shutting-down" | "terminated" => {
                (text("instance-id"), Some(now_ms))
            }
            other => return Event::Other(format!("{}: {other}", envelope.detail_type)),
        },
        "EC2 Instance-terminate Lifecycle Action" => (text("EC2InstanceId"), Some(at + HOOK_MS)),
        "AWS Health Event" => return health(&envelope),
        other => return Event::Other(other.to_owned()),
    };
    if !is_instance(instance) {
        let said = format!("{} names no instance: \"{instance}\"", envelope.detail_type);
        return Event::Malformed(said);
    }
    Event::Told(vec![Told {
        instance: instance.to_owned(),
        sentence: told.is_some(),
        deadline_ms: told.unwrap_or(0),
    }])
}

/// A change that is planned for instances: they may end, days ahead.
fn health(envelope: &Envelope) -> Event {
    let named = envelope.detail["affectedEntities"].as_array();
    let named = named.into_iter().flatten();
    let ids = named.filter_map(|e| e["entityValue"].as_str());
    let told: Vec<Told> = ids
        .filter(|id| is_instance(id))
        .map(|id| Told {
            instance: id.to_owned(),
            sentence: false,
            deadline_ms: 0,
        })
        .collect();
    match told.is_empty() {
        true => Event::Other(envelope.detail_type.clone()),
        false => Event::Told(told),
    }
}

fn is_instance(id: &str) -> bool {
    let rest = id.strip_prefix("i-").unwrap_or_default();
    (1..=32).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_398_800_000;

    fn event(kind: &str, time: &str, detail: &str) -> Event {
        let body = format!(
            r#"{{"version":"0","id":"x","detail-type":"{kind}","source":"aws.ec2","time":"{time}","region":"us-east-1","resources":[],"detail":{detail}}}"#
        );
        read(&body, NOW)
    }

    fn told(sentence: bool, deadline_ms: u64) -> Event {
        Event::Told(vec![Told {
            instance: "i-0a1b".to_owned(),
            sentence,
            deadline_ms,
        }])
    }

    #[test]
    fn what_events_say() {
        let warning = "EC2 Spot Instance Interruption Warning";
        let time = "2026-11-23T01:54:08Z";
        let at = 1_795_398_848_000;
        let detail = r#"{"instance-id":"i-0a1b","instance-action":"terminate"}"#;
        assert_eq!(event(warning, time, detail), told(true, at + 120_000));
        let detail = r#"{"instance-id":"i-0a1b","instance-action":"hibernate"}"#;
        assert_eq!(event(warning, time, detail), told(true, at));
        // A time that cannot be read is now.
        assert_eq!(event(warning, "soon", detail), told(true, NOW));
        let advice = "EC2 Instance Rebalance Recommendation";
        assert_eq!(
            event(advice, time, r#"{"instance-id":"i-0a1b"}"#),
            told(false, 0)
        );
        let state = "EC2 Instance State-change Notification";
        assert_eq!(
            event(
                state,
                time,
                r#"{"instance-id":"i-0a1b","state":"stopping"}"#
            ),
            told(true, NOW)
        );
        assert!(matches!(
            event(state, time, r#"{"instance-id":"i-0a1b","state":"running"}"#),
            Event::Other(_)
        ));
        let hook = "EC2 Instance-terminate Lifecycle Action";
        assert_eq!(
            event(hook, time, r#"{"EC2InstanceId":"i-0a1b"}"#),
            told(true, at + 30_000)
        );
        let health = r#"{"affectedEntities":[{"entityValue":"i-0a1b"},{"entityValue":"vol-1"}]}"#;
        assert_eq!(event("AWS Health Event", time, health), told(false, 0));
    }

    #[test]
    fn what_cannot_be_read_is_said_and_harms_nobody() {
        for body in ["", "{", "[]", "null", r#"{"detail":{}}"#] {
            assert!(matches!(read(body, NOW), Event::Malformed(_)), "{body}");
        }
        for detail in [
            "null",
            "{}",
            r#"{"instance-id":7}"#,
            r#"{"instance-id":"i-"}"#,
            "[1]",
        ] {
            let read = event("EC2 Spot Instance Interruption Warning", "x", detail);
            assert!(matches!(read, Event::Malformed(_)), "{detail}");
        }
        assert_eq!(
            event("Scheduled Event", "x", "{}"),
            Event::Other("Scheduled Event".to_owned())
        );
    }
}
