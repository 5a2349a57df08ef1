//! Detection evaluated: scores and alarms for each row, and where labels are known how good they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fulmar_anomaly::series::{Floor, Judged, Series, Settings};
use rustc_hash::FxHashMap;

use crate::events::Events;
use crate::failure::Failure;
use crate::nab::{self, Judgement};
use crate::report::{Figure, Report, cpu_seconds, interval};
use crate::rows;
use crate::time;
use crate::vus::vus_pr;

/// Rows that are not judged where no index names them.
const WARM_UP_PART: f64 = 0.15;

/// One file.
struct Table {
    /// Time stamps as they were written.
    stamps: Vec<String>,
    times: Vec<i64>,
    values: Vec<f64>,
    labels: Option<Vec<bool>>,
}

/// What a labelled series came to.
#[derive(Clone)]
struct Scored {
    vus: Option<f64>,
    events: Events,
    days: f64,
    /// By NAB's rules, which judge the whole series but its first 15 %.
    nab: Judgement,
}

/// Sums of a run.
#[derive(Default)]
struct Run {
    scored: Vec<Scored>,
    /// By the first folder.
    families: BTreeMap<String, Vec<usize>>,
    unlabelled: usize,
    points: usize,
    seconds: f64,
}

/// Judges all series below a folder.
pub fn evaluate(data: &Path, out: Option<&Path>, report: &mut Report) -> Result<(), Failure> {
    let train = train_rows(&data.join("index.csv"))?;
    let mut run = Run::default();
    for path in rows::below(data)? {
        let Some(stem) = rows::stem(&path) else {
            continue;
        };
        let name = stem.strip_prefix(data).unwrap_or(&stem).to_owned();
        if name == Path::new("index") {
            continue;
        }
        let Some(table) = read(&path)? else {
            let line = format!(
                "{}: no series: `timestamp` and `value` are not both columns",
                path.display()
            );
            report.remarks.push(line);
            continue;
        };
        let (cpu, wall) = (cpu_seconds(), std::time::Instant::now());
        let judged = judge(&table);
        let spent = cpu.zip(cpu_seconds()).map(|(from, to)| to - from);
        run.seconds += spent.unwrap_or_else(|| wall.elapsed().as_secs_f64());
        run.points += judged.len();
        let warm_up = train.get(&name).copied();
        let warm_up = warm_up.unwrap_or((judged.len() as f64 * WARM_UP_PART) as usize);
        match &table.labels {
            Some(labels) => run.add(&name, score(&table, labels, &judged, warm_up)),
            None => run.unlabelled += 1,
        }
        if let Some(out) = out {
            write(&out.join(&name), &table, &judged)?;
        }
    }
    run.tell(report);
    Ok(())
}

/// Rows before the judged part, by series.
fn train_rows(index: &Path) -> Result<FxHashMap<PathBuf, usize>, Failure> {
    let mut train = FxHashMap::default();
    if !index.is_file() {
        return Ok(train);
    }
    let wrong = rows::wrong(index);
    let mut input = rows::open(index)?;
    let heading = input.headers().map_err(|e| wrong(e.to_string()))?.clone();
    let column = |name: &str| heading.iter().position(|h| h == name);
    let (Some(series), Some(rows)) = (column("series"), column("train_rows")) else {
        return Ok(train);
    };
    for row in input.records() {
        let row = row.map_err(|e| wrong(e.to_string()))?;
        if let Ok(rows) = row[rows].parse() {
            train.insert(PathBuf::from(&row[series]), rows);
        }
    }
    Ok(train)
}

/// A file's series; none where it holds something else.
fn read(path: &Path) -> Result<Option<Table>, Failure> {
    let wrong = rows::wrong(path);
    let mut input = rows::open(path)?;
    let heading = input.headers().map_err(|e| wrong(e.to_string()))?.clone();
    let column = |name: &str| heading.iter().position(|h| h == name);
    let (Some(stamp), Some(value)) = (column("timestamp"), column("value")) else {
        return Ok(None);
    };
    let label = column("label").or_else(|| column("is_anomaly"));
    let mut table = Table {
        stamps: Vec::new(),
        times: Vec::new(),
        values: Vec::new(),
        labels: label.map(|_| Vec::new()),
    };
    let mut row = csv::StringRecord::new();
    while input
        .read_record(&mut row)
        .map_err(|e| wrong(e.to_string()))?
    {
        let text = &row[stamp];
        let seconds = time::seconds(text)
            .ok_or_else(|| wrong(format!("`{text}` is neither epoch seconds nor ISO 8601")))?;
        table.stamps.push(text.to_owned());
        table.times.push(seconds);
        // What is no number is missing.
        table.values.push(row[value].parse().unwrap_or(f64::NAN));
        if let (Some(labels), Some(label)) = (&mut table.labels, label) {
            labels.push(row[label].parse::<f64>().is_ok_and(|l| l > 0.5));
        }
    }
    Ok(Some(table))
}

/// The interval is that between the first rows, so that later ones cannot change what was said of earlier ones.
fn judge(table: &Table) -> Vec<Judged> {
    let steps = table.times.windows(2).take(10).map(|t| t[1] - t[0]);
    let interval = steps.filter(|s| *s > 0).min().unwrap_or(60);
    let mut series = Series::new(interval, &Arc::new(Settings::default()), Floor::default());
    let points = table.times.iter().zip(&table.values);
    points
        .map(|(time, value)| series.step(*time, *value, 1.0))
        .collect()
}

