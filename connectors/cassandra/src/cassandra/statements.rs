//! The CQL of a table: all texts that are sent, made from its descriptor.
//!
//! Names are checked constants, never input, so nothing needs quoting. Pure: no clock, no I/O, no async.

use std::ops::Bound;

use crate::row::{Cell, Column, Kind, Table, Udt};
use crate::store::Range;

/// How the server's catalogue spells a kind.
pub fn type_name(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Int => "bigint".to_owned(),
        Kind::Double => "double".to_owned(),
        Kind::Bool => "boolean".to_owned(),
        Kind::Date => "date".to_owned(),
        Kind::Timestamp => "timestamp".to_owned(),
        Kind::Udt(udt) => format!("frozen<{}>", udt.name),
    }
}

/// Makes the keyspace; with a datacentre its replicas are counted there.
pub fn create_keyspace(keyspace: &str, datacentre: Option<&str>, replicas: u32) -> String {
    let replication = match datacentre {
        // A datacentre comes from the address: the one text that is quoted.
        Some(name) => format!(
            "{{'class': 'NetworkTopologyStrategy', '{}': {replicas}}}",
            name.replace('\'', "''")
        ),
        None => format!("{{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}"),
    };
    format!("CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication}")
}

/// Makes a user-defined type.
pub fn create_type(keyspace: &str, udt: &Udt) -> String {
    let fields = columns(udt.fields);
    format!(
        "CREATE TYPE IF NOT EXISTS {keyspace}.{} ({})",
        udt.name,
        fields.join(", ")
    )
}

/// Makes a table with its order, TTL and compaction by time windows.
pub fn create_table(keyspace: &str, table: &Table) -> String {
    let all: Vec<Column> = table.columns().copied().collect();
    let direction = if table.descending { "DESC" } else { "ASC" };
    let order: Vec<String> = table
        .clustering
        .iter()
        .map(|c| format!("{} {direction}", c.name))
        .collect();
    let mut options = Vec::new();
    if !order.is_empty() {
        options.push(format!("CLUSTERING ORDER BY ({})", order.join(", ")));
    }
    if table.ttl_s > 0 {
        options.push(format!("default_time_to_live = {}", table.ttl_s));
    }
    if table.window_h > 0 {
        options.push(format!(
            "compaction = {{'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'HOURS', 'compaction_window_size': '{}'}}",
            table.window_h
        ));
    }
    let with = match options.is_empty() {
        true => String::new(),
        false => format!(" WITH {}", options.join(" AND ")),
    };
    format!(
        "CREATE TABLE IF NOT EXISTS {keyspace}.{} ({}, PRIMARY KEY ({})){with}",
        table.name,
        columns(&all).join(", "),
        primary_key(table)
    )
}

/// Writes one row: its cells in the table's order, then the write timestamp.
pub fn insert(keyspace: &str, table: &Table) -> String {
    let names: Vec<&str> = table.columns().map(|c| c.name).collect();
    let marks = vec!["?"; names.len()].join(", ");
    format!(
        "INSERT INTO {keyspace}.{} ({}) VALUES ({marks}) USING TIMESTAMP ?",
        table.name,
        names.join(", ")
    )
}

/// Reads all rows.
pub fn scan(keyspace: &str, table: &Table) -> String {
    format!(
        "SELECT {} FROM {keyspace}.{}",
        read_columns(table),
        table.name
    )
}

/// Reads a range of a partition; its values are the partition's cells, those of the bounds, then the limit.
pub fn select(keyspace: &str, table: &Table, range: &Range, descending: bool) -> String {
    let mut conditions: Vec<String> = table
        .partition
        .iter()
        .map(|c| format!("{} = ?", c.name))
        .collect();
    for (bound, inclusive, exclusive) in [(&range.from, ">=", ">"), (&range.to, "<=", "<")] {
        let (cells, operator) = match bound {
            Bound::Unbounded => continue,
            Bound::Included(cells) => (cells, inclusive),
            Bound::Excluded(cells) => (cells, exclusive),
        };
        let names: Vec<&str> = table.clustering[..cells.len()]
            .iter()
            .map(|c| c.name)
            .collect();
        conditions.push(format!(
            "({}) {operator} ({})",
            names.join(", "),
            vec!["?"; cells.len()].join(", ")
        ));
    }
    let order = match table.clustering.first() {
        // The whole order turns with its first column.
        Some(first) => format!(
            " ORDER BY {} {}",
            first.name,
            if descending { "DESC" } else { "ASC" }
        ),
        None => String::new(),
    };
    format!(
        "{} WHERE {}{order} LIMIT ?",
        scan(keyspace, table),
        conditions.join(" AND ")
    )
}

/// The cells of a range's bounds, in the order in which [`select`] asks for them.
pub fn bound_cells(range: &Range) -> impl Iterator<Item = &Cell> {
    [&range.from, &range.to].into_iter().flat_map(|b| match b {
        Bound::Unbounded => [].iter(),
        Bound::Included(cells) | Bound::Excluded(cells) => cells.iter(),
    })
}

fn read_columns(table: &Table) -> String {
    let mut names: Vec<String> = table.columns().map(|c| c.name.to_owned()).collect();
    if let Some(first) = table.values.first() {
        names.push(format!("WRITETIME({})", first.name));
    }
    names.join(", ")
}

fn primary_key(table: &Table) -> String {
    let names = |columns: &[Column]| {
        let names: Vec<&str> = columns.iter().map(|c| c.name).collect();
        names.join(", ")
    };
    let partition = names(table.partition);
    match table.clustering.is_empty() {
        true => format!("({partition})"),
        false => format!("({partition}), {}", names(table.clustering)),
    }
}

fn columns(columns: &[Column]) -> Vec<String> {
    columns
        .iter()
        .map(|c| format!("{} {}", c.name, type_name(c.kind)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{AGGREGATE, AGGREGATES_10M, ANOMALIES};

    #[test]
    fn the_promised_schema() {
        assert_eq!(
            create_table("fulmar", &AGGREGATES_10M),
            "CREATE TABLE IF NOT EXISTS fulmar.aggregates_10m (org text, metric text, grouping text, entity text, \
             day date, window_start timestamp, agg frozen<aggregate>, \
             PRIMARY KEY ((org, metric, grouping, entity, day), window_start)) \
             WITH CLUSTERING ORDER BY (window_start DESC) AND default_time_to_live = 3024000 \
             AND compaction = {'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'HOURS', \
             'compaction_window_size': '24'}"
        );
        assert_eq!(
            create_type("fulmar", &AGGREGATE),
            "CREATE TYPE IF NOT EXISTS fulmar.aggregate (count bigint, sum bigint, min bigint, max bigint, \
             good_ms bigint, bad_ms bigint)"
        );
        assert_eq!(
            insert("k", &AGGREGATES_10M),
            "INSERT INTO k.aggregates_10m (org, metric, grouping, entity, day, window_start, agg) \
             VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
        );
        let range = Range {
            from: Bound::Included(vec![Cell::Timestamp(1)]),
            to: Bound::Excluded(vec![Cell::Timestamp(2), Cell::text("x")]),
        };
        assert!(
            select("k", &ANOMALIES, &range, false).ends_with(
                "WRITETIME(metric) FROM k.anomalies WHERE org = ? AND day = ? AND (window_start) >= (?) \
                 AND (window_start, id) < (?, ?) ORDER BY window_start ASC LIMIT ?"
            )
        );
        assert_eq!(bound_cells(&range).count(), 3);
        assert!(create_keyspace("k", Some("dc'1"), 3).contains("'dc''1': 3"));
    }
}
