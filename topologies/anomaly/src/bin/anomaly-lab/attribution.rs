//! Attribution evaluated: answers for each case, and where the truth is known the F1 over exact combinations.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use fulmar_anomaly::attribution::{Cause, of_amounts, of_ratios};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};

use crate::cases::{self, Case, Measure};
use crate::failure::Failure;
use crate::report::{Figure, Report, cpu_seconds, interval};
use crate::rows;
use crate::time;

/// A combination by names.
type Named = BTreeMap<String, String>;

/// A case's answer against its truth.
#[derive(Clone, Copy, Default)]
struct Score {
    right: usize,
    wrong: usize,
    missed: usize,
}

/// What a data set came to.
#[derive(Default)]
struct Set {
    scores: Vec<Score>,
    ms: Vec<f64>,
}

/// Answers all cases below a folder.
pub fn evaluate(data: &Path, out: Option<&Path>, report: &mut Report) -> Result<(), Failure> {
    let known = known(data)?;
    let mut answers = out.map(answers).transpose()?;
    let mut sets = BTreeMap::<String, Set>::new();
    for path in rows::below(data)? {
        let Some(stem) = rows::stem(&path) else {
            continue;
        };
        let name = |p: &Path| {
            p.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        let case_name = name(&stem);
        let set_name = stem.parent().map(name).unwrap_or_default().to_lowercase();
        let facts = known.get(&case_name);
        let at = facts.and_then(|f| f.get("at")).and_then(at_second);
        let case = cases::read(&path, at)?;
        let (causes, seconds) = answer(&case);
        let set = sets.entry(set_name).or_default();
        set.ms.push(seconds * 1e3);
        let named = names(&case, &causes);
        if let Some(truth) = facts.and_then(|f| f.get("root_causes")) {
            set.scores.push(score(&named, truth));
        }
        if let Some(file) = &mut answers {
            let confidence = confidence(&causes);
            let line = json!({"case": case_name, "root_causes": named, "confidence": confidence, "seconds": seconds});
            writeln!(file, "{line}").map_err(|e| Failure::File(path.clone(), e))?;
        }
    }
    sets.iter().for_each(|(name, set)| tell(name, set, report));
    Ok(())
}

/// What is known of the cases: `cases.jsonl`, and `truth.jsonl` over it.
fn known(data: &Path) -> Result<FxHashMap<String, Map<String, Value>>, Failure> {
    let mut known = FxHashMap::<String, Map<String, Value>>::default();
    for file in ["cases.jsonl", "truth.jsonl"] {
        let path = data.join(file);
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        for line in text.lines().filter(|l| !l.trim().is_empty()) {
            let facts: Map<String, Value> = serde_json::from_str(line)
                .map_err(|e| Failure::Form(path.clone(), e.to_string()))?;
            let Some(case) = facts.get("case").and_then(Value::as_str) else {
                continue;
            };
            known.entry(case.to_owned()).or_default().extend(facts);
        }
    }
    Ok(known)
}

/// The second to explain, as a number or as text.
fn at_second(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => time::seconds(text),
        other => time::seconds(&other.to_string()),
    }
}

fn answers(out: &Path) -> Result<std::io::BufWriter<std::fs::File>, Failure> {
    let failed = |e| Failure::File(out.to_owned(), e);
    std::fs::create_dir_all(out).map_err(failed)?;
    let file = std::fs::File::create(out.join("answers.jsonl")).map_err(failed)?;
    Ok(std::io::BufWriter::new(file))
}

/// Causes, and the CPU seconds that finding them took.
fn answer(case: &Case) -> (Vec<Cause>, f64) {
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    let causes = match &case.measure {
        Measure::Amounts(observed, expected) => of_amounts(&case.cube, observed, expected),
        Measure::Ratios(counts) => of_ratios(&case.cube, counts),
    };
    let spent = cpu.zip(cpu_seconds()).map(|(from, to)| to - from);
    (
        causes,
        spent.unwrap_or_else(|| wall.elapsed().as_secs_f64()),
    )
}

fn names(case: &Case, causes: &[Cause]) -> Vec<Named> {
    let pair = |(d, v): &(usize, u16)| {
        (
            case.dims[*d].clone(),
            case.values[*d][usize::from(*v)].clone(),
        )
    };
    causes
        .iter()
        .map(|c| c.element.iter().map(pair).collect())
        .collect()
}

/// How sure the whole answer is: the mean over its causes, by what they explain.
fn confidence(causes: &[Cause]) -> f64 {
    let all: f64 = causes.iter().map(|c| c.share).sum();
    let sure: f64 = causes.iter().map(|c| c.share * c.confidence).sum();
    if all > 0.0 { sure / all } else { 0.0 }
}

fn score(answer: &[Named], truth: &Value) -> Score {
    let of = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let element = |e: &Value| -> Named {
        let pairs = e.as_object().into_iter().flatten();
        pairs.map(|(dim, value)| (dim.clone(), of(value))).collect()
    };
    let truth: BTreeSet<Named> = truth
        .as_array()
        .into_iter()
        .flatten()
        .map(element)
        .collect();
    let answer: BTreeSet<Named> = answer.iter().cloned().collect();
    let right = truth.intersection(&answer).count();
    Score {
        right,
        wrong: answer.len() - right,
        missed: truth.len() - right,
    }
}

fn f1<'a>(scores: impl Iterator<Item = &'a Score>) -> f64 {
    let (mut twice, mut all) = (0, 0);
    for s in scores {
        twice += 2 * s.right;
        all += 2 * s.right + s.wrong + s.missed;
    }
    twice as f64 / all.max(1) as f64
}

fn tell(name: &str, set: &Set, report: &mut Report) {
    let cases = set.scores.len();
    if cases == 0 {
        report.remarks.push(format!(
            "{name}: {} cases without truth are answered but not scored",
            set.ms.len()
        ));
    } else {
        let sum = |part: fn(&Score) -> usize| set.scores.iter().map(part).sum::<usize>();
        let (right, wrong, missed) = (sum(|s| s.right), sum(|s| s.wrong), sum(|s| s.missed));
        report.figures.push(Figure {
            name: format!("attribution/{name}/f1"),
            value: f1(set.scores.iter()),
            unit: "F1",
            spread: interval(cases, |drawn| f1(drawn.iter().map(|c| &set.scores[*c]))),
            n: cases,
            note: format!(
                "{right} right, {wrong} wrong, {missed} missed; 95 % interval over cases"
            ),
        });
    }
    let mut ms = set.ms.clone();
    ms.sort_by(f64::total_cmp);
    report.figures.push(Figure {
        name: format!("attribution/{name}/ms"),
        value: ms[ms.len() / 2],
        unit: "ms CPU",
        spread: (ms[0], ms[ms.len() - 1]),
        n: ms.len(),
        note: "median, smallest, largest of a case with its rows in memory".to_owned(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_combinations_count_and_twice_the_same_counts_once() {
        let named = |pairs: &[(&str, &str)]| -> Named {
            pairs
                .iter()
                .map(|(d, v)| ((*d).to_owned(), (*v).to_owned()))
                .collect()
        };
        let truth = json!([{"a": "a1", "b": "b2"}, {"c": 5}]);
        let answer = [
            named(&[("b", "b2"), ("a", "a1")]),
            named(&[("a", "a1")]),
            named(&[("a", "a1")]),
        ];
        let s = score(&answer, &truth);
        assert_eq!((s.right, s.wrong, s.missed), (1, 1, 1));
        assert_eq!(f1([s].iter()), 0.5);
    }
}
