//! Names of series: what is measured, of which entity.
//! Pure: no clock, no I/O, no async.

use fulmar_proto::wifi::Kind;

/// A metric and the unit of its values.
#[derive(Debug)]
pub struct Metric {
    /// Its name in rows.
    pub name: &'static str,
    /// Unit of values and sums.
    pub unit: &'static str,
}

/// The metrics, in the order of [`Kind`].
pub const METRICS: [Metric; 3] = [
    Metric {
        name: "throughput",
        unit: "kbit_s",
    },
    Metric {
        name: "capacity",
        unit: "permille",
    },
    Metric {
        name: "coverage",
        unit: "db_tenths",
    },
];

/// Position of a kind's metric in [`METRICS`]; `None` of a kind that is not known.
pub fn metric_of(kind: i32) -> Option<usize> {
    match Kind::try_from(kind).ok()? {
        Kind::Unspecified => None,
        Kind::Throughput => Some(0),
        Kind::Capacity => Some(1),
        Kind::Coverage => Some(2),
    }
}

/// A series' name, which is the Kafka key of its rows too: `org/metric/grouping/entity`.
pub fn key(org: &str, metric: &str, grouping: &str, entity: &str) -> String {
    let length = org.len() + metric.len() + grouping.len() + entity.len() + 3;
    let mut key = String::with_capacity(length);
    for (i, part) in [org, metric, grouping, entity].into_iter().enumerate() {
        if i > 0 {
            key.push('/');
        }
        key.push_str(part);
    }
    key
}

/// Organisation, metric, grouping and entity of a name; names of organisations hold no `/`.
pub fn parts(key: &str) -> Option<(&str, &str, &str, &str)> {
    let mut parts = key.splitn(4, '/');
    Some((parts.next()?, parts.next()?, parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart_as_they_were_put_together() {
        let name = key("o", "capacity", "site+band", "o/s/5");
        assert_eq!(name, "o/capacity/site+band/o/s/5");
        assert_eq!(parts(&name), Some(("o", "capacity", "site+band", "o/s/5")));
        assert_eq!(parts("o/capacity"), None);
        assert_eq!(METRICS[metric_of(3).unwrap()].unit, "db_tenths");
        assert_eq!((metric_of(0), metric_of(9)), (None, None));
    }
}
