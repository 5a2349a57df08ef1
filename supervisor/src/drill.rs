//! A drill: this node is to vanish as a machine does, with a notice before it or without. What it does to the
//! cluster is what a real end does: the notice takes the ordinary way, and nobody is told of the end.
//!
//! Pure: no clock, no I/O, no async.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::DRILL_MOST_MS;

/// From an order without a notice to the end: long enough for its answer to leave.
const AT_ONCE_MS: u64 = 100;

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// From the notice to the end; `None`: no notice, the end is at once.
    #[serde(default)]
    pub notice_ms: Option<u64>,
    /// From the end until the node comes back, as a new and empty one; `None`: never.
    #[serde(default)]
    pub back_ms: Option<u64>,
}

impl Order {
    /// Reads one. Only an object is an order: a list would be read as one too, and an empty one ends the node.
    ///
    /// # Errors
    /// It is no object, or its fields are others.
    pub fn read(value: Value) -> Result<Order, String> {
        if !value.is_object() {
            return Err(format!(
                "an order is an object such as {{\"notice_ms\": 120000}}, not {value}"
            ));
        }
        serde_json::from_value(value).map_err(|e| e.to_string())
    }

    /// Why it cannot be.
    ///
    /// # Errors
    /// A time beyond the limit.
    pub fn check(&self) -> Result<(), String> {
        for (name, value) in [("notice_ms", self.notice_ms), ("back_ms", self.back_ms)] {
            if let Some(value) = value.filter(|v| *v > DRILL_MOST_MS) {
                return Err(format!("{name} is {value}: from 0 to {DRILL_MOST_MS}"));
            }
        }
        Ok(())
    }
}

/// A drill under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Drill {
    /// When the node ends, in milliseconds since the epoch.
    pub dies_ms: u64,
    /// From the end until it comes back.
    pub back_ms: Option<u64>,
    /// Whether there is a notice.
    pub noticed: bool,
}

impl Drill {
    /// An order that was given now.
    pub fn new(order: Order, now: u64) -> Drill {
        Drill {
            dies_ms: now + order.notice_ms.unwrap_or(AT_ONCE_MS),
            back_ms: order.back_ms,
            noticed: order.notice_ms.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_beyond_an_hour_is_refused_and_one_without_notice_is_soon() {
        let order = |notice_ms, back_ms| Order { notice_ms, back_ms };
        assert_eq!(order(None, None).check(), Ok(()));
        assert_eq!(order(Some(DRILL_MOST_MS), Some(0)).check(), Ok(()));
        let why = order(None, Some(DRILL_MOST_MS + 1))
            .check()
            .expect_err("an hour is the most");
        assert!(why.contains("3600001") && why.contains("3600000"), "{why}");
        let drill = Drill::new(order(Some(120_000), Some(5_000)), 1_000);
        assert_eq!((drill.dies_ms, drill.noticed), (121_000, true));
        let drill = Drill::new(order(None, None), 1_000);
        assert_eq!(
            (drill.dies_ms, drill.noticed, drill.back_ms),
            (1_100, false, None)
        );
    }

    #[test]
    fn what_is_not_an_order_is_refused() {
        for text in [
            "[]",
            "null",
            r#"{"notice":1}"#,
            r#"{"notice_ms":-1}"#,
            r#"{"notice_ms":"2m"}"#,
        ] {
            let value = serde_json::from_str(text).expect("is JSON");
            assert!(Order::read(value).is_err(), "{text}");
        }
        let empty = Order::read(serde_json::json!({})).expect("means at once, for good");
        assert_eq!(empty.notice_ms, None);
    }
}
