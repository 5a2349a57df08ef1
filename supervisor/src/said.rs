//! What the sources of notices write, read.
//!
//! Pure: no clock, no I/O, no async.

use serde::Deserialize;

use crate::notice::{Kind, Said};
use crate::time::parse_rfc3339;

#[derive(Deserialize)]
struct InstanceAction {
    action: String,
    time: String,
}

/// `spot/instance-action`: a sentence. Hibernation starts at once; what cannot be read counts as now.
pub fn instance_action(body: &str) -> Said {
    match serde_json::from_str::<InstanceAction>(body) {
        Ok(a) if a.action == "hibernate" => Said::There(None),
        Ok(a) => Said::There(parse_rfc3339(&a.time)),
        Err(_) => Said::There(None),
    }
}

/// `autoscaling/target-lifecycle-state`: a group that means to end, stop or hibernate this instance is a
/// sentence. It does not say when; `grace_ms` after it was seen is taken, since without a lifecycle hook the
/// group waits for nothing. Leaving the group (Detached, Standby) ends nobody.
pub fn lifecycle(state: &str, now: u64, grace_ms: u64) -> Said {
    let target = state.trim();
    let target = target.strip_prefix("Warmed:").unwrap_or(target);
    match target {
        "Terminated" | "Stopped" | "Hibernated" => Said::There(Some(now + grace_ms)),
        _ => Said::None,
    }
}

#[derive(Deserialize)]
struct Drill {
    kind: Kind,
    time: Option<String>,
    deadline_ms: Option<u64>,
    in_secs: Option<f64>,
}

/// A notice file: `{"kind": "sentence", "in_secs": 30}` (from the file's last change), or with
/// `"time"` (RFC 3339) or `"deadline_ms"`, or `{"kind": "advice"}`, or what EC2 says:
/// `{"action": "terminate", "time": …}`. `None` when it is none of these: perhaps half written.
pub fn notice_file(text: &str, changed_ms: u64) -> Option<(Kind, Said)> {
    if let Ok(drill) = serde_json::from_str::<Drill>(text) {
        let from_secs = |secs: f64| {
            (0.0..=1e9)
                .contains(&secs)
                .then(|| changed_ms + (secs * 1_000.0) as u64)
        };
        let time = drill.time.as_deref().and_then(parse_rfc3339);
        let deadline = drill.deadline_ms.or(time);
        let deadline = deadline.or(drill.in_secs.and_then(from_secs));
        return Some((drill.kind, Said::There(deadline)));
    }
    let ec2 = serde_json::from_str::<InstanceAction>(text).is_ok();
    ec2.then(|| (Kind::Sentence, instance_action(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ec2_says() {
        let body = "{\n\t\"action\": \"terminate\",\n\t\"time\": \"2026-11-23T01:54:08Z\"\n}";
        assert_eq!(instance_action(body), Said::There(Some(1_795_398_848_000)));
        for body in [
            r#"{"action":"hibernate","time":"2026-11-23T01:54:08Z"}"#,
            r#"{"action":"terminate","time":"soon"}"#,
            r#"{"action":"terminate"}"#,
            "",
            "<html>",
        ] {
            assert_eq!(instance_action(body), Said::There(None), "{body}");
        }
    }

    #[test]
    fn what_an_autoscaling_group_says() {
        for state in [
            "Terminated",
            "Terminated\n",
            "Warmed:Terminated",
            "Warmed:Stopped",
        ] {
            let said = lifecycle(state, 1_000, 500);
            assert_eq!(said, Said::There(Some(1_500)), "{state}");
        }
        for state in [
            "InService",
            "Detached",
            "Standby",
            "Warmed:Running",
            "",
            "<html>",
        ] {
            assert_eq!(lifecycle(state, 1_000, 500), Said::None, "{state}");
        }
    }

    #[test]
    fn what_a_file_says() {
        let read = |text| notice_file(text, 1_000);
        let sentence = |at| Some((Kind::Sentence, Said::There(at)));
        assert_eq!(
            read(r#"{"kind":"sentence","in_secs":1.5}"#),
            sentence(Some(2_500))
        );
        assert_eq!(
            read(r#"{"kind":"sentence","deadline_ms":7}"#),
            sentence(Some(7))
        );
        assert_eq!(
            read(r#"{"kind":"sentence","time":"1970-01-01T00:00:09Z"}"#),
            sentence(Some(9_000))
        );
        assert_eq!(
            read(r#"{"action":"stop","time":"1970-01-01T00:00:09Z"}"#),
            sentence(Some(9_000))
        );
        assert_eq!(read(r#"{"kind":"sentence"}"#), sentence(None));
        assert_eq!(read(r#"{"kind":"sentence","in_secs":-1}"#), sentence(None));
        assert_eq!(
            read(r#"{"kind":"advice"}"#),
            Some((Kind::Advice, Said::There(None)))
        );
        for text in ["", "{", r#"{"kind":"death"}"#, r#"{"kind":"sent"#] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
