//! Cases of attribution: a cube's leaves now and as expected, of either form.
//!
//! Amounts have a column `real` and one `predict`; ratios `time`, `bad` and `total` in rows of several minutes, of which the
//! one to explain is named by the case (else it is the last) and the four before it are what is usual.

use std::path::Path;

use fulmar_anomaly::attribution::cube::Cube;
use fulmar_anomaly::attribution::order::Coder;
use fulmar_anomaly::attribution::ratio::Counts;
use rustc_hash::FxHashMap;

use crate::failure::Failure;
use crate::rows::{self, Rows};
use crate::time;

/// Seconds before the minute to explain that are what is usual.
const BEFORE_S: i64 = 240;
/// Most dimensions: each doubles the number of cuboids.
const MOST_DIMS: usize = 12;

/// What is known of the leaves.
pub enum Measure {
    /// Observed and expected amounts.
    Amounts(Vec<f64>, Vec<f64>),
    /// Parts of a total.
    Ratios(Counts),
}

/// A case.
pub struct Case {
    /// Names of dimensions.
    pub dims: Vec<String>,
    /// Names of values, by dimension and code.
    pub values: Vec<Vec<String>>,
    /// Leaves.
    pub cube: Cube,
    /// What is known of them.
    pub measure: Measure,
}

/// Reads a case; `at` is the second to explain.
pub fn read(path: &Path, at: Option<i64>) -> Result<Case, Failure> {
    let wrong = rows::wrong(path);
    let mut input = rows::open(path)?;
    let heading = input.headers().map_err(|e| wrong(e.to_string()))?.clone();
    let column = |name: &str| heading.iter().position(|h| h == name);
    let measures = ["real", "predict", "time", "bad", "total"];
    let dims: Vec<usize> = (0..heading.len())
        .filter(|c| !measures.contains(&&heading[*c]))
        .collect();
    if dims.is_empty() || dims.len() > MOST_DIMS {
        return Err(wrong(format!(
            "{} dimensions, not 1 to {MOST_DIMS}",
            dims.len()
        )));
    }
    let mut case = Case {
        dims: dims.iter().map(|d| heading[*d].to_owned()).collect(),
        values: Vec::new(),
        cube: Cube {
            codes: vec![Vec::new(); dims.len()],
            ..Cube::default()
        },
        measure: Measure::Amounts(Vec::new(), Vec::new()),
    };
    let mut coder = Coder::of(dims.len());
    let filled = match (
        column("real"),
        column("predict"),
        column("bad"),
        column("total"),
    ) {
        (Some(real), Some(predict), _, _) => {
            amounts(&mut input, &mut case, &dims, &mut coder, [real, predict])
        }
        (_, _, Some(bad), Some(total)) => ratios(
            &mut input,
            &mut case,
            &dims,
            &mut coder,
            [column("time"), Some(bad), Some(total)],
            at,
        ),
        _ => Err("neither `real` and `predict` nor `bad` and `total` are columns".to_owned()),
    };
    filled.map_err(wrong)?;
    case.values = coder.finish(&mut case.cube);
    Ok(case)
}

fn number(row: &csv::StringRecord, column: usize) -> Result<f64, String> {
    let text = row.get(column).unwrap_or_default();
    let number: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    // A forecast's error can leave amounts a little below 0.
    if number.is_finite() {
        Ok(number.max(0.0))
    } else {
        Err(format!("{text} is no amount"))
    }
}

fn amounts(
    input: &mut Rows,
    case: &mut Case,
    dims: &[usize],
    coder: &mut Coder,
    columns: [usize; 2],
) -> Result<(), String> {
    let (mut observed, mut expected) = (Vec::new(), Vec::new());
    let mut row = csv::StringRecord::new();
    while input.read_record(&mut row).map_err(|e| e.to_string())? {
        for (dim, column) in dims.iter().enumerate() {
            case.cube.codes[dim].push(coder.code(dim, &row[*column]).map_err(|e| e.to_string())?);
        }
        observed.push(number(&row, columns[0])?);
        expected.push(number(&row, columns[1])?);
    }
    case.measure = Measure::Amounts(observed, expected);
    Ok(())
}

fn ratios(
    input: &mut Rows,
    case: &mut Case,
    dims: &[usize],
    coder: &mut Coder,
    columns: [Option<usize>; 3],
    at: Option<i64>,
) -> Result<(), String> {
    let mut rows: Vec<(i64, Vec<u16>, f64, f64)> = Vec::new();
    let mut row = csv::StringRecord::new();
    while input.read_record(&mut row).map_err(|e| e.to_string())? {
        let key: Result<Vec<u16>, String> = dims
            .iter()
            .enumerate()
            .map(|(dim, column)| coder.code(dim, &row[*column]).map_err(|e| e.to_string()))
            .collect();
        let value = |c: Option<usize>| c.map_or(Ok(0.0), |c| number(&row, c));
        let stamp = columns[0].map_or("0", |c| &row[c]);
        let seconds = time::seconds(stamp).ok_or_else(|| format!("`{stamp}` is no time"))?;
        rows.push((seconds, key?, value(columns[1])?, value(columns[2])?));
    }
    let last = rows.iter().map(|r| r.0).max().unwrap_or(0);
    let at = at.unwrap_or(last);
    let mut counts = Counts::default();
    let mut leaves = FxHashMap::<Vec<u16>, usize>::default();
    for (time, key, bad, total) in rows {
        if time > at || time < at - BEFORE_S {
            continue;
        }
        let leaf = *leaves.entry(key).or_insert_with_key(|key| {
            case.cube
                .codes
                .iter_mut()
                .zip(key)
                .for_each(|(codes, k)| codes.push(*k));
            let Counts {
                bad,
                total,
                bad_before,
                total_before,
            } = &mut counts;
            for of in [bad, total, bad_before, total_before] {
                of.push(0.0);
            }
            counts.bad.len() - 1
        });
        if time == at {
            counts.bad[leaf] += bad;
            counts.total[leaf] += total;
        } else {
            counts.bad_before[leaf] += bad;
            counts.total_before[leaf] += total;
        }
    }
    case.measure = Measure::Ratios(counts);
    Ok(())
}
