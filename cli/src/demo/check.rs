//! Whether everything came out as it must: the store against the recount, the incident against what was raised.

use std::collections::BTreeMap;

use fulmar_cassandra::tables::AGGREGATES_10M;
use fulmar_cassandra::wifi::aggregate_of;
use fulmar_proto::wifi::Anomaly;
use serde_json::json;

use super::dump::Dump;
use super::recount::{Key, Row, WINDOW_MS};
use super::report::{IncidentReport, Report};
use crate::failure::Failure;

/// Organisation, metric, grouping, entity, window.
type Name = (String, String, String, String, i64);

/// All ten-minute rows of the store.
///
/// # Errors
/// The store cannot be read.
pub async fn stored(address: &str) -> Result<BTreeMap<Name, Row>, Failure> {
    let store = fulmar_cassandra::connect(address)
        .await
        .map_err(Failure::here)?;
    let mut rows = BTreeMap::new();
    let mut each = |row| {
        if let Some(a) = aggregate_of(&AGGREGATES_10M, &row) {
            let name = (a.org, a.metric, a.grouping, a.entity, a.window_start_ms);
            rows.insert(name, [a.count, a.sum, a.min, a.max, a.good_ms, a.bad_ms]);
        }
    };
    store
        .ensure(&[&AGGREGATES_10M])
        .await
        .map_err(Failure::here)?;
    store
        .scan(&AGGREGATES_10M, &mut each)
        .await
        .map_err(Failure::here)?;
    Ok(rows)
}

/// Compares; answers the first difference in words.
pub fn compare(
    expected: &BTreeMap<Key, Row>,
    rows: &BTreeMap<Name, Row>,
    report: &mut Report,
) -> Option<String> {
    let (mut equal, mut twice, mut first) = (0, 0, None);
    let mut windows = std::collections::BTreeSet::new();
    for (key, row) in expected {
        windows.insert(key.window_ms);
        let name = (
            key.org.clone(),
            key.metric.to_owned(),
            key.grouping.to_owned(),
            key.entity.clone(),
            key.window_ms,
        );
        let found = rows.get(&name);
        equal += u64::from(found == Some(row));
        twice += u64::from(found.is_some_and(|f| f[0] > row[0]));
        if found != Some(row) && first.is_none() {
            first = Some(format!(
                "the row {name:?} is {found:?} in the store, counting gives {row:?} (count, sum, min, max, good ms, bad ms)"
            ));
        }
    }
    report.aggregates_expected = expected.len() as u64;
    (report.aggregates_equal, report.duplicates_visible) = (equal, twice);
    report.windows_closed = windows.len() as u64;
    // Rows of windows that nobody can have seen are wrong too.
    let first_window = expected
        .keys()
        .map(|k| k.window_ms)
        .min()
        .unwrap_or(i64::MAX);
    let last_window = report.closed_until_ms - WINDOW_MS;
    let in_range = rows
        .keys()
        .filter(|n| (first_window..=last_window).contains(&n.4));
    let surplus = in_range.count() as u64;
    if first.is_none() && surplus > expected.len() as u64 {
        first = Some(format!(
            "the store has {surplus} rows of these windows, counting gives {}",
            expected.len()
        ));
    }
    first
}

/// Writes the store's rows into the dump.
pub fn dump(rows: &BTreeMap<Name, Row>, dump: &Dump) {
    for ((org, metric, grouping, entity, window), row) in rows {
        dump.write(
            "rows",
            &json!({
                "table": AGGREGATES_10M.name, "org": org, "metric": metric, "grouping": grouping, "entity": entity,
                "window_start_ms": window, "window_ms": WINDOW_MS, "count": row[0], "sum": row[1], "min": row[2],
                "max": row[3], "good_ms": row[4], "bad_ms": row[5],
            }),
        );
    }
}

/// What became of the incident at an entity of an organisation.
pub fn incident<'a>(
    org: &str,
    injected: &mut IncidentReport,
    anomalies: impl Iterator<Item = &'a Anomaly>,
) {
    let (from, to) = (injected.from_ms, injected.to_ms);
    for a in anomalies {
        let overlaps = a.window_start_ms < to && a.window_start_ms + a.window_ms > from;
        if a.org != org || !overlaps {
            continue;
        }
        injected.found = true;
        let first = a.causes.first();
        injected.attributed |= first.is_some_and(|c| c.entity == injected.injected);
    }
}

#[cfg(test)]
mod tests {
    use fulmar_proto::wifi::Cause;

    use super::*;

    #[test]
    fn a_row_that_differs_or_is_too_many_is_told() {
        let key = Key {
            window_ms: 0,
            org: "o".into(),
            metric: "capacity",
            grouping: "org",
            entity: "o".into(),
        };
        let row: Row = [2, 3, 1, 2, 0, 0];
        let expected = BTreeMap::from([(key, row)]);
        let name =
            |org: &str| -> Name { (org.into(), "capacity".into(), "org".into(), org.into(), 0) };
        let mut report = Report {
            closed_until_ms: WINDOW_MS,
            ..Report::default()
        };
        let mut rows = BTreeMap::from([(name("o"), row)]);
        assert_eq!(compare(&expected, &rows, &mut report), None);
        assert_eq!((report.aggregates_equal, report.windows_closed), (1, 1));
        rows.insert(name("p"), row);
        assert!(
            compare(&expected, &rows, &mut report)
                .unwrap()
                .contains("2 rows")
        );
        let doubled = BTreeMap::from([(name("o"), [3, 4, 1, 2, 0, 0])]);
        assert!(compare(&expected, &doubled, &mut report).is_some());
        assert_eq!(report.duplicates_visible, 1);
    }

    #[test]
    fn an_incident_is_attributed_when_its_place_is_the_first_cause() {
        let mut incident_of = IncidentReport {
            injected: "o/ap-1".into(),
            from_ms: 0,
            to_ms: WINDOW_MS,
            ..IncidentReport::default()
        };
        let mut a = Anomaly {
            org: "o".into(),
            window_ms: WINDOW_MS,
            window_start_ms: WINDOW_MS,
            ..Anomaly::default()
        };
        incident("o", &mut incident_of, [&a].into_iter());
        assert!(!incident_of.found, "after it");
        a.window_start_ms = 0;
        a.causes.push(Cause {
            entity: "o/ap-1".into(),
            ..Cause::default()
        });
        incident("o", &mut incident_of, [&a].into_iter());
        assert!(incident_of.found && incident_of.attributed);
    }
}
