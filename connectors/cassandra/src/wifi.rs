//! Rows of the Wi-Fi pipeline's messages, and back.
//!
//! The one place that knows which field stands in which column; writers and readers use it, so that they cannot
//! disagree. Pure: no clock, no I/O, no async.

use fulmar_proto::wifi::{Aggregate, Anomaly, Cause};
use smol_str::SmolStr;

use crate::row::{Cell, Row, Table};
use crate::tables;

/// Partition key of an aggregate's series on one day.
pub fn aggregate_partition(
    org: &str,
    metric: &str,
    grouping: &str,
    entity: &str,
    day: i32,
) -> [Cell; 5] {
    [
        Cell::text(org),
        Cell::text(metric),
        Cell::text(grouping),
        Cell::text(entity),
        Cell::Date(day),
    ]
}

/// Write timestamp of an aggregate in microseconds: the window's end, then the generation, then the count, so that a
/// fuller value and a later generation win, and TTL and compaction windows go by event time.
pub fn aggregate_timestamp(aggregate: &Aggregate) -> i64 {
    let end_us = aggregate
        .window_start_ms
        .saturating_add(aggregate.window_ms)
        .saturating_mul(1000);
    let count = aggregate.count.clamp(0, i64::from(u32::MAX));
    end_us
        .saturating_add(i64::from(aggregate.generation) << 32)
        .saturating_add(count)
}

/// The table and row of an aggregate; `None` where no table has windows of its length.
pub fn aggregate_row(a: &Aggregate) -> Option<(&'static Table, Row)> {
    let table = tables::aggregates(a.window_ms)?;
    let day = tables::day_of(a.window_start_ms);
    let agg = [a.count, a.sum, a.min, a.max, a.good_ms, a.bad_ms].map(Cell::Int);
    let mut cells = Vec::with_capacity(7);
    cells.extend(aggregate_partition(
        &a.org,
        &a.metric,
        &a.grouping,
        &a.entity,
        day,
    ));
    cells.push(Cell::Timestamp(a.window_start_ms));
    cells.push(Cell::Udt(Box::new(agg)));
    Some((
        table,
        Row {
            cells,
            timestamp_us: aggregate_timestamp(a),
        },
    ))
}

/// The aggregate of a row of a table of aggregates; `unit`, `generation` and `history` are not stored. `None` if the
/// row is of another table.
pub fn aggregate_of(table: &Table, row: &Row) -> Option<Aggregate> {
    let window_ms = [60_000, 600_000, 3_600_000, 86_400_000]
        .into_iter()
        .find(|w| tables::aggregates(*w).is_some_and(|t| t.name == table.name))?;
    let [org, metric, grouping, entity, _, start, agg] = row.cells.as_slice() else {
        return None;
    };
    let field = |i: usize| agg.as_udt()?.get(i)?.as_int();
    Some(Aggregate {
        org: org.as_text()?.to_owned(),
        metric: metric.as_text()?.to_owned(),
        grouping: grouping.as_text()?.to_owned(),
        entity: entity.as_text()?.to_owned(),
        window_start_ms: start.as_int()?,
        window_ms,
        count: field(0)?,
        sum: field(1)?,
        min: field(2)?,
        max: field(3)?,
        good_ms: field(4)?,
        bad_ms: field(5)?,
        ..Aggregate::default()
    })
}

/// Partition key of an organisation's anomalies of one day.
pub fn anomaly_partition(org: &str, day: i32) -> [Cell; 2] {
    [Cell::text(org), Cell::Date(day)]
}

/// The row of an anomaly. `written_us` is its write timestamp: the same for a replay of the same finding, larger for
/// a corrected one.
pub fn anomaly_row(a: &Anomaly, written_us: i64) -> Row {
    let causes = serde_json::to_string(&a.causes)
        .expect("messages of strings and numbers can be written as JSON");
    let text = |s: &str| Cell::Text(SmolStr::new(s));
    Row {
        cells: vec![
            text(&a.org),
            Cell::Date(tables::day_of(a.window_start_ms)),
            Cell::Timestamp(a.window_start_ms),
            text(&a.id),
            text(&a.metric),
            text(&a.grouping),
            text(&a.entity),
            Cell::Int(a.window_ms),
            Cell::Double(a.value),
            Cell::Double(a.expected),
            Cell::Double(a.score),
            text(&a.direction),
            text(&causes),
            text(&a.model),
        ],
        timestamp_us: written_us,
    }
}

/// The anomaly of a row of [`tables::ANOMALIES`]; `None` if it is none.
pub fn anomaly_of(row: &Row) -> Option<Anomaly> {
    if row.cells.len() != 14 {
        return None;
    }
    let cell = |i: usize| &row.cells[i];
    let text = |i: usize| cell(i).as_text().map(str::to_owned);
    let causes: Vec<Cause> = serde_json::from_str(cell(12).as_text()?).ok()?;
    Some(Anomaly {
        org: text(0)?,
        window_start_ms: cell(2).as_int()?,
        id: text(3)?,
        metric: text(4)?,
        grouping: text(5)?,
        entity: text(6)?,
        window_ms: cell(7).as_int()?,
        value: cell(8).as_double()?,
        expected: cell(9).as_double()?,
        score: cell(10).as_double()?,
        direction: text(11)?,
        causes,
        model: text(13)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_rows_and_come_back() {
        let a = Aggregate {
            org: "o".into(),
            metric: "throughput".into(),
            grouping: "site+band".into(),
            entity: "o/s/5".into(),
            window_start_ms: 1_700_000_400_000,
            window_ms: 600_000,
            count: 3,
            sum: -9,
            min: -5,
            max: 1,
            good_ms: 60_000,
            bad_ms: 120_000,
            ..Aggregate::default()
        };
        let (table, row) = aggregate_row(&a).unwrap();
        table.check(&row).unwrap();
        assert_eq!(row.timestamp_us, 1_700_001_000_000_003);
        assert_eq!(aggregate_of(table, &row).unwrap(), a);
        assert!(aggregate_row(&Aggregate { window_ms: 5, ..a }).is_none());
        let b = Anomaly {
            id: "x".into(),
            org: "o".into(),
            score: 4.5,
            causes: vec![Cause {
                grouping: "ap".into(),
                entity: "o/s/ap1".into(),
                share: 0.75,
            }],
            ..Anomaly::default()
        };
        let row = anomaly_row(&b, 7);
        tables::ANOMALIES.check(&row).unwrap();
        assert_eq!(anomaly_of(&row).unwrap(), b);
    }
}
