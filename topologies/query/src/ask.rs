//! What a request asks for, checked before anything is looked up.
//! Pure: no clock, no I/O, no async.

use std::collections::HashMap;

use fulmar_api::config::keys::did_you_mean;

use crate::error::Problem;

/// Names of the metrics.
pub const METRICS: [&str; 3] = ["throughput", "capacity", "coverage"];
/// Fields of groupings; combinations are joined by `+`.
pub const FIELDS: [&str; 5] = ["org", "site", "ap", "band", "wlan"];
/// Lengths of windows by their names, in ms.
pub const WINDOWS: [(&str, i64); 4] = [
    ("1m", 60_000),
    ("10m", 600_000),
    ("1h", 3_600_000),
    ("1d", 86_400_000),
];
/// Results of one page at most.
pub const LIMIT_MOST: usize = 1_000;
const LIMIT: usize = 100;
const DAY_MS: i64 = 86_400_000;
/// Longest span of a request: what is stored longest is read in parts.
const SPAN_MOST_MS: i64 = 400 * DAY_MS;

/// The words of a request's query.
pub struct Words(HashMap<String, String>);

impl Words {
    /// Takes the words; each must be known.
    ///
    /// # Errors
    /// One is not known.
    pub fn new(words: HashMap<String, String>, known: &[&str]) -> Result<Self, Problem> {
        if let Some(word) = words.keys().find(|w| !known.contains(&w.as_str())) {
            let hint = did_you_mean(word, known.iter().copied());
            let message = format!("unknown parameter \"{word}\"{hint}");
            return Err(Problem::wrong(
                "unknown_parameter",
                message,
                format!("use some of {}", known.join(", ")),
            ));
        }
        Ok(Self(words))
    }

    /// A word.
    pub fn get(&self, word: &str) -> Option<&str> {
        self.0
            .get(word)
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    }

    /// A word that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn need(&self, word: &'static str) -> Result<&str, Problem> {
        self.get(word).ok_or_else(|| {
            Problem::wrong(
                "missing_parameter",
                format!("{word} is missing"),
                format!("add {word}=… to the query"),
            )
        })
    }

    /// Results of one page.
    ///
    /// # Errors
    /// It is not a number from 1 to the most.
    pub fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = self.get("limit") else {
            return Ok(LIMIT);
        };
        text.parse()
            .ok()
            .filter(|n| (1..=LIMIT_MOST).contains(n))
            .ok_or_else(|| {
                let message = format!("limit {text} is not between 1 and {LIMIT_MOST}");
                Problem::wrong("bad_limit", message, "ask for fewer, and follow `next`")
            })
    }

    /// One of these.
    ///
    /// # Errors
    /// It is none of them.
    pub fn one_of(
        &self,
        word: &'static str,
        known: &[&'static str],
    ) -> Result<Option<&'static str>, Problem> {
        let Some(text) = self.get(word) else {
            return Ok(None);
        };
        match known.iter().find(|k| **k == text) {
            Some(found) => Ok(Some(found)),
            None => {
                let hint = did_you_mean(text, known.iter().copied());
                let message = format!("unknown {word} \"{text}\"{hint}");
                Err(Problem::wrong(
                    "unknown_value",
                    message,
                    format!("use one of {}", known.join(", ")),
                ))
            }
        }
    }

    /// A grouping: fields joined by `+`.
    ///
    /// # Errors
    /// A field is not known.
    pub fn grouping(&self) -> Result<&str, Problem> {
        let grouping = self.get("grouping").unwrap_or("org");
        for field in grouping.split(['+', ' ']) {
            if !FIELDS.contains(&field) {
                let hint = did_you_mean(field, FIELDS.into_iter());
                let message = format!("unknown field \"{field}\" in grouping \"{grouping}\"{hint}");
                return Err(Problem::wrong(
                    "unknown_grouping",
                    message,
                    "join some of org, site, ap, band, wlan by +",
                ));
            }
        }
        Ok(grouping)
    }

    /// From and to in ms since the epoch: `start` and `end` in seconds (as Mist's) or ms, or `duration`
    /// such as 1d, 2h, 30m back from the end.
    ///
    /// # Errors
    /// One cannot be read, they are the wrong way round, or lie too far apart.
    pub fn span(&self, now_ms: i64) -> Result<(i64, i64), Problem> {
        let end = self.time("end")?.unwrap_or(now_ms);
        let back = match self.get("duration") {
            None => DAY_MS,
            Some(text) => duration_ms(text).ok_or_else(|| {
                Problem::wrong(
                    "bad_time",
                    format!("duration {text} is not a time"),
                    "write 30m, 2h or 1d",
                )
            })?,
        };
        let start = self
            .time("start")?
            .unwrap_or_else(|| end.saturating_sub(back));
        if start >= end || end.saturating_sub(start) > SPAN_MOST_MS {
            let message =
                format!("start {start} ms to end {end} ms is no span, or longer than 400 days");
            return Err(Problem::wrong(
                "bad_time",
                message,
                "ask for a start before the end, 400 days at most",
            ));
        }
        Ok((start, end))
    }

    fn time(&self, word: &'static str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.get(word) else {
            return Ok(None);
        };
        let number: i64 = text.parse().map_err(|_| {
            Problem::wrong(
                "bad_time",
                format!("{word} {text} is not a number"),
                "write seconds or milliseconds since 1970",
            )
        })?;
        // Seconds reach this in the year 5138.
        Ok(Some(if number.abs() < 100_000_000_000 {
            number * 1_000
        } else {
            number
        }))
    }
}

fn duration_ms(text: &str) -> Option<i64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let unit = match &text[at..] {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        _ => return None,
    };
    text[..at]
        .parse::<i64>()
        .ok()?
        .checked_mul(unit)
        .filter(|ms| *ms > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[(&str, &str)]) -> Result<Words, Problem> {
        let map = list
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Words::new(
            map,
            &[
                "org", "metric", "grouping", "start", "end", "duration", "limit",
            ],
        )
    }

    #[test]
    fn mistakes_are_said_with_what_was_meant() {
        let refused = words(&[("metrik", "x")]).err().unwrap();
        assert!(
            refused.message.contains("did you mean \"metric\""),
            "{}",
            refused.message
        );
        let w = words(&[
            ("metric", "troughput"),
            ("grouping", "site+app"),
            ("limit", "5000"),
            ("start", "x"),
        ])
        .unwrap();
        assert!(
            w.one_of("metric", &METRICS)
                .unwrap_err()
                .message
                .contains("throughput")
        );
        assert!(w.grouping().unwrap_err().message.contains("\"ap\""));
        assert!(w.limit().unwrap_err().message.contains("1000"));
        assert_eq!(w.span(0).unwrap_err().error, "bad_time");
        assert_eq!(w.need("org").unwrap_err().error, "missing_parameter");
    }

    #[test]
    fn times_are_seconds_milliseconds_or_a_duration() {
        let span = |list: &[(&str, &str)]| words(list).unwrap().span(1_700_000_000_000);
        assert_eq!(
            span(&[]),
            Ok((1_700_000_000_000 - DAY_MS, 1_700_000_000_000))
        );
        assert_eq!(
            span(&[("start", "1699999000"), ("end", "1700000000000")]),
            Ok((1_699_999_000_000, 1_700_000_000_000))
        );
        assert_eq!(
            span(&[("duration", "2h")]).unwrap().0,
            1_700_000_000_000 - 7_200_000
        );
        assert!(span(&[("start", "1700000000"), ("end", "1600000000")]).is_err());
        assert!(span(&[("duration", "-1d")]).is_err());
    }
}