fn score(table: &Table, labels: &[bool], judged: &[Judged], warm_up: usize) -> Scored {
    let warm_up = warm_up.min(judged.len());
    let all: Vec<f64> = judged.iter().map(|j| j.score).collect();
    let nab = Judgement::of(&all, &nab::windows(labels));
    let (labels, judged) = (&labels[warm_up..], &judged[warm_up..]);
    let scores: Vec<f64> = judged.iter().map(|j| j.score).collect();
    let alarms: Vec<bool> = judged.iter().map(|j| j.alarm).collect();
    let times = &table.times[warm_up..];
    let seconds = times.last().zip(times.first()).map_or(0, |(l, f)| l - f);
    Scored {
        vus: vus_pr(labels, &scores),
        events: Events::of(labels, &alarms),
        days: seconds as f64 / 86_400.0,
        nab,
    }
}

fn write(stem: &Path, table: &Table, judged: &[Judged]) -> Result<(), Failure> {
    let mut text = String::from("timestamp,anomaly_score,alarm\n");
    for (stamp, j) in table.stamps.iter().zip(judged) {
        // A string takes what is written to it.
        let _ = writeln!(text, "{stamp},{:.6},{}", j.score, u8::from(j.alarm));
    }
    let mut file = stem.as_os_str().to_owned();
    file.push(".csv");
    let file = PathBuf::from(file);
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&file, text))
        .map_err(|e| Failure::File(file.clone(), e))
}

impl Run {
    fn add(&mut self, name: &Path, scored: Scored) {
        let mut parts = name.iter().map(|p| p.to_string_lossy().into_owned());
        let family = parts.next().unwrap_or_default();
        self.families
            .entry(family)
            .or_default()
            .push(self.scored.len());
        self.scored.push(scored);
    }

    fn tell(&self, report: &mut Report) {
        let all: Vec<usize> = (0..self.scored.len()).collect();
        if !all.is_empty() {
            self.figures("anomaly", &all, report);
        }
        for (family, series) in self.families.iter().filter(|_| self.families.len() > 1) {
            self.figures(&format!("anomaly/{family}"), series, report);
        }
        self.nab(report);
        if self.unlabelled > 0 {
            let line = format!(
                "{} series without labels are judged but not scored",
                self.unlabelled
            );
            report.remarks.push(line);
        }
        let rate = self.points as f64 / self.seconds.max(1e-9);
        report.figures.push(Figure {
            name: "detector/rate".to_owned(),
            value: rate,
            unit: "points/s",
            spread: (rate, rate),
            n: self.points,
            note: "of CPU time on one core, rows in memory".to_owned(),
        });
    }

    /// One threshold for all series, the best, as NAB's optimizer finds it.
    fn nab(&self, report: &mut Report) {
        let all: Vec<Judgement> = self.scored.iter().map(|s| s.nab.clone()).collect();
        for profile in nab::PROFILES.iter().filter(|_| !all.is_empty()) {
            let best = nab::best(&all, profile);
            report.figures.push(Figure {
                name: format!("anomaly/nab/{}", profile.name),
                value: best.score,
                unit: "NAB",
                spread: interval(all.len(), |drawn| {
                    nab::score(drawn.iter().map(|d| &all[*d]), best.threshold, profile)
                }),
                n: all.len(),
                note: format!(
                    "by NAB's rules at {:.3}; labels widened to NAB's windows",
                    best.threshold
                ),
            });
        }
    }

    fn figures(&self, name: &str, series: &[usize], report: &mut Report) {
        let of = |drawn: &[usize]| -> Vec<&Scored> {
            drawn.iter().map(|d| &self.scored[series[*d]]).collect()
        };
        let vus = |drawn: &[usize]| {
            let known: Vec<f64> = of(drawn).iter().filter_map(|s| s.vus).collect();
            known.iter().sum::<f64>() / known.len().max(1) as f64
        };
        let events = |drawn: &[usize]| Events::sum(of(drawn).iter().map(|s| &s.events));
        let all: Vec<usize> = (0..series.len()).collect();
        let mut push = |what: &str, value, unit, spread, note: String| {
            let name = format!("{name}/{what}");
            report.figures.push(Figure {
                name,
                value,
                unit,
                spread,
                n: series.len(),
                note,
            });
        };
        let note = "mean over series that have anomalies; 95 % interval over series".to_owned();
        push(
            "vus_pr",
            vus(&all),
            "area",
            interval(series.len(), vus),
            note,
        );
        let sum = events(&all);
        let note = format!(
            "{} found, {} missed, {} false",
            sum.found, sum.missed, sum.false_alarms
        );
        push(
            "event_f1",
            sum.f1(),
            "F1",
            interval(series.len(), |d| events(d).f1()),
            note,
        );
        let days = |drawn: &[usize]| of(drawn).iter().map(|s| s.days).sum::<f64>().max(1e-9);
        let per_day = |drawn: &[usize]| events(drawn).false_alarms as f64 / days(drawn);
        let note = "false alarms a series and day".to_owned();
        push(
            "false_per_day",
            per_day(&all),
            "1/day",
            interval(series.len(), per_day),
            note,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_a_prefix_are_the_prefix_of_the_scores() {
        let mut table = Table {
            stamps: Vec::new(),
            times: Vec::new(),
            values: Vec::new(),
            labels: None,
        };
        for n in 0..3_000_i64 {
            let value = 50.0 + 30.0 * (n as f64 / 45.0).sin() + (n * 7_919 % 101) as f64 / 20.0;
            table.times.push(1_600_000_000 + 300 * n);
            table
                .values
                .push(if n % 97 == 0 { f64::NAN } else { value });
        }
        let whole = judge(&table);
        for length in [1, 13, 500, 2_999] {
            let cut = Table {
                stamps: Vec::new(),
                times: table.times[..length].to_vec(),
                values: table.values[..length].to_vec(),
                labels: None,
            };
            assert_eq!(judge(&cut), whole[..length]);
        }
        assert!(whole.iter().all(|j| (0.0..=1.0).contains(&j.score)));
    }
}
