//! The words' counts of ours and Storm's equal those of `sort | uniq -c` on the same text.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::Bench;
use super::group::until;
use super::job::{Job, Side};
use super::readings::files;
use super::rounds::fresh;
use crate::report::Figure;

type Words = BTreeMap<String, u64>;

/// Counts the text with ours, and with Storm where it takes part, and compares.
///
/// # Errors
/// A word has another count than `sort | uniq -c` says.
pub fn counts(bench: &mut Bench<'_>) -> Result<()> {
    if !bench.wanted("engine/wordcount/verified") {
        return Ok(());
    }
    let text = bench.text.clone();
    let right = parse(&uniq(&text)?)?;
    let own = Job {
        verify: true,
        ..bench.job("wordcount", true, 1, bench.own_setting(1))
    };
    // Each spout emits the whole text.
    let spouts = u64::from(own.setting.spouts);
    let theirs = Job {
        verify: true,
        ..bench.job("wordcount", true, 1, Default::default())
    };
    let theirs = Job {
        setting: super::Setting {
            spouts: 1,
            bolts: 2,
            ..Default::default()
        },
        ..theirs
    };
    equal(&mut bench.ours, &own, &right, spouts)?;
    let mut note = "ours equal `sort | uniq -c`".to_owned();
    if let Some(storm) = &mut bench.storm {
        equal(storm, &theirs, &right, 1)?;
        note = "ours and Storm's equal `sort | uniq -c`".to_owned();
    }
    bench.add(Figure {
        name: "engine/wordcount/verified".to_owned(),
        runs: vec![right.len() as f64],
        unit: "words",
        against: None,
        note,
    });
    Ok(())
}

fn uniq(text: &Path) -> Result<String> {
    let out = Command::new("sh")
        .args([
            "-c",
            "tr ' ' '\\n' < \"$1\" | LC_ALL=C sort | uniq -c",
            "sh",
        ])
        .arg(text)
        .output()
        .context("cannot start sh")?;
    ensure!(out.status.success(), "sort | uniq -c: {}", out.status);
    Ok(String::from_utf8(out.stdout)?)
}

/// Reads lines `count word`; counts of a word in several files add up.
fn parse(lines: &str) -> Result<Words> {
    let mut words = Words::new();
    for line in lines.lines() {
        let Some((count, word)) = line.trim_start().split_once(' ') else {
            bail!("{line:?} is not `count word`");
        };
        *words.entry(word.to_owned()).or_default() += count.parse::<u64>()?;
    }
    Ok(words)
}

fn equal(side: &mut dyn Side, job: &Job, right: &Words, times: u64) -> Result<()> {
    let job = Job {
        dir: fresh(&job.dir)?,
        ..job.clone()
    };
    side.start(&job)?;
    let right: Words = right.iter().map(|(w, n)| (w.clone(), n * times)).collect();
    let total: u64 = right.values().sum();
    let mut found = Words::new();
    let counted = until("all words counted", Duration::from_secs(90), || {
        found = read(&job.dir).unwrap_or_default();
        found.values().sum::<u64>() >= total
    });
    side.stop(&job.dir)?;
    counted.with_context(|| side.name())?;
    let differ: Vec<_> = right
        .iter()
        .filter(|(w, n)| found.get(*w) != Some(n))
        .collect();
    ensure!(
        differ.is_empty() && found.len() == right.len(),
        "{} counts {} of {} words otherwise than sort | uniq -c, the first one {:?}",
        side.name(),
        differ.len(),
        right.len(),
        differ.first()
    );
    Ok(())
}

/// What all tasks have written; a file that is just being written is read again later.
fn read(dir: &Path) -> Result<Words> {
    let mut all = String::new();
    for file in files(dir, "words")? {
        all += &std::fs::read_to_string(file)?;
    }
    parse(&all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_uniq_and_of_a_twin_are_read_alike() {
        let words = parse("      3 the\n1 a\n2 a\n").unwrap();
        assert_eq!(words["the"], 3);
        assert_eq!(words["a"], 3);
        assert!(parse("the\n").is_err());
    }

    #[test]
    fn the_text_has_the_words_that_uniq_says() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "b a b\na b c\n").unwrap();
        let words = parse(&uniq(file.path()).unwrap()).unwrap();
        let expected = [("a", 2), ("b", 3), ("c", 1)];
        let expected = expected.map(|(w, n)| (w.to_owned(), n));
        assert_eq!(words, Words::from(expected));
    }
}
